"""Who may do what with a repository."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chalicelib.instances.models import Instance
from chalicelib.kernel.names import InstanceName, RepositoryName
from chalicelib.kernel.principal import ANONYMOUS, SYSTEM, Action, Principal
from chalicelib.namespaces.models import Visibility
from chalicelib.repositories.models import Repository
from chalicelib.repositories.rules import may

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
