"""The operator's accounts, and accounts that never meet."""

from __future__ import annotations

import pytest

from chalicelib.accounts.service import Accounts
from chalicelib.kernel.errors import Conflict
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from tests.management import PASSWORD, Api, Reply

NEW = {"name": "acme", "username": "ann", "password": PASSWORD}


def signed_in(stack: Stack, account: str, username: str) -> Api:
    answer = Api(stack).post("/session", {"account": account, "username": username, "password": PASSWORD})
    assert answer.status == 201, answer.text
    return Api(stack, answer.json()["token"])


def said(answer: Reply) -> tuple[int, str, str]:
    return answer.status, answer.code, answer.json()["detail"]


def test_operator_makes_an_account_with_its_first_owner(stack: Stack) -> None:
    """G5."""
    operator = Api.signed_in(stack, operator=True)
    made = operator.post("/accounts", NEW)
    assert (made.status, made.headers["Location"]) == (201, "/api/v1/accounts/acme")
    assert made.json() == {
        "name": "acme",
        "state": "running",
        "owners": 1,
        "oidc": None,
        "created_at": "2026-01-31T08:00:00.000000Z",
    }
    assert PASSWORD not in made.text
    me = signed_in(stack, "acme", "ann").get("/me").json()
    assert (me["account"], me["role"], me["operator"]) == ("acme", "owner", False)
    assert operator.get("/accounts/acme").json() == made.json()
    assert [one["name"] for one in operator.get("/accounts").json()["items"]] == ["acme", "default"]
    assert operator.get("/accounts", limit=1).json()["next"]


def test_name_is_taken_once_and_the_second_leaves_no_owner_behind(stack: Stack) -> None:
    """G5."""
    operator = Api.signed_in(stack, operator=True)
    operator.post("/accounts", NEW)
    again = operator.post("/accounts", {**NEW, "username": "eve"})
    assert (again.status, again.code) == (409, "CONFLICT")
    assert stack.table.get(keys.user("acme", "eve")) is None
    with pytest.raises(Conflict):
        Accounts(stack).create("acme")


def test_every_bad_field_of_a_new_account_is_named(stack: Stack) -> None:
    bad = {"name": "Acme", "username": "", "password": "short", "plan": "gold"}
    answer = Api.signed_in(stack, operator=True).post("/accounts", bad)
    assert {one["field"] for one in answer.json()["errors"]} == {"name", "username", "password", "plan"}


@pytest.mark.parametrize("role", list(Role))
def test_accounts_are_the_operators_alone(stack: Stack, role: Role) -> None:
    """G5."""
    api = Api.signed_in(stack, role)
    assert [
        api.get("/accounts").status,
        api.post("/accounts", NEW).status,
        api.get("/accounts/default").status,
        api.patch("/accounts/default", {"state": "suspended"}).status,
    ] == [403] * 4


@pytest.mark.parametrize("name", ["nowhere", "%00", "a" * 500, "Default", "default%23"])
def test_account_that_is_not_there_is_not_found(stack: Stack, name: str) -> None:
    operator = Api.signed_in(stack, operator=True)
    assert operator.get(f"/accounts/{name}").status == 404
    assert operator.patch(f"/accounts/{name}", {"state": "suspended"}).status == 404


def test_suspension_ends_sessions_at_once_and_access_keys_sleep(stack: Stack) -> None:
    """G5."""
    operator = Api.signed_in(stack, operator=True)
    operator.post("/accounts", NEW)
    ann = signed_in(stack, "acme", "ann")
    key = ann.post("/access-keys", {}).json()
    program = Api(stack, f"{key['id']}.{key['secret']}")
    assert program.get("/me").status == 200
    assert operator.patch("/accounts/acme", {"state": "suspended"}).json()["state"] == "suspended"
    assert (ann.get("/me").status, program.get("/me").status) == (401, 401)
    assert operator.patch("/accounts/acme", {"state": "running"}).json()["state"] == "running"
    assert (ann.get("/me").status, program.get("/me").status) == (401, 200)


def test_operators_do_not_lock_themselves_out(stack: Stack) -> None:
    operator = Api.signed_in(stack, operator=True)
    assert operator.patch("/accounts/default", {"state": "suspended"}).code == "CONFLICT"
    assert operator.get("/me").status == 200


def test_users_of_the_same_name_in_two_accounts_never_meet(stack: Stack) -> None:
    """G5."""
    here, there = Api.signed_in(stack, account="acme"), Api.signed_in(stack, account="globex")
    for api in (here, there):
        assert api.post("/users", {"username": "ann", "password": PASSWORD, "role": "developer"}).status == 201
    there.post("/users", {"username": "only-there", "password": PASSWORD, "role": "owner"})
    ann_here, ann_there = signed_in(stack, "acme", "ann"), signed_in(stack, "globex", "ann")
    assert here.patch("/users/ann", {"role": "owner"}).status == 200
    assert (ann_here.get("/me").status, ann_there.get("/me").json()["role"]) == (401, "developer")
    assert here.delete("/users/ann").status == 204
    assert there.get("/users/ann").status == 200
    assert [one["username"] for one in here.get("/users").json()["items"]] == ["owner"]
    assert said(here.get("/users/only-there")) == said(here.get("/users/never-was"))
    assert said(here.delete("/users/only-there")) == said(here.delete("/users/never-was"))
    changed = here.patch("/users/only-there", {"role": "reader"})
    assert said(changed) == said(here.patch("/users/never-was", {"role": "reader"}))
    assert there.get("/users/only-there").json()["role"] == "owner"


def test_last_owners_are_counted_for_each_account(stack: Stack) -> None:
    """G5."""
    here = Api.signed_in(stack, account="acme")
    there = Api.signed_in(stack, account="globex")
    there.post("/users", {"username": "second", "password": PASSWORD, "role": "owner"})
    assert here.delete("/users/owner").code == "CONFLICT"
    assert there.delete("/users/owner").status == 204
