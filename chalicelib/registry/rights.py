"""Who may do what with a repository named by a request, and what a push may make.

Whoever has a right in the namespace is told which cause it is (R5): no permission, no such repository, frozen. To
everybody else forbidden and missing answer alike, so that they cannot tell what exists. Rights are looked at before the
instance's state for the same reason. Reads may be answered from what this process remembers of names and rights;
writes read the table itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, Denied, NotFound, Refused, RepositoryMissing, Unauthenticated
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import Action, Principal
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from .models import Caller

# Who fills namespaces that pull through an upstream. No login has a name with a colon.
CACHE: Final = "system:cache"


class Rights:
    def __init__(self, stack: Stack) -> None:
        self._instances = Instances(stack)
        self._namespaces = Namespaces(stack)
        self._repositories = Repositories(stack)

    def readable(self, caller: Caller, name: RepositoryName) -> Repository:
        """Raises Unauthenticated, Denied, NotFound, InstanceFrozen."""
        try:
            repository = self._repositories.get(caller.instance.id, name)
        except NotFound:
            repository = None
        self._require(caller, repository, name, Action.PULL)
        if repository is None:
            raise _missing(name)
        return repository

    def writable(self, caller: Caller, name: RepositoryName) -> Repository | None:
        """The repository as the table has it, None if a push would have to make it. Raises CacheNamespace, and what
        `readable` raises."""
        repository = self.renewable(caller, name)
        if repository is not None and repository.upstream and not _fills_caches(caller):
            raise CacheNamespace(name)
        return repository

    def renewable(self, caller: Caller, name: RepositoryName) -> Repository | None:
        """The same, for what changes nothing of its content."""
        repository = self._fresh(caller, name)
        self._require(caller, repository, name, Action.PUSH)
        return repository

    def deletable(self, caller: Caller, name: RepositoryName) -> Repository:
        """Raises what `readable` raises."""
        repository = self._fresh(caller, name)
        self._require(caller, repository, name, Action.DELETE)
        if repository is None:
            raise _missing(name)
        return repository

    def _require(self, caller: Caller, repository: Repository | None, name: RepositoryName, action: Action) -> None:
        if not self._repositories.may(caller.principal, caller.instance, repository, name, action):
            raise self._refusal(caller, repository, name, action)
        self._instances.require_running(caller.instance)

    def _refusal(self, caller: Caller, repository: Repository | None, name: RepositoryName, action: Action) -> Refused:
        """Nobody, and a token that was not asked for this, are told to log in."""
        holder = replace(caller.principal, grants=None)
        held = {one for one in Action if self._repositories.may(holder, caller.instance, repository, name, one)}
        if caller.principal.anonymous:
            return Unauthenticated()
        if repository is None and action is Action.PULL and held == {Action.PULL}:
            return _missing(name)  # No token is made for what is not there, but to whom may push it.
        if action in held:
            return Unauthenticated()
        if held or _in_namespace(holder, caller.instance, name):
            return PermissionMissing(holder.name, name, action, [one for one in Action if one in held])
        if caller.principal.grants is not None:
            return Unauthenticated()
        return NotFound(f"there is no repository {name}", repository=name)

    def _fresh(self, caller: Caller, name: RepositoryName) -> Repository | None:
        try:
            return self._repositories.get(caller.instance.id, name, fresh=True)
        except NotFound:
            return None

    def home(self, caller: Caller, name: RepositoryName) -> Repository:
        """The repository to push into, made if it has to be. The service itself makes none unless it was told to bring
        content: one that it works for and that is not there was deleted meanwhile. Raises RepositoryMissing,
        QuotaExceeded."""
        if caller.principal.kind == "system" and not caller.makes:
            repository = self._fresh(caller, name)
            if repository is None:
                raise RepositoryMissing(name)
            return repository
        return self._repositories.ensure(caller.instance, name, caller.principal.name, leave=caller.makes)

    def refuse_unmakeable(self, caller: Caller, name: RepositoryName) -> None:
        """An upload into a repository that is not here and no push may make is refused before its bytes are sent."""
        try:
            namespace = self._namespaces.get(caller.instance.id, name.namespace, fresh=True)
        except NotFound:
            raise RepositoryMissing(name, namespace_missing=True) from None
        if namespace.upstream and not _fills_caches(caller):
            raise CacheNamespace(name)
        if not namespace.auto_create_repository and not caller.makes:
            raise RepositoryMissing(name)

    def sparse(self, caller: Caller, name: RepositoryName) -> bool:
        try:
            namespace = self._namespaces.get(caller.instance.id, name.namespace, fresh=True)
        except NotFound:
            raise RepositoryMissing(name, namespace_missing=True) from None
        return namespace.allow_sparse_indexes or namespace.upstream


class PermissionMissing(Denied):
    """Says no more of the repository than the caller may know: what is not to be pulled may as well not exist."""

    def __init__(self, who: str, name: str, action: Action, held: Sequence[Action]) -> None:
        may = f"may {' and '.join(held)} {name}, but not {action} it" if held else f"may not {action} {name}"
        super().__init__(
            f"{who} {may}; log in as somebody who may, or ask the account's owner",
            reason="NO_PERMISSION",
            repository=name,
            action=action,
        )


class CacheNamespace(Conflict):
    """Content comes into the namespace from its upstream alone."""

    code = "CACHE_NAMESPACE"

    def __init__(self, name: RepositoryName) -> None:
        super().__init__(
            f"namespace {name.namespace} holds what is pulled through it from another registry, and nothing is pushed "
            "into it; push to another namespace",
            namespace=name.namespace,
            repository=name,
        )


class RepositoryUnknown(NotFound):
    """It really is not there: told to whoever could read it if it were."""


def _fills_caches(caller: Caller) -> bool:
    """The service's own images about images are welcome too; what it was told to bring from elsewhere is not."""
    return caller.principal.kind == "system" and (not caller.makes or caller.principal.name == CACHE)


def _in_namespace(holder: Principal, instance: Instance, name: RepositoryName) -> bool:
    """A robot that may do something in the namespace knows of it, though not of each repository."""
    allowed = holder.allowed or () if holder.instance_id == instance.id else ()
    return any(allowance.namespaces.matches(name.namespace) for allowance in allowed)


def _missing(name: RepositoryName) -> RepositoryUnknown:
    return RepositoryUnknown(f"there is no repository {name}", reason="REPOSITORY_MISSING", repository=name)
