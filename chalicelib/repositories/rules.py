"""Who may do what with a repository: one pure decision."""

from __future__ import annotations

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import NameInvalid
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import Action, Principal
from chalicelib.kernel.roles import RIGHTS, Right

from .models import Repository, RepositoryQuery


def may(
    principal: Principal,
    instance: Instance,
    repository: Repository | None,
    name: str,
    action: Action,
    *,
    shared: bool = False,
) -> bool:
    """Whether the principal may do this with the repository of this name, or with the name if there is none yet.

    shared   the repository was shared with the principal, a guest of another account
    """
    if principal.grants is not None and not _granted(principal, repository, name, action):
        return False
    of_this_instance = principal.instance_id == instance.id
    holds_the_instance = principal.kind == "primary" and of_this_instance
    robot_may = of_this_instance and any(allowance.covers(name, action) for allowance in principal.allowed or ())
    if holds_the_instance or robot_may or _role_allows(principal, instance, action):
        return True
    open_to_pull = repository is not None and (repository.visibility == "public" or shared)
    return open_to_pull and action is Action.PULL


def is_guest(principal: Principal, instance: Instance) -> bool:
    """Whether the principal is a user of another account, or a program with an access key of one."""
    return bool(principal.account_id) and principal.account_id != instance.account_id


def _role_allows(principal: Principal, instance: Instance, action: Action) -> bool:
    """What users of the instance's own account may do, by themselves or with an access key (`kernel.roles`)."""
    if principal.role is None or principal.account_id != instance.account_id:
        return False
    needed = Right.READ_CONTENT if action is Action.PULL else Right.CHANGE_CONTENT
    return needed in RIGHTS[principal.role]


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
