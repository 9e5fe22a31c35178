"""The door of the room: the recycle bin of one instance (X1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, Invalid, NameInvalid, NotFound
from chalicelib.kernel.ids import is_id
from chalicelib.kernel.moment import from_text
from chalicelib.kernel.names import NamespaceName, RepositoryName, TagName
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, Key
from chalicelib.registry.burial import Burial
from chalicelib.registry.companions import entries_of_companions
from chalicelib.registry.losses import Losing, in_words
from chalicelib.registry.models import BinEntry
from chalicelib.registry.namespace_restoration import NamespaceRestoration
from chalicelib.registry.namespace_retirement import NamespaceRetirement
from chalicelib.registry.repository_restoration import RepositoryRestoration
from chalicelib.registry.repository_retirement import RepositoryRetirement
from chalicelib.registry.restoration import Restoration
from chalicelib.repositories.models import Repository
from chalicelib.tasks.models import Task

from . import rules, store
from .models import EntryQuery, EntryView, RestoredView, RestoreOrder

# Tags of one entry that a view names.
MOST_TAGS: Final = 100
# A small namespace is gone from the bin when the caller hears of it; the sweeps go on with a large one.
ROUNDS_AT_ONCE: Final = 3


class RecycleBin:
    def __init__(self, stack: Stack, instance: Instance) -> None:
        self._stack = stack
        self._table = stack.table
        self._instance = instance
        self._instances = Instances(stack)

    # Shown

    def get(self, entry_id: str) -> BinEntry:
        """Raises NotFound."""
        entry = store.load(self._table, self._instance.id, entry_id) if is_id(entry_id) else None
        if entry is None:
            raise NotFound("there is no such entry in the recycle bin")
        return entry

    def page(self, query: EntryQuery) -> Page[EntryView]:
        """One query a page; with a kind or a search a bounded pass, whose page may be short."""
        if query.cursor is not None and not is_id(query.cursor):
            raise Invalid("cursor", "is not `next` of a page of this list")
        wanted = rules.wanted(query.kind, query.search)
        found = store.page(self._table, self._instance.id, wanted, query)
        views = self.views(found.items)
        return Page(tuple(views), found.next)

    def views(self, entries: Sequence[BinEntry]) -> list[EntryView]:
        """As the API shows them: two batches of reads, however many."""
        pointers = self._table.get_many([keys.repository_by_id(entry.repository_id) for entry in entries])
        homes = {
            entry.id: rules.home(entry, pointers.get(keys.repository_by_id(entry.repository_id))) for entry in entries
        }
        namespaces = self._table.get_many([self._namespace_of(home) for home in homes.values()])
        return [self._view(entry, homes[entry.id], pointers, namespaces) for entry in entries]

    def _namespace_of(self, name: str) -> Key:
        return keys.namespace(self._instance.id, name.partition("/")[0])

    def _view(
        self, entry: BinEntry, home: str, pointers: Mapping[Key, Item], namespaces: Mapping[Key, Item]
    ) -> EntryView:
        namespace = namespaces.get(self._namespace_of(home))
        reason = rules.why_not(entry, home, pointers.get(_pointer(entry)), namespace)
        stood_still = timedelta(seconds=self._instances.stood_still_s(self._instance) - entry.stood_still_s)
        expires_at = from_text(entry.expires_at) + stood_still
        remaining = expires_at - self._stack.clock.now()
        names = tuple(str(tag["name"]) for tag in entry.tags)
        return EntryView(
            id=entry.id,
            kind=entry.kind,
            name=entry.name,
            namespace=home.partition("/")[0],
            repository="" if entry.kind == "namespace" else home,
            digest=entry.digest,
            tags=names[:MOST_TAGS],
            tag_count=len(names) if entry.kind in ("tag", "manifest") else None,
            size=entry.size,
            deleted_at=from_text(entry.deleted_at),
            deleted_by=entry.deleted_by,
            expires_at=expires_at,
            remaining_s=max(0, int(remaining.total_seconds())),
            restorable=not reason,
            reason=reason,
        )

    # Brought back

    def restore(self, entry: BinEntry, order: RestoreOrder, by: str) -> RestoredView | Task:
        """At once; of a namespace the task that does it. Raises what the kind's own restoration raises, and Invalid for
        a name that it cannot have."""
        if order.leave_taken and entry.kind != "manifest":
            raise Invalid("leave_taken", "is for manifests, which come back with several tags")
        if entry.kind == "namespace":
            return NamespaceRestoration(self._stack).restore(self._instance, entry, by, name=_namespace_name(order))
        if entry.kind == "repository":
            name = _repository_name(entry, order)
            back = RepositoryRestoration(self._stack).restore(self._instance, entry, name=name)
            return _view_of(entry, back.name)
        done = Restoration(self._stack).restore(
            self._instance, entry, by, name=_tag_name(entry, order), leave_taken=order.leave_taken
        )
        return _view_of(entry, done.repository.name, done.tags, done.left)

    # Freed

    def loss(self, entry: BinEntry) -> tuple[str, dict[str, object]]:
        """What is lost when the entry is freed, in words and counted: `tags`, `accelerated` and `size` of a tag or
        manifest, else the fields of `Losses`; nothing of an empty namespace."""
        if entry.kind in ("tag", "manifest"):
            following = self._following(entry)
            size = entry.size + sum(one.size for one in following)
            tags = f", {in_words(len(entry.tags), 'tag')}" if entry.kind == "manifest" else ""
            along = f" with {in_words(len(following), 'accelerated version')}" if following else ""
            words = f"{entry.kind} {entry.name} of {entry.repository}{tags}{along} and {size} bytes of content"
            return words, {"tags": len(entry.tags), "accelerated": len(following), "size": size}
        losing = Losing(self._stack, self._instance)
        if entry.kind == "repository":
            lost = losing.repository(_record_of(entry))
            return f"repository {entry.name} with {lost}", asdict(lost)
        repositories, held = 0, None
        for part in store.parts(self._table, entry):
            repositories, held = repositories + 1, losing.repository(_record_of(part))
        if held is None:
            return f"namespace {entry.name}", {}
        held = replace(held, repositories=repositories)
        return f"namespace {entry.name} with {held}", asdict(held)

    def free(self, entry: BinEntry) -> None:
        """Before its time, and for good; its bytes go with the next sweeps. Safe to repeat. Raises Conflict for a
        namespace that is on its way into the bin or out of it."""
        if not entry.whole:
            raise Conflict(f"namespace {entry.name} is still being deleted; wait for that task")
        if entry.returns:
            raise Conflict(f"namespace {entry.name} is being restored", task=entry.returns)
        if entry.kind == "namespace":
            retirement = NamespaceRetirement(self._stack)
            for _ in range(ROUNDS_AT_ONCE):
                retirement.expire(entry)
        elif entry.kind == "repository":
            RepositoryRetirement(self._stack).expire(entry)
        else:
            # Companions first, which only this entry tells of.
            for following in self._following(entry):
                Burial(self._stack).expire(following)
            Burial(self._stack).expire(entry)

    def _following(self, entry: BinEntry) -> list[BinEntry]:
        """Entries of the accelerated versions that come back with a tag's or manifest's, and go with it."""
        return entries_of_companions(self._table, self._instance.id, entry.repository_id, entry.tags)


def _pointer(entry: BinEntry) -> Key:
    return keys.repository_by_id(entry.repository_id)


def _record_of(entry: BinEntry) -> Repository:
    return Repository.model_validate(entry.record)


def _view_of(
    entry: BinEntry, name: RepositoryName, tags: Sequence[TagName] = (), left: Sequence[TagName] = ()
) -> RestoredView:
    return RestoredView(
        kind=entry.kind,
        namespace=name.namespace,
        repository=name,
        digest=entry.digest,
        tags=tuple(tags),
        left=tuple(left),
    )


def _tag_name(entry: BinEntry, order: RestoreOrder) -> TagName | None:
    if order.name is None:
        return None
    if entry.kind == "manifest":
        raise Invalid("name", "is not for manifests: a digest has no other name")
    try:
        return TagName.parse(order.name)
    except NameInvalid as malformed:
        raise Invalid("name", malformed.message) from malformed


def _repository_name(entry: BinEntry, order: RestoreOrder) -> RepositoryName | None:
    if order.name is None:
        return None
    try:
        return RepositoryName.parse(f"{RepositoryName(entry.name).namespace}/{order.name}")
    except NameInvalid as malformed:
        message = "a repository's name has a–z and 0–9, with . _ - or / between them; with its namespace 255 at most"
        raise Invalid("name", message) from malformed


def _namespace_name(order: RestoreOrder) -> NamespaceName | None:
    if order.name is None:
        return None
    try:
        return NamespaceName.parse(order.name)
    except NameInvalid as malformed:
        raise Invalid("name", malformed.message) from malformed
