"""Signing in and out through the API, and whoever guesses."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest

from chalicelib.accounts.service import Accounts
from chalicelib.identity.throttle import LIMITS
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, Key, Table, Update
from tests.management import PASSWORD, Api, Reply
from tests.stacks import FrozenClock, with_table

HOME, ELSEWHERE = "192.0.2.7", "203.0.113.9"


def sign_in(stack: Stack, username: str, password: str, address: str = HOME, account: str = "default") -> Reply:
    return Api(stack, address=address).post(
        "/session", {"account": account, "username": username, "password": password}
    )


def test_who_knows_the_password_gets_a_session_that_sign_out_ends_at_once(stack: Stack) -> None:
    """G5."""
    Api.signed_in(stack)
    answer = Api(stack).post("/session", {"username": "owner", "password": PASSWORD})
    assert answer.status == 201
    assert answer.json()["role"] == "owner"
    api = Api(stack, answer.json()["token"])
    assert api.delete("/session").status == 204
    assert api.delete("/session").status == 401


def test_every_bad_field_is_named_at_once(stack: Stack) -> None:
    answer = Api(stack).post("/session", {"user": "x", "password": 3})
    assert answer.status == 400
    assert answer.code == "INVALID"
    assert {one["field"] for one in answer.json()["errors"]} == {"user", "username", "password"}


def test_session_ends_after_a_working_day(stack: Stack, clock: FrozenClock) -> None:
    """G5. The item says so too, so that the store may drop it."""
    api = Api.signed_in(stack)
    clock.advance(12 * 3600 - 1)
    assert api.get("/me").status == 200
    clock.advance(1)
    assert api.get("/me").status == 401


def test_token_is_stored_nowhere(stack: Stack) -> None:
    """G5."""
    api = Api.signed_in(stack)
    assert len(api.token) > 40
    assert stack.table.get(keys.session(api.token)) is None


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer x", "Basic b3duZXI6eA==", "Bearer " + "x" * 300, "Bearer é"]
)
def test_no_session_is_answered_with_401_and_how_to_get_one(stack: Stack, authorization: str) -> None:
    answer = Api(stack).send("GET", "/me", None, None, authorization=authorization)
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_ten_wrong_passwords_close_the_name_and_not_to_the_victims_own_machine(
    stack: Stack, clock: FrozenClock
) -> None:
    """G5."""
    Api.signed_in(stack)
    assert sign_in(stack, "owner", "wrong-at-home").status == 401
    assert sign_in(stack, "owner", PASSWORD).status == 201
    guesses = [sign_in(stack, "owner", f"wrong-guess-{n}", ELSEWHERE) for n in range(LIMITS["login"] - 1)]
    assert {one.status for one in guesses} == {401}
    closed = sign_in(stack, "owner", PASSWORD, ELSEWHERE)
    assert (closed.status, closed.code) == (429, "TOO_MANY_REQUESTS")
    assert int(closed.headers["Retry-After"]) > 0
    assert sign_in(stack, "owner", PASSWORD).status == 201
    elsewhere = with_table(stack, stack.table)
    assert sign_in(elsewhere, "owner", PASSWORD).status == 201, "another process knows the machine too"
    clock.advance(int(closed.headers["Retry-After"]))
    assert sign_in(stack, "owner", PASSWORD, ELSEWHERE).status == 201


def test_program_with_an_old_password_closes_nothing(stack: Stack) -> None:
    """G5. Distinct secrets count."""
    Api.signed_in(stack)
    for _ in range(LIMITS["login"] + 2):
        assert sign_in(stack, "owner", "last-years-password").status == 401
    assert sign_in(stack, "owner", PASSWORD).status == 201


def test_names_close_for_their_own_account_alone(stack: Stack) -> None:
    """G5."""
    Api.signed_in(stack)
    Api.signed_in(stack, account="globex")
    for number in range(LIMITS["login"]):
        sign_in(stack, "owner", f"wrong-guess-{number}", ELSEWHERE)
    assert sign_in(stack, "owner", PASSWORD, ELSEWHERE).status == 429
    assert sign_in(stack, "owner", PASSWORD, ELSEWHERE, "globex").status == 201


@pytest.mark.parametrize(
    ("account", "username"),
    [
        ("default", "owner"),
        ("default", "nobody"),
        ("nowhere", "owner"),
        ("default", "-not a name#"),
        ("\u20ac", "owner"),
    ],
)
def test_whatever_is_wrong_is_answered_in_the_same_words(stack: Stack, account: str, username: str) -> None:
    """G5."""
    Api.signed_in(stack)
    answer = sign_in(stack, username, "wrong-guess", account=account)
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.json()["detail"] == "the user name or the password is wrong"


def test_unknown_names_are_closed_like_known_ones(stack: Stack) -> None:
    """G5."""
    Api.signed_in(stack)
    for username in ("owner", "nobody"):
        statuses = [sign_in(stack, username, f"wrong-{n}", ELSEWHERE + str(len(username))).status for n in range(11)]
        assert statuses == [401] * 10 + [429]


@pytest.mark.usefixtures("production_hashes")
def test_unknown_user_and_wrong_password_take_the_same_time(stack: Stack) -> None:
    """G5. Both pay for one password hash; means over ten each, taken in turns so that load falls on both alike."""
    Accounts(stack).open("default", "owner", PASSWORD)
    spent = {"owner": 0.0, "nobody": 0.0}
    for number in range(10):
        for username in spent:
            began = perf_counter()
            assert sign_in(stack, username, "always the same wrong one", f"198.51.100.{number}").status == 401
            spent[username] += perf_counter() - began
    assert 0.5 < spent["owner"] / spent["nobody"] < 2.0


def test_suspended_account_is_told_to_those_who_know_a_password_alone(stack: Stack) -> None:
    """G5."""
    api = Api.signed_in(stack, Role.DEVELOPER)
    Accounts(stack).set_state("default", "suspended")
    assert api.get("/me").status == 401
    right, wrong = sign_in(stack, "developer", PASSWORD), sign_in(stack, "developer", "wrong-guess")
    assert (right.status, right.code) == (403, "DENIED")
    assert (wrong.status, wrong.code) == (401, "UNAUTHENTICATED")
    Accounts(stack).set_state("default", "running")
    assert api.get("/me").status == 401, "sessions from before stay dead"
    assert sign_in(stack, "developer", PASSWORD).status == 201


class TableWherePasswordsChange:
    """A table on which somebody resets the password once it was compared, when the account is looked at."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def get(self, key: Key) -> Item | None:
        if key == keys.account("default"):
            self._table.update(Update(keys.user("default", "owner"), add={"version": 1}))
        return self._table.get(key)


def test_session_of_a_password_that_is_changed_meanwhile_never_lives(stack: Stack) -> None:
    """G5. The change falls between comparing the password and opening the session."""
    Api.signed_in(stack)
    slow = with_table(stack, TableWherePasswordsChange(stack.table))
    signed_in = Accounts(slow).sign_in("default", "owner", PASSWORD, HOME)
    assert Api(stack, signed_in.token).get("/me").status == 401
