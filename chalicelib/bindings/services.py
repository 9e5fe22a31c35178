"""Services: named in an environment, each bound to one repository for as long as it is there (B1, B2, B4).

create   default: the repository is made, or found ─► one transaction: a place in the environment, the service, and
         a row with the repository, which is still private then
delete   the service takes no versions any more ─► they go, some at a time ─► it goes, and its place is free
         └─ broken off here it stands as `deleting`, and another delete goes on
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, Invalid, NameInvalid, NotFound, QuotaExceeded, Unavailable
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.paging import Page
from chalicelib.ports import binding_keys, keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, OutcomeUnknown, TransactionCancelled
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from . import store
from .environments import MOST_SERVICES
from .homes import Homes
from .models import Environment, Service, Version
from .names import ServiceName
from .shapes import NamedQuery, NewBinding, NewService

# With their rows at the repository two writes each, well within a transaction.
_VERSIONS_AT_ONCE: Final = 40


class Services:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._repositories = Repositories(stack)
        self._homes = Homes(stack)

    def create(self, home: Environment, new: NewService, instance: Instance, by: str) -> Service:
        """instance: what the binding names, or the environment's.

        Raises Conflict if the name is taken, QuotaExceeded where the environment has as many as it may, or the instance
        no room for the repository; NotFound, Invalid and Conflict for a repository that cannot be bound.
        """
        taken = Conflict.on("name", f"environment {home.name} has a service named {new.name} already")
        # Forecasts, so that no repository is made for what will not be; the transaction decides.
        if store.service(self._table, home.account_id, home.name, new.name) is not None:
            raise taken
        if home.services >= MOST_SERVICES:
            raise _full()
        default = new.binding.mode == "default"
        repository, reused = self._default(home, new, instance, by) if default else (self._named(instance, new), False)
        _require_bindable(repository)
        made = Service(
            account_id=home.account_id,
            environment=home.name,
            name=new.name,
            life=new_id(),
            remark=new.remark,
            mode=new.binding.mode,
            reused=reused,
            instance_id=instance.id,
            instance=instance.name,
            repository=repository.name,
            repository_id=repository.id,
            created_at=self._stack.clock.now(),
            created_by=by,
        )
        try:
            self._table.transact(store.service_creation(home, made, MOST_SERVICES))
        except TransactionCancelled as cancelled:
            raise self._why(home, taken, cancelled) from cancelled
        except OutcomeUnknown:
            standing = store.service(self._table, home.account_id, home.name, new.name)
            if standing is None or standing.life != made.life:
                raise
        return made

    def _why(self, home: Environment, taken: Conflict, cancelled: TransactionCancelled) -> Exception:
        if 1 in cancelled.failed:
            return taken
        if 0 in cancelled.failed:
            row = cancelled.failed[0]
            return _full() if row is not None and row["life"] == home.life else NotFound("there is no such environment")
        return Conflict("the repository was deleted or made public meanwhile; look at it again")

    def _default(self, home: Environment, new: NewService, instance: Instance, by: str) -> tuple[Repository, bool]:
        """The repository, and whether it was there already."""
        name = RepositoryName(f"{home.namespace}/{home.name}_{new.name}")
        _require_default(home, name, new.binding, instance)
        self._homes.ensure(instance, home.namespace)
        summary = f"Images of service {new.name} of environment {home.name}"
        try:
            return self._repositories.create(instance, name, "private", by, summary=summary), False
        except Conflict:
            return self._repositories.get(instance.id, name, fresh=True), True

    def _named(self, instance: Instance, new: NewService) -> Repository:
        """Raises Invalid naming what is missing, NotFound."""
        namespace, ref = new.binding.namespace, new.binding.repository
        wanted = (("namespace", namespace), ("repository", ref))
        lacking = [(f"binding.{field}", "names what is bound") for field, text in wanted if not text]
        if lacking:
            raise Invalid.many(lacking)
        if is_id(ref):
            return self._repositories.of_namespace(instance, namespace, ref)
        try:
            name = RepositoryName.parse(f"{namespace}/{ref}")
            return self._repositories.get(instance.id, name, fresh=True)
        except (NameInvalid, NotFound):
            raise NotFound("there is no such repository") from None

    def get(self, home: Environment, name: str) -> Service:
        """Raises NotFound."""
        found = store.service(self._table, home.account_id, home.name, name) if ServiceName.fits(name) else None
        if found is None:
            raise _missing()
        return found

    def page(self, home: Environment, query: NamedQuery) -> Page[Service]:
        """In name order. Raises Invalid naming `cursor`."""
        first = binding_keys.service(home.account_id, home.name, "")
        return store.page(self._table, first, Service, ServiceName, query)

    def repositories(self, services: Sequence[Service]) -> dict[str, Repository]:
        """Those that are there of what the services are bound to, by id, from memory: two batch reads an instance."""
        found: dict[str, Repository] = {}
        for instance in {service.instance_id for service in services}:
            ids = [service.repository_id for service in services if service.instance_id == instance]
            found |= {repository.id: repository for repository in self._repositories.of_ids(instance, ids)}
        return found

    def repository(self, instance: Instance, service: Service) -> Repository:
        """What the service is bound to, from the table itself. Raises NotFound while it is deleted."""
        pointer = self._table.get(keys.repository_by_id(service.repository_id))
        namespace = pointer["name"].partition("/")[0] if pointer else ""
        try:
            return self._repositories.of_namespace(instance, namespace, service.repository_id)
        except NotFound as deleted:
            raise NotFound(
                f"repository {service.repository}, to which the service is bound, was deleted; restore it, or make the "
                "service anew"
            ) from deleted

    def edit(self, seen: Service, remark: str | None) -> Service:
        """Raises NotFound."""
        if remark is None:
            return seen
        try:
            return Service.model_validate(self._table.update(store.remark(store.service_key(seen), seen.life, remark)))
        except ConditionFailed as gone:
            raise _missing() from gone

    def delete(self, seen: Service) -> None:
        """With its versions. The repository stays. Safe to repeat. Raises NotFound."""
        try:
            self._table.update(store.service_leaving(seen))
        except ConditionFailed as gone:
            raise _missing() from gone
        first = binding_keys.version(seen.account_id, seen.environment, seen.name, "")
        while rows := self._table.query(first.pk, prefix=first.sk, limit=_VERSIONS_AT_ONCE).items:
            try:
                self._table.transact(store.versions_deletion(seen, [Version.model_validate(row) for row in rows]))
            except TransactionCancelled as cancelled:
                if 0 in cancelled.failed:
                    return  # Another delete has taken it away; what was read belongs to the next of its name.
                raise Unavailable from cancelled
        try:
            self._table.transact(store.service_deletion(seen))
        except TransactionCancelled as cancelled:
            standing = cancelled.failed.get(0)
            if 0 not in cancelled.failed or (standing is not None and standing["life"] == seen.life):
                raise Unavailable from cancelled
        except OutcomeUnknown:
            left = store.service(self._table, seen.account_id, seen.environment, seen.name)
            if left is not None and left.life == seen.life:
                raise


def _require_default(home: Environment, name: RepositoryName, binding: NewBinding, instance: Instance) -> None:
    """What a default binding says beside its mode may only be what it is anyway. Raises Invalid naming each field."""
    bad = []
    if instance.id != home.instance_id:
        bad.append(("binding.instance", f"the default repository is in the environment's instance, {home.instance}"))
    if binding.namespace not in ("", name.namespace):
        bad.append(("binding.namespace", f"the default repository is in namespace {name.namespace}"))
    if binding.repository not in ("", name.short):
        bad.append(("binding.repository", f"the default repository is named {name.short}"))
    if bad:
        raise Invalid.many([(field, f"{message}; leave this out, or bind an existing one") for field, message in bad])


def _require_bindable(repository: Repository) -> None:
    """Raises Conflict unless it is a private repository of images, or still empty."""
    if repository.visibility != "private":
        raise Conflict(f"repository {repository.name} is public; a service takes a private one")
    if repository.kind == "chart":
        raise Conflict(f"repository {repository.name} holds charts; services are bound to repositories of images")


def _full() -> QuotaExceeded:
    return QuotaExceeded("services of an environment", MOST_SERVICES)


def _missing() -> NotFound:
    return NotFound("there is no such service")
