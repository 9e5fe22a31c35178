"""Access keys: what programs sign in with, at the API and at the registry."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.accounts.service import Accounts
from chalicelib.identity.throttle import LIMITS
from chalicelib.kernel.errors import Throttled, Unauthenticated
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Update
from tests.management import PASSWORD, Api
from tests.stacks import FrozenClock

HOME = "192.0.2.7"


@pytest.fixture
def accounts(stack: Stack) -> Accounts:
    rooms = Accounts(stack)
    rooms.create("acme")
    rooms.create_user("acme", "ann", PASSWORD, Role.DEVELOPER)
    return rooms


def test_access_key_says_who_holds_it(accounts: Accounts) -> None:
    """G5, G4."""
    made = accounts.create_access_key("acme", "ann", "ci")
    principal = accounts.by_access_key(made.key.id, made.secret, HOME)
    assert (principal.kind, principal.account_id, principal.name, principal.role) == (
        "access_key",
        "acme",
        "ann",
        Role.DEVELOPER,
    )
    assert accounts.access_key_holder(made.key.id, fresh=True) == principal


def test_secret_is_stored_nowhere(accounts: Accounts, stack: Stack) -> None:
    """G3, G5."""
    made = accounts.create_access_key("acme", "ann")
    assert len(made.secret) >= 43
    stored = [
        stack.table.get(keys.account_access_key("acme", made.key.id)),
        stack.table.get(keys.access_key(made.key.id)),
    ]
    assert all(stored)
    assert made.secret not in repr(stored)


@pytest.mark.parametrize(
    ("key_id", "secret"),
    [("{id}", "wrong"), ("AK01J000000000000000000000AA", "{secret}"), ("{id}", ""), ("admin", "{secret}")],
)
def test_whatever_is_wrong_with_a_key_is_said_in_the_same_words(accounts: Accounts, key_id: str, secret: str) -> None:
    """G5."""
    made = accounts.create_access_key("acme", "ann")
    given = key_id.format(id=made.key.id), secret.format(secret=made.secret)
    with pytest.raises(Unauthenticated) as refused:
        accounts.by_access_key(*given, HOME)
    assert refused.value.message == "the access key or its secret is wrong, or the key is over"


def test_key_ends_when_its_time_is_over(accounts: Accounts, clock: FrozenClock) -> None:
    """G5."""
    made = accounts.create_access_key("acme", "ann", expires_at=clock.now() + timedelta(hours=1))
    assert accounts.access_key_holder(made.key.id)
    clock.advance(3600)
    assert accounts.access_key_holder(made.key.id) is None
    with pytest.raises(Unauthenticated):
        accounts.by_access_key(made.key.id, made.secret, HOME)


def test_key_ends_with_its_user_and_does_not_come_back_under_the_name(accounts: Accounts, stack: Stack) -> None:
    """G5."""
    made = accounts.create_access_key("acme", "ann")
    stack.table.delete(keys.user("acme", "ann"))
    with pytest.raises(Unauthenticated):
        accounts.by_access_key(made.key.id, made.secret, HOME)
    accounts.create_user("acme", "ann", PASSWORD, Role.OWNER)
    with pytest.raises(Unauthenticated):
        accounts.by_access_key(made.key.id, made.secret, HOME)


def test_key_sleeps_while_its_account_is_suspended(accounts: Accounts, stack: Stack) -> None:
    """G5."""
    made = accounts.create_access_key("acme", "ann")
    stack.table.update(Update(keys.account("acme"), set={"state": "suspended"}))
    assert accounts.access_key_holder(made.key.id) is None


def test_guesses_are_throttled_and_the_right_secret_is_not(accounts: Accounts) -> None:
    """G5."""
    made = accounts.create_access_key("acme", "ann")
    for number in range(LIMITS["login"]):
        with pytest.raises(Unauthenticated):
            accounts.by_access_key(made.key.id, f"wrong-{number}", HOME)
    with pytest.raises(Throttled):
        accounts.by_access_key(made.key.id, "wrong again", HOME)
    assert accounts.by_access_key(made.key.id, made.secret, HOME)


def test_api_takes_a_key_as_bearer(accounts: Accounts, stack: Stack) -> None:
    """G5."""
    made = accounts.create_access_key("acme", "ann")
    assert Api(stack, f"{made.key.id}.{made.secret}").delete("/session").status == 204
    refused = Api(stack, f"{made.key.id}.{made.secret}x").delete("/session")
    assert (refused.status, refused.code) == (401, "UNAUTHENTICATED")
