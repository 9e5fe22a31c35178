"""The people of an account, through the API."""

from __future__ import annotations

import threading

import pytest

from chalicelib.accounts.service import Accounts
from chalicelib.kernel.errors import Conflict, NotFound
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from tests.management import ADDRESS, PASSWORD, Api
from tests.stacks import TableWith, with_table

OTHER_PASSWORD = "quite-another-horse-7"


def sign_in(stack: Stack, username: str, password: str = PASSWORD, account: str = "default") -> Api:
    answer = Api(stack).post("/session", {"account": account, "username": username, "password": password})
    assert answer.status == 201, answer.text
    return Api(stack, answer.json()["token"])


def make(api: Api, username: str, role: str = "reader") -> None:
    answer = api.post("/users", {"username": username, "password": PASSWORD, "role": role})
    assert (answer.status, answer.headers["Location"]) == (201, f"/api/v1/users/{username}")


def test_owner_makes_shows_lists_and_deletes_users(stack: Stack) -> None:
    """G5."""
    owner = Api.signed_in(stack)
    make(owner, "ann", "developer")
    make(owner, "bob@example.com")
    assert owner.get("/users/ann").json() == {
        "username": "ann",
        "role": "developer",
        "operator": False,
        "created_at": "2026-01-31T08:00:00.000000Z",
        "changed_at": "2026-01-31T08:00:00.000000Z",
    }
    listed = owner.get("/users").json()
    assert [one["username"] for one in listed["items"]] == ["ann", "bob@example.com", "owner"]
    assert [one["username"] for one in owner.get("/users", search="EXAMPLE").json()["items"]] == ["bob@example.com"]
    assert owner.delete("/users/ann").status == 204
    assert owner.get("/users/ann").status == owner.delete("/users/ann").status == 404


def test_pages_of_users_follow_one_another(stack: Stack) -> None:
    owner = Api.signed_in(stack)
    for name in ("a1", "a2", "b1", "b2"):
        make(owner, name)
    first = owner.get("/users", limit=2).json()
    second = owner.get("/users", limit=2, cursor=first["next"]).json()
    assert [one["username"] for one in first["items"] + second["items"]] == ["a1", "a2", "b1", "b2"]
    found = owner.get("/users", limit=1, search="B").json()
    rest = owner.get("/users", limit=1, search="B", cursor=found["next"]).json()
    assert [one["username"] for one in found["items"] + rest["items"]] == ["b1", "b2"]


def test_users_are_listed_from_either_end(stack: Stack) -> None:
    """C1"""
    owner = Api.signed_in(stack)
    for name in ("a1", "a2", "b1"):
        make(owner, name)
    first = owner.get("/users", limit=2, sort="-name").json()
    second = owner.get("/users", limit=2, sort="-name", cursor=first["next"]).json()
    assert [one["username"] for one in first["items"] + second["items"]] == ["owner", "b1", "a2", "a1"]
    found = owner.get("/users", limit=1, sort="-name", search="A").json()
    rest = owner.get("/users", limit=1, sort="-name", search="A", cursor=found["next"]).json()
    assert [one["username"] for one in found["items"] + rest["items"]] == ["a2", "a1"]


def test_one_page_of_a_search_finds_the_only_one_of_hundreds(stack: Stack) -> None:
    """However small the page is: what it looks at is bounded by itself."""
    owner = Api.signed_in(stack)
    item = stack.table.get(keys.user("default", "owner")) or {}
    names = [f"user{number}" for number in range(300)] + ["zoe"]
    stack.table.put_many([{**item, **keys.user("default", name)._asdict(), "username": name} for name in names])
    assert [one["username"] for one in owner.get("/users", limit=1, search="zo").json()["items"]] == ["zoe"]
    refused = owner.get("/users", search="zo", cursor="no name")
    assert (refused.status, refused.json()["errors"][0]["field"]) == (400, "cursor")


def test_name_is_taken_once(stack: Stack) -> None:
    """G5."""
    owner = Api.signed_in(stack)
    make(owner, "ann")
    again = owner.post("/users", {"username": "ann", "password": PASSWORD, "role": "owner"})
    assert (again.status, again.code) == (409, "CONFLICT")
    assert owner.get("/users/ann").json()["role"] == "reader"


def test_every_bad_field_of_a_new_user_is_named(stack: Stack) -> None:
    bad = {"username": "-ann", "password": "password1234", "role": "king", "operator": True}
    answer = Api.signed_in(stack).post("/users", bad)
    assert (answer.status, answer.code) == (400, "INVALID")
    assert {one["field"] for one in answer.json()["errors"]} == {"username", "password", "role", "operator"}


@pytest.mark.parametrize("name", ["%00", "a" * 600, "%E2%82%AC" * 300, "a%23b", "..", "USER%23owner"])
def test_odd_names_are_of_nobody(stack: Stack, name: str) -> None:
    owner = Api.signed_in(stack)
    assert owner.get(f"/users/{name}").status == owner.delete(f"/users/{name}").status == 404
    assert owner.patch(f"/users/{name}", {"role": "reader"}).status == 404


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.READER, Role.AUDITOR])
def test_others_than_owners_change_no_users(stack: Stack, role: Role) -> None:
    """G5."""
    owner = Api.signed_in(stack)
    make(owner, "ann")
    api = Api.signed_in(stack, role)
    may_read = role is Role.AUDITOR
    assert api.get("/users").status == api.get("/users/ann").status == (200 if may_read else 403)
    assert api.post("/users", {"username": "bob", "password": PASSWORD, "role": "owner"}).status == 403
    assert api.patch("/users/ann", {"role": "owner"}).status == 403
    assert api.delete("/users/ann").status == 403


def test_last_owner_is_neither_demoted_nor_deleted(stack: Stack) -> None:
    """G5."""
    owner = Api.signed_in(stack)
    assert owner.patch("/users/owner", {"role": "reader"}).code == "CONFLICT"
    assert owner.delete("/users/owner").code == "CONFLICT"
    make(owner, "second", "owner")
    assert owner.delete("/users/owner").status == 204
    second = sign_in(stack, "second")
    assert second.delete("/users/second").code == "CONFLICT"
    make(second, "third")
    assert second.patch("/users/third", {"role": "owner"}).status == 200
    assert second.patch("/users/second", {"role": "reader"}).status == 200


def owners_of(stack: Stack) -> list[str]:
    page = Accounts(stack).users.page("acme", "", None, 100)
    return [user.username for user in page.items if user.role is Role.OWNER]


def two_owners(stack: Stack) -> tuple[Principal, Principal]:
    accounts = Accounts(stack)
    accounts.create("acme")
    for name in ("ann", "bob"):
        accounts.create_user("acme", name, PASSWORD, Role.OWNER)
    return tuple(Principal("user", name, account_id="acme", role=Role.OWNER) for name in ("ann", "bob"))  # type: ignore[return-value]


def test_of_two_owners_who_delete_each_other_at_the_same_moment_one_stays(stack: Stack) -> None:
    """G5. The rival's deletion falls between the look and the write."""
    ann, bob = two_owners(stack)
    quicker: list[bool] = []

    def rival() -> None:
        if not quicker:
            quicker.append(True)
            Accounts(stack).users.delete(bob, "ann")

    slower = Accounts(with_table(stack, TableWith(stack.table, rival)))
    with pytest.raises(Conflict):
        slower.users.delete(ann, "bob")
    assert owners_of(stack) == ["bob"]


def test_owners_who_demote_and_delete_all_at_once_leave_one(stack: Stack) -> None:
    """G5. With threads: whatever the order, an owner is left and the count is right."""
    ann, _ = two_owners(stack)
    names = ["ann", "bob", "cat", "dan"]
    for name in names[2:]:
        Accounts(stack).create_user("acme", name, PASSWORD, Role.OWNER)
    start = threading.Barrier(len(names))

    def go(name: str) -> None:
        users = Accounts(stack).users
        start.wait()
        try:
            if name in ("ann", "bob"):
                users.delete(ann, name)
            else:
                users.change(ann, name, Role.READER, None)
        except (Conflict, NotFound):
            return

    threads = [threading.Thread(target=go, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    account = stack.table.get(keys.account("acme"))
    assert account is not None
    assert len(owners_of(stack)) == account["owners"] == 1


def test_sessions_end_with_role_password_and_user(stack: Stack) -> None:
    """G5."""
    owner = Api.signed_in(stack)
    for name in ("ann", "bob", "cat"):
        make(owner, name)
    ann, bob, cat = (sign_in(stack, name) for name in ("ann", "bob", "cat"))
    assert owner.patch("/users/ann", {"role": "developer"}).json()["role"] == "developer"
    assert owner.patch("/users/bob", {"password": OTHER_PASSWORD}).status == 200
    assert owner.delete("/users/cat").status == 204
    assert [api.get("/me").status for api in (ann, bob, cat)] == [401, 401, 401]
    assert sign_in(stack, "ann").get("/me").json()["role"] == "developer"
    assert Api(stack).post("/session", {"username": "bob", "password": PASSWORD}).status == 401
    assert sign_in(stack, "bob", OTHER_PASSWORD).get("/me").status == 200


def test_change_that_changes_nothing_ends_nothing(stack: Stack) -> None:
    owner = Api.signed_in(stack)
    make(owner, "ann")
    ann = sign_in(stack, "ann")
    assert owner.patch("/users/ann", {"role": "reader"}).status == owner.patch("/users/ann", {}).status == 200
    assert ann.get("/me").status == 200


def test_access_keys_of_a_deleted_user_are_gone(stack: Stack) -> None:
    """G5."""
    owner = Api.signed_in(stack)
    make(owner, "ann")
    key = sign_in(stack, "ann").post("/access-keys", {"remark": "ci"}).json()
    program = Api(stack, f"{key['id']}.{key['secret']}")
    assert program.get("/me").status == 200
    owner.delete("/users/ann")
    make(owner, "ann", "owner")
    assert program.get("/me").status == 401
    assert owner.get("/access-keys").json()["items"] == []


def test_deletion_that_was_interrupted_is_finished_when_it_is_repeated(stack: Stack) -> None:
    owner = Api.signed_in(stack)
    make(owner, "ann")
    key = sign_in(stack, "ann").post("/access-keys", {}).json()
    stack.table.delete(keys.user("default", "ann"))
    assert owner.delete("/users/ann").status == 404
    assert stack.table.get(keys.access_key(key["id"])) is None


def test_owner_who_is_no_operator_cannot_take_over_an_operators_user(stack: Stack) -> None:
    """G5."""
    operator = Api.signed_in(stack, operator=True)
    owner = Api.signed_in(stack)
    assert owner.patch("/users/operator-owner", {"password": OTHER_PASSWORD}).code == "DENIED"
    assert owner.patch("/users/operator-owner", {"role": "reader"}).code == "DENIED"
    assert owner.delete("/users/operator-owner").code == "DENIED"
    assert operator.get("/me").status == 200
    assert operator.patch("/users/owner", {"password": OTHER_PASSWORD}).status == 200


def test_me_says_who_i_am_and_what_i_may(stack: Stack) -> None:
    """G5."""
    me = Api.signed_in(stack, Role.READER).get("/me").json()
    assert (me["account"], me["username"], me["role"], me["operator"]) == ("default", "reader", "reader", False)
    assert me["rights"] == ["self", "read content"]
    assert "operate" in Api.signed_in(stack, operator=True).get("/me").json()["rights"]


def test_own_password_needs_the_old_one_and_ends_the_other_sessions(stack: Stack) -> None:
    """G5."""
    here, elsewhere = Api.signed_in(stack), Api.signed_in(stack)
    wrong = here.patch("/me", {"current_password": "not-my-password-1", "password": OTHER_PASSWORD})
    assert (wrong.status, wrong.json()["errors"][0]["field"]) == (400, "current_password")
    weak = here.patch("/me", {"current_password": PASSWORD, "password": "owner-1234567"})
    assert (weak.status, weak.json()["errors"][0]["field"]) == (400, "password")
    same = here.patch("/me", {"current_password": PASSWORD, "password": PASSWORD})
    assert (same.status, same.json()["errors"][0]["field"]) == (400, "password")
    assert elsewhere.get("/me").status == 200
    assert here.patch("/me", {"current_password": PASSWORD, "password": OTHER_PASSWORD}).status == 200
    assert (here.get("/me").status, elsewhere.get("/me").status) == (200, 401)
    assert Api(stack).post("/session", {"username": "owner", "password": PASSWORD}).status == 401
    assert sign_in(stack, "owner", OTHER_PASSWORD).get("/me").status == 200


def test_own_password_is_not_changed_where_nobody_asks_for_the_old_one(stack: Stack) -> None:
    answer = Api.signed_in(stack).patch("/users/owner", {"password": OTHER_PASSWORD})
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "password")


def test_who_guesses_the_old_password_from_a_found_session_is_throttled(stack: Stack) -> None:
    """G5."""
    api = Api.signed_in(stack).at("203.0.113.9")
    guesses = [
        api.patch("/me", {"current_password": f"wrong-guess-{n}", "password": OTHER_PASSWORD}) for n in range(11)
    ]
    assert [one.status for one in guesses] == [400] * 10 + [429]
    assert api.at(ADDRESS).patch("/me", {"current_password": PASSWORD, "password": OTHER_PASSWORD}).status == 200
