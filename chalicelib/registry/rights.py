"""Who may do what with a repository named by a request, and what a push may make.

Forbidden and missing answer alike: whoever has no right in a repository cannot tell whether it exists. Reads may be
answered from what this process remembers of names and rights; writes read the table itself.
"""

from __future__ import annotations

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound, RepositoryMissing, Unauthenticated
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import Action
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories, may

from .models import Caller


class Rights:
    def __init__(self, stack: Stack) -> None:
        self._instances = Instances(stack)
        self._namespaces = Namespaces(stack)
        self._repositories = Repositories(stack)

    def readable(self, caller: Caller, name: RepositoryName) -> Repository:
        """Raises InstanceFrozen, Unauthenticated or NotFound, alike for what is missing and what is forbidden."""
        self._instances.require_running(caller.instance)
        try:
            repository = self._repositories.get(caller.instance.id, name)
        except NotFound:
            repository = None
        if not self._repositories.may(caller.principal, caller.instance, repository, name, Action.PULL):
            raise _refusal(caller, name)
        if repository is None:
            raise NotFound(f"there is no repository {name}", repository=name)
        return repository

    def writable(self, caller: Caller, name: RepositoryName) -> Repository | None:
        """The repository as the table has it, None if a push would have to make it."""
        self._instances.require_running(caller.instance)
        repository = self._fresh(caller, name)
        if not may(caller.principal, caller.instance, repository, name, Action.PUSH):
            raise _refusal(caller, name)
        return repository

    def deletable(self, caller: Caller, name: RepositoryName) -> Repository:
        self._instances.require_running(caller.instance)
        repository = self._fresh(caller, name)
        if not may(caller.principal, caller.instance, repository, name, Action.DELETE):
            raise _refusal(caller, name)
        if repository is None:
            raise NotFound(f"there is no repository {name}", repository=name)
        return repository

    def _fresh(self, caller: Caller, name: RepositoryName) -> Repository | None:
        try:
            return self._repositories.get(caller.instance.id, name, fresh=True)
        except NotFound:
            return None

    def refuse_unmakeable(self, caller: Caller, name: RepositoryName) -> None:
        """An upload into a repository that no push may make is refused before its bytes are sent."""
        if self._fresh(caller, name) is not None:
            return
        try:
            namespace = self._namespaces.get(caller.instance.id, name.namespace, fresh=True)
        except NotFound:
            raise RepositoryMissing(name) from None
        if not namespace.auto_create_repository:
            raise RepositoryMissing(name)

    def sparse(self, caller: Caller, name: RepositoryName) -> bool:
        try:
            return self._namespaces.get(caller.instance.id, name.namespace, fresh=True).allow_sparse_indexes
        except NotFound:
            raise RepositoryMissing(name) from None


def _refusal(caller: Caller, name: RepositoryName) -> NotFound | Unauthenticated:
    """Nobody, and a token that was not asked for this, are told to log in; everybody else that there is nothing."""
    if caller.principal.anonymous or caller.principal.grants is not None:
        return Unauthenticated()
    return NotFound(f"there is no repository {name}", repository=name)
