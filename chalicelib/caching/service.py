"""The door of the room: which namespaces pull through which upstream.

A cache and the mark on its namespace's row come and go by one transaction, so a pull that reads of none there need not
look for it. The row hangs on the namespace's id: it goes with it, and comes back with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from chalicelib.identity.sealing import seal, unseal
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from chalicelib.kernel.paging import Page
from chalicelib.namespaces.departure import Departure
from chalicelib.namespaces.models import Namespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import cache_keys
from chalicelib.ports.memory import Knowledge
from chalicelib.ports.outbound import outbound
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, Key, OutcomeUnknown, TransactionCancelled, Write, absent, equals
from chalicelib.repositories.service import Repositories

from . import store
from .addresses import named, parse_upstream
from .models import Cache, CacheEdit, CacheQuery, CacheView, NewCache


class Caches:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._instances = Instances(stack)
        self._namespaces = Namespaces(stack)
        self._repositories = Repositories(stack)
        self._departure = Departure(stack)

    # What is set

    def create(self, instance: Instance, new: NewCache, by: str) -> CacheView:
        """Raises NotFound without the namespace, Conflict where it caches already or holds something, Invalid."""
        namespace = self._namespaces.get(instance.id, new.namespace, fresh=True)
        if self._repositories.list(instance.id, prefix=f"{namespace.name}/", limit=1).items:
            message = f"namespace {namespace.name} holds repositories; an upstream is for one that holds none"
            raise Conflict(message, namespace=namespace.name)
        cache = Cache(
            namespace_id=namespace.id,
            upstream=self._vetted(new.upstream),
            username=new.username,
            ttl_seconds=new.ttl_seconds,
            repositories=new.repositories,
            created_at=self._stack.clock.now(),
            created_by=by,
        )
        cache = self._with_password(cache, new.password)
        self._write(namespace, cache, [self._departure.pull_through(namespace, True), store.put(cache, absent())])
        return self._view(instance, namespace, cache)

    def edit(self, instance: Instance, name: str, change: CacheEdit) -> CacheView:
        """Raises NotFound, Conflict where it was changed meanwhile, Invalid."""
        namespace, seen = self._find(instance, name)
        fields: dict[str, Any] = change.model_dump(exclude_none=True, exclude={"password"})
        if change.upstream is not None:
            fields["upstream"] = self._vetted(change.upstream)
            if seen.sealed and change.password is None and _host(fields["upstream"]) != _host(seen.upstream):
                raise Invalid("password", "is to be given anew, or emptied, for an upstream at another host")
        cache = seen.model_copy(update={**fields, "version": seen.version + 1})
        if change.password is not None:
            cache = self._with_password(cache, change.password)
        # The mark too: a namespace that another version of this code brought back may have lost it.
        marked = self._departure.pull_through(namespace, True)
        self._write(namespace, cache, [marked, store.put(cache, equals("version", seen.version))])
        return self._view(instance, namespace, cache)

    def delete(self, instance: Instance, name: str) -> None:
        """What it holds stays, as content of an ordinary namespace. Raises NotFound, Conflict."""
        namespace, seen = self._find(instance, name)
        self._write(namespace, None, [self._departure.pull_through(namespace, False), store.removal(seen)])

    def get(self, instance: Instance, name: str) -> CacheView:
        """Raises NotFound."""
        namespace, cache = self._find(instance, name)
        return self._view(instance, namespace, cache)

    def list(self, instance: Instance, query: CacheQuery) -> Page[CacheView]:
        """In the order of namespaces' names, by a bounded pass; a page may be short though more follow. Raises Invalid
        for a foreign cursor."""
        page = self._namespaces.search(
            instance.id,
            query.search,
            cursor=query.cursor,
            limit=query.limit,
            descending=query.sort == "-name",
            pulling_through=True,
        )
        keys = {namespace.id: cache_keys.upstream(namespace.id) for namespace in page.items}
        found = self._table.get_many(list(keys.values())) if keys else {}
        shown = [
            self._view(instance, namespace, Cache.model_validate(found[keys[namespace.id]]))
            for namespace in page.items
            if keys[namespace.id] in found
        ]
        return Page(tuple(shown), page.next)

    def _view(self, instance: Instance, namespace: Namespace, cache: Cache) -> CacheView:
        return CacheView(
            namespace=namespace.name,
            address=f"{self._instances.public_address(instance)}/{namespace.name}",
            upstream=cache.upstream,
            username=cache.username,
            has_password=bool(cache.sealed),
            ttl_seconds=cache.ttl_seconds,
            repositories=cache.repositories,
            created_at=cache.created_at,
            created_by=cache.created_by,
        )

    # What pulls ask

    def in_force(self, namespace: Namespace) -> Cache | None:
        """From memory; None where there is none."""
        return self._stack.memory.know(_knowledge(namespace.id)) if namespace.upstream else None

    def password(self, cache: Cache) -> str:
        """Raises Conflict where it can be read no more."""
        return unseal(self._stack, cache.sealed, cache.about) if cache.sealed else ""

    # Between

    def _find(self, instance: Instance, name: str) -> tuple[Namespace, Cache]:
        with suppress(NotFound):
            namespace = self._namespaces.get(instance.id, name, fresh=True)
            cache = store.read(self._table.get(cache_keys.upstream(namespace.id)))
            if cache is not None:
                return namespace, cache
        raise NotFound(f"there is no namespace {name} that pulls through another registry", namespace=name)

    def _write(self, namespace: Namespace, wanted: Cache | None, writes: Sequence[Write]) -> None:
        try:
            self._table.transact(writes)
        except TransactionCancelled as cancelled:
            if 0 in cancelled.failed:
                raise NotFound(f"there is no namespace {namespace.name}", namespace=namespace.name) from cancelled
            message = f"the upstream of namespace {namespace.name} was set or changed meanwhile; look at it again"
            raise Conflict(message, namespace=namespace.name) from cancelled
        except OutcomeUnknown:
            if store.read(self._table.get(cache_keys.upstream(namespace.id))) != wanted:
                raise

    def _vetted(self, text: str) -> str:
        settings = self._stack.settings
        upstream = parse_upstream(text, settings.cache_upstreams)
        try:
            outbound(settings).vet_url(named(upstream, "x").origin)
        except Invalid as refused:
            raise Invalid("upstream", refused.message) from refused
        return upstream

    def _with_password(self, cache: Cache, password: str) -> Cache:
        if password and not cache.username:
            raise Invalid("username", "is missing beside the password")
        return cache.model_copy(update={"sealed": seal(self._stack, password, cache.about) if password else ""})


def _host(upstream: str) -> str:
    return named(upstream, "x").origin


def _knowledge(namespace_id: str) -> Knowledge[Cache | None]:
    key = cache_keys.upstream(namespace_id)

    def made(found: Mapping[Key, Item]) -> Cache | None:
        try:
            return store.read(found.get(key))
        except ValueError as unreadable:
            raise Unavailable("the namespace's upstream cannot be read; try again") from unreadable

    return Knowledge(("upstream", namespace_id), (key,), made)
