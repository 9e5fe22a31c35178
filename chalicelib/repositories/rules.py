"""Who may do what with a repository: one pure decision."""

from __future__ import annotations

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import NameInvalid
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import Action, Principal

from .models import Repository, RepositoryQuery


def may(principal: Principal, instance: Instance, repository: Repository | None, name: str, action: Action) -> bool:
    """Whether the principal may do this with the repository of this name, or with the name if there is none yet."""
    if principal.grants is not None and not _granted(principal, repository, name, action):
        return False
    holds_the_instance = principal.kind == "primary" and principal.instance_id == instance.id
    if holds_the_instance:
        return True
    return repository is not None and repository.visibility == "public" and action is Action.PULL


def is_repository_name(text: str) -> bool:
    try:
        RepositoryName.parse(text)
    except NameInvalid:
        return False
    return True


def matches(repository: Repository, query: RepositoryQuery, called: str) -> bool:
    """Whether a list holds the repository. called: its name as the list shows it, in full or inside its namespace."""
    right_name = not query.name or query.name in (called, repository.name.short)
    right_kind = query.kind is None or (query.kind == "chart") == (repository.kind == "chart")
    return right_name and right_kind and query.search in called


def _granted(principal: Principal, repository: Repository | None, name: str, action: Action) -> bool:
    """A token names a repository by its id too, so that it says nothing about a later one of the same name.

    What was granted while there was no repository ("") holds for the one made afterwards: that is how a push makes it.
    """
    grants = principal.grants or frozenset()
    if action is Action.DELETE and _granted(principal, repository, name, Action.PUSH):
        # Clients that delete often ask for push alone: in the token protocol it is the right to change things.
        # It narrows what the principal may do and never widens it, so nobody deletes by it who may not.
        return True
    if repository is not None and (name, repository.id, action) in grants:
        return True
    none_yet = repository is None or repository.created_at.timestamp() >= principal.issued_at
    return none_yet and (name, "", action) in grants
