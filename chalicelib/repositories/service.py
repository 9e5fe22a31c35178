"""The door of the room: making, finding, listing and editing repositories, and what may be done with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, EditionRequired, Invalid, NotFound, QuotaExceeded, RepositoryMissing
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.paging import Page, bounded_pass
from chalicelib.kernel.principal import Action, Principal
from chalicelib.namespaces.models import Namespace, Visibility
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.memory import Knowledge
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Item, Key, OutcomeUnknown, TransactionCancelled
from chalicelib.sharing.service import Shares

from . import store
from .models import Kind, Repository, RepositoryEdit, RepositoryQuery
from .rules import is_guest, is_repository_name, matches, may

__all__ = ["Repositories", "may"]


class Repositories:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)
        self._namespaces = Namespaces(stack)
        self._shares = Shares(stack)

    def create(
        self,
        instance: Instance,
        name: RepositoryName,
        visibility: Visibility,
        by: str,
        *,
        summary: str = "",
        acceleration: bool = False,
    ) -> Repository:
        """Raises NotFound without the namespace, Conflict if the name is taken, QuotaExceeded, EditionRequired."""
        _require_edition(instance, acceleration)
        namespace = self._namespaces.get(instance.id, name.namespace, fresh=True)
        repository = self._new(namespace, name, visibility, by).model_copy(
            update={"summary": summary, "acceleration": acceleration}
        )
        return self._make(instance, repository)

    def ensure(self, instance: Instance, name: RepositoryName, by: str, *, leave: bool = False) -> Repository:
        """The repository to push into, made now if its namespace makes repositories on push (N1), or with leave to do
        so whatever it says.

        Of several callers at once one makes it and all get it. Raises RepositoryMissing, QuotaExceeded.
        """
        try:
            return self._load(instance.id, name)
        except NotFound:
            pass
        try:
            namespace = self._namespaces.get(instance.id, name.namespace, fresh=True)
        except NotFound as missing:
            raise RepositoryMissing(name, namespace_missing=True) from missing
        if not namespace.auto_create_repository and not leave:
            raise RepositoryMissing(name)
        try:
            return self._make(instance, self._new(namespace, name, namespace.default_visibility, by))
        except Conflict:
            return self._load(instance.id, name)

    def get(self, instance_id: str, name: str, *, fresh: bool = False) -> Repository:
        """fresh: from the table itself and not from memory, as writes need it. Raises NotFound."""
        if fresh:
            return self._load(instance_id, name)
        return self._stack.memory.know(self.knowledge(instance_id, name))

    def knowledge(self, instance_id: str, name: str) -> Knowledge[Repository]:
        """What `get` asks of memory."""
        key, namespace = keys.repository(instance_id, name), keys.namespace(instance_id, name.partition("/")[0])

        def made(found: Mapping[Key, Item]) -> Repository:
            repository = store.read(found, key, namespace)
            if repository is None:
                raise _missing(name)
            return repository

        return Knowledge(("repository", instance_id, name), (key, namespace), made)

    def of_namespace(self, instance: Instance, namespace: str, ref: str) -> Repository:
        """What `{namespace}/…/{repository}` in a path of the API means, from the table itself.

        ref   the repository's id, or its short name where that holds no slash
        Raises NotFound, in the same words for what is missing, in another namespace, or another instance's.
        """
        found: Repository | None = None
        if is_id(ref):
            found = store.load_by_id(self._stack.table, ref)
        elif "/" not in ref and is_repository_name(f"{namespace}/{ref}"):
            found = store.load(self._stack.table, instance.id, f"{namespace}/{ref}")
        if found is None or found.instance_id != instance.id or found.name.namespace != namespace:
            raise NotFound("there is no such repository")
        return found

    def by_id(self, repository_id: str) -> Repository:
        """From memory. Raises NotFound, also when another repository has taken the name."""
        return self._stack.memory.get(("repository", repository_id), lambda: self._load_by_id(repository_id))

    def of_ids(self, instance_id: str, ids: Sequence[str]) -> list[Repository]:
        """Those of the instance that are there, in the order given, each once; two batch reads, remembered."""
        by_id = {each: keys.repository_by_id(each) for each in ids}
        pointers = self._stack.table.get_many(list(by_id.values()))
        names = {each: pointers[key]["name"] for each, key in by_id.items() if key in pointers}
        self._stack.memory.foresee(self.knowledge(instance_id, name) for name in names.values())
        found = []
        for each, name in names.items():
            with suppress(NotFound):
                found.append((each, self.get(instance_id, name)))
        # Another may have taken the name.
        return [repository for each, repository in found if repository.id == each]

    def edit(self, instance: Instance, name: str, change: RepositoryEdit) -> Repository:
        """Raises NotFound, EditionRequired, and Invalid for a switch that the namespace decides (A1)."""
        _require_edition(instance, change.acceleration)
        repository = self._load(instance.id, name)
        if change.acceleration not in (None, repository.acceleration) and self.accelerated_whole(repository):
            message = f"is decided by namespace {repository.name.namespace}, which accelerates all its repositories"
            raise Invalid("acceleration", message)
        if not change.model_dump(exclude_none=True):
            return repository
        try:
            return store.edit(self._stack.table, repository, change)
        except ConditionFailed as gone:
            raise _missing(name) from gone

    def mark_kind(self, repository: Repository, kind: Kind) -> None:
        """Notes what the repository holds, once: its first push decides. Nothing for one that is gone."""
        if not repository.kind:
            store.mark_kind(self._stack.table, repository, kind)

    def accelerated_whole(self, repository: Repository) -> bool:
        """Whether the repository's namespace accelerates all that it holds."""
        try:
            return self._namespaces.get(repository.instance_id, repository.name.namespace).acceleration
        except NotFound:
            return False

    def list(
        self,
        instance_id: str,
        *,
        prefix: str = "",
        after: RepositoryName | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[Repository]:
        """In name order, one query a page. prefix: of the full name; `library/` gives those of one namespace."""
        return store.page(self._stack.table, instance_id, prefix, after, cursor, limit)

    def search(self, instance_id: str, namespace: str, query: RepositoryQuery) -> Page[Repository]:
        """What of a namespace, with "" of the instance, the query asks for, in name order.

        One query a page where names or their beginnings are asked for; else a bounded pass (`kernel.paging`), which
        may answer a cursor and nothing else. Raises Invalid for a cursor that is not of such a list.
        """
        within = f"{namespace}/" if namespace else ""
        if query.name and is_repository_name(within + query.name):
            found = store.load(self._stack.table, instance_id, within + query.name)
            if found is not None or namespace:
                return Page((found,) if found and matches(found, query, found.name[len(within) :]) else ())
        if not query.prefix.isascii():
            # No name begins so, and it may take more bytes than DynamoDB lets a key have.
            return Page(())
        descending = query.sort == "-name"
        prefix = within + query.prefix
        if not (query.search or query.name or query.kind):
            return store.page(
                self._stack.table, instance_id, prefix, None, query.cursor, query.limit, descending=descending
            )
        if query.cursor is not None and not is_repository_name(query.cursor):
            raise Invalid("cursor", "is not `next` of a page of this list")

        def load(inner: str | None, rows: int) -> Page[Repository]:
            after = query.cursor if inner is None else None
            return store.page(self._stack.table, instance_id, prefix, after, inner, rows, descending=descending)

        return bounded_pass(
            load,
            lambda repository: matches(repository, query, repository.name[len(within) :]),
            lambda repository: repository.name,
            query.limit,
        )

    def may(
        self, principal: Principal, instance: Instance, repository: Repository | None, name: str, action: Action
    ) -> bool:
        """`rules.may`, which also asks, from memory, whether the repository is shared with a guest."""
        shared = False
        if repository is not None and action is Action.PULL and is_guest(principal, instance):
            username = principal.name.rpartition("/")[2]
            shared = self._shares.holds(repository.id, principal.account_id, username)
        return may(principal, instance, repository, name, action, shared=shared)

    def permitted(
        self, principal: Principal, instance: Instance, name: RepositoryName
    ) -> tuple[str, frozenset[Action]]:
        """What the principal may do with a name: the repository's id, "" if there is none, and the actions.

        A name without a repository allows pull and push to whoever may push; whether a push may make it is told to
        the push itself, which can say why not. Where the namespace pulls through an upstream, it allows what the
        repository would that a pull makes.
        """
        try:
            repository = self._load(instance.id, name)
        except NotFound:
            pushes = self.may(principal, instance, None, name, Action.PUSH)
            imagined = None if pushes else self.imagined(instance, name)
            pulls = imagined is not None and self.may(principal, instance, imagined, name, Action.PULL)
            return "", frozenset({Action.PULL, Action.PUSH} if pushes else {Action.PULL} if pulls else ())
        actions = frozenset(action for action in Action if self.may(principal, instance, repository, name, action))
        return repository.id, actions

    def imagined(self, instance: Instance, name: str) -> Repository | None:
        """The repository of this name that a pull through its namespace's upstream would make; None where nothing is
        pulled through. Its id is ""."""
        try:
            namespace = self._namespaces.get(instance.id, name.partition("/")[0])
        except NotFound:
            return None
        if not namespace.upstream or not is_repository_name(name):
            return None
        made = self._new(namespace, RepositoryName(name), namespace.default_visibility, "")
        return made.model_copy(update={"id": "", "guarded": namespace.pull_policy, "upstream": True})

    def _new(self, namespace: Namespace, name: RepositoryName, visibility: Visibility, by: str) -> Repository:
        return Repository(
            id=new_id(),
            instance_id=namespace.instance_id,
            namespace_id=namespace.id,
            name=name,
            visibility=visibility,
            created_at=self._stack.clock.now(),
            created_by=by,
        )

    def _make(self, instance: Instance, repository: Repository) -> Repository:
        one_more = self._instances.count_change(instance, repositories=1)
        name = repository.name
        try:
            self._stack.table.transact([*store.creation(repository), one_more])
        except TransactionCancelled as cancelled:
            name_taken = 0 in cancelled.failed
            namespace_gone = 2 in cancelled.failed
            if name_taken:
                raise Conflict(f"repository {name} exists already", repository=name) from cancelled
            if namespace_gone:
                raise NotFound(f"there is no namespace {name.namespace}", namespace=name.namespace) from cancelled
            raise QuotaExceeded("repositories", instance.repository_limit) from cancelled
        except OutcomeUnknown:
            if store.load_by_id(self._stack.table, repository.id) is None:
                raise
        return repository

    def _load(self, instance_id: str, name: str) -> Repository:
        repository = store.load(self._stack.table, instance_id, name)
        if repository is None:
            raise _missing(name)
        return repository

    def _load_by_id(self, repository_id: str) -> Repository:
        repository = store.load_by_id(self._stack.table, repository_id)
        if repository is None:
            raise NotFound("there is no such repository")
        return repository


def _require_edition(instance: Instance, acceleration: bool | None) -> None:
    if acceleration and instance.edition != "enterprise":
        raise EditionRequired("acceleration")


def _missing(name: str) -> NotFound:
    return NotFound(f"there is no repository {name}", repository=name)
