"""Access keys through the API: one's own, and the owner's view of all."""

from __future__ import annotations

from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.management import Api, Reply
from tests.stacks import FrozenClock


def made(api: Api, remark: str = "ci", **more: object) -> dict[str, str]:
    answer = api.post("/access-keys", {"remark": remark, **more})
    assert answer.status == 201, answer.text
    key: dict[str, str] = answer.json()
    assert answer.headers["Location"] == f"/api/v1/access-keys/{key['id']}"
    return key


def bearer(stack: Stack, key: dict[str, str]) -> Api:
    return Api(stack, f"{key['id']}.{key['secret']}")


def ids(answer: Reply) -> set[str]:
    return {one["id"] for one in answer.json()["items"]}


def test_secret_is_shown_once(stack: Stack) -> None:
    """G5."""
    api = Api.signed_in(stack, Role.READER)
    key = made(api)
    assert len(key["secret"]) >= 43
    for answer in (api.get("/access-keys"), api.get(f"/access-keys/{key['id']}")):
        assert answer.status == 200
        assert key["secret"] not in answer.text
        assert "hash" not in answer.text


def test_key_may_do_what_its_user_may(stack: Stack) -> None:
    """G5."""
    owner, reader = Api.signed_in(stack), Api.signed_in(stack, Role.READER)
    program = bearer(stack, made(reader))
    assert program.get("/me").json()["username"] == "reader"
    assert program.get("/users").status == 403
    assert owner.patch("/users/reader", {"role": "auditor"}).status == 200
    assert program.get("/users").status == 200


def test_people_see_their_own_keys_and_owner_and_auditor_all_of_the_account(stack: Stack) -> None:
    """G5."""
    owner, auditor, reader = (Api.signed_in(stack, role) for role in (Role.OWNER, Role.AUDITOR, Role.READER))
    of_owner, of_reader = made(owner), made(reader)
    assert ids(reader.get("/access-keys")) == {of_reader["id"]}
    assert ids(reader.get("/access-keys", username="owner")) == set()
    assert ids(owner.get("/access-keys")) == ids(auditor.get("/access-keys")) == {of_owner["id"], of_reader["id"]}
    assert ids(owner.get("/access-keys", username="reader")) == {of_reader["id"]}
    assert auditor.get(f"/access-keys/{of_reader['id']}").status == 200


def test_foreign_key_answers_as_a_missing_one(stack: Stack) -> None:
    """G5."""
    owner, auditor, reader = (Api.signed_in(stack, role) for role in (Role.OWNER, Role.AUDITOR, Role.READER))
    foreign = made(Api.signed_in(stack, account="globex"))["id"]
    of_owner = made(owner)["id"]
    missing = "AK01J000000000000000000000AA"

    def said(answer: Reply) -> tuple[int, str, str]:
        return answer.status, answer.code, answer.json()["detail"]

    for api, key in ((owner, foreign), (reader, of_owner), (reader, foreign), (auditor, foreign)):
        assert said(api.get(f"/access-keys/{key}")) == said(api.get(f"/access-keys/{missing}"))
        assert said(api.delete(f"/access-keys/{key}")) == said(api.delete(f"/access-keys/{missing}"))
        changed = api.patch(f"/access-keys/{key}", {"enabled": False})
        assert said(changed) == said(api.patch(f"/access-keys/{missing}", {"enabled": False}))
    assert auditor.delete(f"/access-keys/{of_owner}").status == 404


def test_key_that_is_switched_off_or_deleted_is_refused_at_once(stack: Stack) -> None:
    """G5."""
    owner, reader = Api.signed_in(stack), Api.signed_in(stack, Role.READER)
    key = made(reader)
    program = bearer(stack, key)
    path = f"/access-keys/{key['id']}"
    assert owner.patch(path, {"enabled": False}).json()["enabled"] is False
    assert program.get("/me").status == 401
    assert reader.patch(path, {"enabled": True, "remark": "build"}).json()["remark"] == "build"
    assert program.get("/me").status == 200
    assert owner.delete(path).status == 204
    assert program.get("/me").status == 401
    assert reader.get(path).status == 404


def test_expiry_lies_ahead_holds_and_can_be_taken_away(stack: Stack, clock: FrozenClock) -> None:
    """G5."""
    owner = Api.signed_in(stack)
    past = owner.post("/access-keys", {"expires_at": "2026-01-31T08:00:00Z"})
    assert (past.status, past.json()["errors"][0]["field"]) == (400, "expires_at")
    # In UTC it would be in the year 10000, which nothing can write down.
    beyond = owner.post("/access-keys", {"expires_at": "9999-12-31T23:59:59-23:59"})
    assert (beyond.status, beyond.json()["errors"][0]["field"]) == (400, "expires_at")
    key = made(owner, expires_at="2026-01-31T09:00:00Z")
    assert key["expires_at"] == "2026-01-31T09:00:00.000000Z"
    kept = made(owner, expires_at="2026-01-31T09:00:00Z")
    assert owner.patch(f"/access-keys/{kept['id']}", {"expires_at": None}).json()["expires_at"] is None
    clock.advance(3600)
    assert bearer(stack, key).get("/me").status == 401
    assert bearer(stack, kept).get("/me").status == 200


def test_key_makes_no_key_and_no_password(stack: Stack) -> None:
    """A program that lost its key must not leave one that lives longer."""
    key = made(Api.signed_in(stack))
    program = bearer(stack, key)
    assert program.post("/access-keys", {}).code == "DENIED"
    assert program.patch(f"/access-keys/{key['id']}", {"expires_at": None}).code == "DENIED"
    passwords = {"current_password": "correct-horse-battery-42", "password": "quite-another-horse-7"}
    assert program.patch("/me", passwords).code == "DENIED"


def test_repeated_request_makes_no_second_key(stack: Stack) -> None:
    api = Api.signed_in(stack)
    first = api.send("POST", "/access-keys", {"remark": "once"}, None, **{"idempotency-key": "abc"})
    again = api.send("POST", "/access-keys", {"remark": "once"}, None, **{"idempotency-key": "abc"})
    assert (first.status, again.status) == (201, 409)
    assert len(ids(api.get("/access-keys"))) == 1


def test_keys_are_searched_and_sorted(stack: Stack, clock: FrozenClock) -> None:
    """C1, G5: by id, user and remark; by when they were made."""
    owner, reader = Api.signed_in(stack), Api.signed_in(stack, Role.READER)
    first = made(owner, "Nightly build")
    clock.advance(1)
    second = made(reader, "laptop")
    assert [one["id"] for one in owner.get("/access-keys", sort="-created_at").json()["items"]] == [
        second["id"],
        first["id"],
    ]
    assert ids(owner.get("/access-keys", search="nightly")) == ids(owner.get("/access-keys", search=first["id"]))
    assert ids(owner.get("/access-keys", search="READER")) == {second["id"]}
    assert ids(reader.get("/access-keys", search="nightly")) == set()
    page = owner.get("/access-keys", search="AK", limit=1, sort="-created_at").json()
    rest = owner.get("/access-keys", search="AK", limit=1, sort="-created_at", cursor=page["next"]).json()
    assert [one["id"] for one in page["items"] + rest["items"]] == [second["id"], first["id"]]
