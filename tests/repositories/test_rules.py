"""Who may do what with a repository."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.instances.models import Instance
from chalicelib.kernel.names import InstanceName, RepositoryName
from chalicelib.kernel.principal import ANONYMOUS, SYSTEM, Action, Principal
from chalicelib.kernel.roles import Role
from chalicelib.namespaces.models import Visibility
from chalicelib.repositories.models import Repository
from chalicelib.repositories.rules import is_guest, may

NAME = RepositoryName.parse("library/x")
MADE = datetime(2026, 1, 31, 8, tzinfo=UTC)
MADE_S = int(MADE.timestamp())
INSTANCE = Instance(
    id="01J00000000000000000000000",
    account_id="default",
    name=InstanceName.parse("ci"),
    edition="enterprise",
    bucket="bucket",
    region="local",
    created_at=MADE,
    namespace_limit=15,
    repository_limit=1000,
    storage_limit_bytes=None,
)
ADMIN = Principal("primary", "admin", INSTANCE.id, 1)
STRANGER = Principal("primary", "admin", "01J00000000000000000000001", 1)


def repository(visibility: Visibility = "private", repository_id: str = "R1") -> Repository:
    return Repository(
        id=repository_id,
        instance_id=INSTANCE.id,
        namespace_id="N1",
        name=NAME,
        visibility=visibility,
        created_at=MADE,
        created_by="admin",
    )


def token(principal: Principal, *grants: tuple[str, str, str], issued_at: int = MADE_S + 10) -> Principal:
    return Principal(
        principal.kind, principal.name, principal.instance_id, principal.version, frozenset(grants), issued_at
    )


@pytest.mark.parametrize("action", list(Action))
def test_the_instances_own_credential_may_do_everything(action: Action) -> None:
    """R2"""
    assert may(ADMIN, INSTANCE, repository(), NAME, action)
    assert may(ADMIN, INSTANCE, None, NAME, action)


@pytest.mark.parametrize("principal", [ANONYMOUS, STRANGER, SYSTEM])
@pytest.mark.parametrize("action", list(Action))
def test_everybody_else_may_only_pull_what_is_public(principal: Principal, action: Action) -> None:
    """N3"""
    assert not may(principal, INSTANCE, repository("private"), NAME, action)
    assert not may(principal, INSTANCE, None, NAME, action)
    assert may(principal, INSTANCE, repository("public"), NAME, action) is (action is Action.PULL)


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.OWNER, frozenset(Action)),
        (Role.DEVELOPER, frozenset(Action)),
        (Role.READER, frozenset({Action.PULL})),
        (Role.AUDITOR, frozenset({Action.PULL})),
    ],
)
def test_users_of_the_instances_account_do_what_their_role_allows(role: Role, allowed: frozenset[Action]) -> None:
    """G5"""
    member = Principal("access_key", "ann", INSTANCE.id, account_id="default", role=role, key_id="AK1")
    for there in (repository(), None):
        assert {action for action in Action if may(member, INSTANCE, there, NAME, action)} == allowed
    pulling = replace(member, grants=frozenset({("library/x", "R1", "pull")}), issued_at=MADE_S + 10)
    assert {action for action in Action if may(pulling, INSTANCE, repository(), NAME, action)} == {Action.PULL}


@pytest.mark.parametrize("role", list(Role))
def test_guests_pull_what_is_shared_and_do_nothing_else(role: Role) -> None:
    """G4: whatever their role is at home."""
    guest = Principal("access_key", "guests/ann", INSTANCE.id, account_id="guests", role=role, key_id="AK1")
    assert is_guest(guest, INSTANCE)
    for action in Action:
        assert may(guest, INSTANCE, repository(), NAME, action, shared=True) is (action is Action.PULL)
        assert not may(guest, INSTANCE, repository(), NAME, action)
        assert not may(guest, INSTANCE, None, NAME, action, shared=True)
    other = replace(guest, grants=frozenset({("library/y", "R2", "pull")}))
    assert not may(other, INSTANCE, repository(), NAME, Action.PULL, shared=True)


def test_a_token_allows_its_grants_and_no_more() -> None:
    """R2"""
    pull_only = token(ADMIN, ("library/x", "R1", "pull"))
    assert may(pull_only, INSTANCE, repository(), NAME, Action.PULL)
    assert not may(pull_only, INSTANCE, repository(), NAME, Action.PUSH)
    assert not may(pull_only, INSTANCE, repository("public"), RepositoryName.parse("library/y"), Action.PULL)
    assert not may(token(ADMIN), INSTANCE, repository("public"), NAME, Action.PULL)


def test_a_token_gives_nobody_more_than_they_have() -> None:
    """R2: a repository made private is private to tokens given out before."""
    anonymous = token(ANONYMOUS, ("library/x", "R1", "pull"), ("library/x", "R1", "push"))
    assert may(anonymous, INSTANCE, repository("public"), NAME, Action.PULL)
    assert not may(anonymous, INSTANCE, repository("private"), NAME, Action.PULL)
    assert not may(anonymous, INSTANCE, repository("public"), NAME, Action.PUSH)


def test_a_token_from_before_delete_and_recreate_does_not_work_afterwards() -> None:
    """R2: ids, not names, are granted."""
    old = token(ADMIN, ("library/x", "R0", "pull"), ("library/x", "R0", "push"), issued_at=MADE_S - 10)
    assert not may(old, INSTANCE, repository(), NAME, Action.PULL)
    assert not may(old, INSTANCE, None, NAME, Action.PUSH)


def test_a_token_for_a_name_without_repository_serves_the_one_its_push_makes() -> None:
    """R2, N1"""
    early = token(ADMIN, ("library/x", "", "push"), ("library/x", "", "pull"), issued_at=MADE_S)
    assert may(early, INSTANCE, None, NAME, Action.PUSH)
    assert may(early, INSTANCE, repository(), NAME, Action.PULL)
    assert not may(token(ADMIN, ("library/x", "", "pull")), INSTANCE, repository(), NAME, Action.PUSH)


def test_a_token_to_push_may_delete_where_its_holder_may() -> None:
    """R3: clients that delete often ask for push alone."""
    pushing = ("library/x", "R1", "push")
    assert may(token(ADMIN, pushing), INSTANCE, repository(), NAME, Action.DELETE)
    assert not may(token(ANONYMOUS, pushing), INSTANCE, repository("public"), NAME, Action.DELETE)
    assert not may(token(ADMIN, ("library/x", "R1", "pull")), INSTANCE, repository(), NAME, Action.DELETE)


def test_a_token_for_a_name_without_repository_says_nothing_about_one_made_earlier() -> None:
    """R2: a gateway that had not heard of the repository gave it out; the client gets a new one."""
    late = token(ADMIN, ("library/x", "", "pull"), issued_at=MADE_S + 1)
    assert not may(late, INSTANCE, repository(), NAME, Action.PULL)
