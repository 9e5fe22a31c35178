"""Registry credentials through the API: made, listed, reset, deleted; what each ends, and what is never shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.credentials.service import Credentials
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Unauthenticated
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.ports_aws.adapters import open_moto_table
from tests.stacks import FrozenClock, embedded_stack, make_instance, with_table

PATH = "/instances/ci/credentials"
HOME = "127.0.0.1"
CHOSEN = "long enough a password"
PULL = [{"namespaces": "library", "repositories": "**", "actions": ["pull"]}]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture(params=["embedded", "aws"])
def stack(request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened:
        if request.param == "embedded":
            yield opened
        else:
            with open_moto_table(tmp_path) as table:
                yield with_table(opened, table)


@pytest.fixture
def instance(stack: Stack) -> Instance:
    made = make_instance(stack)
    Credentials(stack).create(made, "admin", "secret")
    return made


@pytest.fixture
def owner(stack: Stack, instance: Instance) -> Api:
    return Api.signed_in(stack)


def robot(owner: Api, username: str = "robot", **more: Any) -> dict[str, Any]:
    answer = owner.post(PATH, {"username": username, "permissions": PULL, **more})
    assert answer.status == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def knows(stack: Stack, instance: Instance, username: str, password: str) -> bool:
    try:
        Credentials(stack).basic(instance, username, password, HOME, fresh=True)
    except Unauthenticated:
        return False
    return True


def test_a_robot_logs_in_with_the_password_that_is_shown_once(stack: Stack, owner: Api, instance: Instance) -> None:
    """X4, G3"""
    made = robot(owner)
    assert knows(stack, instance, "robot", made["password"])
    shown = owner.get(f"{PATH}/robot").json()
    assert shown == {name: value for name, value in made.items() if name != "password"}
    assert (shown["kind"], shown["expires_at"], shown["created_by"]) == ("robot", None, "owner")
    assert shown["permissions"] == PULL
    assert shown["login_command"] == f"docker login {instance.label}.localhost:5000 -u robot"


def test_credentials_are_listed_paged_and_searched(owner: Api) -> None:
    """G3"""
    for name in ("build-1", "build-2", "deploy"):
        robot(owner, name)
    first = owner.get(PATH, limit=3).json()
    second = owner.get(PATH, limit=3, cursor=first["next"]).json()
    listed = [*first["items"], *second["items"]]
    assert [(one["username"], one["kind"]) for one in listed] == [
        ("admin", "primary"),
        ("build-1", "robot"),
        ("build-2", "robot"),
        ("deploy", "robot"),
    ]
    assert listed[0]["permissions"] is None
    assert second["next"] is None
    found = owner.get(PATH, search="build", limit=1).json()
    rest = owner.get(PATH, search="build", cursor=found["next"]).json()
    assert [one["username"] for one in found["items"] + rest["items"]] == ["build-1", "build-2"]
    assert owner.get(PATH, search="build", cursor="?").json()["errors"][0]["field"] == "cursor"
    assert "password" not in str(listed)


def test_credentials_come_by_kind_and_in_the_order_asked_for(owner: Api, clock: FrozenClock) -> None:
    """G3, C1"""
    for name, day in (("zoe", "2027-01-01"), ("ann", "2028-01-01"), ("ben", None)):
        clock.advance(1)
        robot(owner, name, expires_at=day and f"{day}T00:00:00Z")

    def listed(**query: object) -> list[str]:
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = owner.get(PATH, limit=1, **query, **cursor).json()
            found += [one["username"] for one in page["items"]]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    assert listed(sort="-username") == ["zoe", "ben", "ann", "admin"]
    assert listed(kind="primary") == ["admin"]
    assert listed(kind="robot", sort="-created_at") == ["ben", "ann", "zoe"]
    assert listed(kind="robot", sort="expires_at") == ["zoe", "ann", "ben"]
    assert listed(kind="workload") == []
    assert owner.get(PATH, sort="expires_at", cursor="x").json()["errors"][0]["field"] == "cursor"


def test_nothing_of_a_generated_password_is_stored_but_a_keyed_hash(
    stack: Stack, owner: Api, instance: Instance
) -> None:
    """G3"""
    password = robot(owner)["password"]
    item = stack.table.get(keys.credential(instance.id, "robot"))
    assert item is not None
    assert password not in str(item)
    assert (item["password_hash"], len(item["generated_hash"])) == ("", 64)
    assert len(password) > 40


def test_a_chosen_password_is_not_said_back_and_hashed_memory_hard(
    stack: Stack, owner: Api, instance: Instance
) -> None:
    """G3"""
    made = robot(owner, password=CHOSEN)
    assert made["password"] is None
    assert knows(stack, instance, "robot", CHOSEN)
    item = stack.table.get(keys.credential(instance.id, "robot"))
    assert item is not None
    assert item["password_hash"].startswith("$argon2id$")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "a:b"}, "username"),
        ({"username": ""}, "username"),
        ({"username": "é"}, "username"),
        ({"username": "workload-1"}, "username"),
        ({"username": "AK" + "0" * 26}, "username"),
        ({"password": "short"}, "password"),
        ({"password": "robot-robot-robot"}, "password"),
        ({"permissions": []}, "permissions"),
        ({"permissions": PULL * 51}, "permissions"),
        ({"permissions": [{**PULL[0], "namespaces": "lib?"}]}, "permissions.0.namespaces"),
        ({"permissions": [{**PULL[0], "repositories": "*"}]}, "permissions.0.repositories"),
        ({"permissions": [{**PULL[0], "actions": []}]}, "permissions.0.actions"),
        ({"permissions": [{**PULL[0], "actions": ["admin"]}]}, "permissions.0.actions.0"),
        ({"expires_at": "2026-01-31T08:00:00Z"}, "expires_at"),
        ({"expires_at": "2027-01-31T08:00:00"}, "expires_at"),
        ({"kind": "primary"}, "kind"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_field_is_refused_by_its_name_and_nothing_is_made(owner: Api, change: dict[str, Any], field: str) -> None:
    """X4"""
    answer = owner.post(PATH, {"username": "robot", "permissions": PULL, **change})
    assert (answer.status, [one["field"] for one in answer.json()["errors"]]) == (400, [field])
    assert [one["username"] for one in owner.get(PATH).json()["items"]] == ["admin"]


def test_a_pattern_that_is_none_is_refused_at_its_character(owner: Api) -> None:
    """P2"""
    permissions = [{"namespaces": "lib?", "repositories": "**", "actions": ["pull"]}]
    answer = owner.post(PATH, {"username": "robot", "permissions": permissions})
    assert "(character 4)" in answer.json()["errors"][0]["message"]


def test_a_user_name_is_taken_once(owner: Api) -> None:
    """G3"""
    robot(owner)
    for username in ("robot", "admin"):
        answer = owner.post(PATH, {"username": username, "permissions": PULL})
        assert (answer.status, answer.code) == (409, "CONFLICT")


def test_a_deleted_robot_is_gone_with_its_tokens_and_its_name_is_free(
    stack: Stack, owner: Api, instance: Instance
) -> None:
    """X4, G3"""
    credentials, password = Credentials(stack), robot(owner)["password"]
    token = credentials.issue(instance, credentials.basic(instance, "robot", password, HOME), []).text
    credentials.bearer(instance, token)
    assert owner.delete(f"{PATH}/robot").status == 204
    assert owner.delete(f"{PATH}/robot").status == 404
    assert not knows(stack, instance, "robot", password)
    robot(owner)
    assert not knows(stack, instance, "robot", password)
    for fresh in (True, False):
        with pytest.raises(Unauthenticated):
            credentials.bearer(instance, token, fresh=fresh)


def test_the_primary_credential_cannot_be_deleted(stack: Stack, owner: Api, instance: Instance) -> None:
    """G3"""
    answer = owner.delete(f"{PATH}/admin")
    assert (answer.status, answer.code) == (409, "CONFLICT")
    assert knows(stack, instance, "admin", "secret")


@pytest.mark.parametrize("username", ["admin", "robot"])
def test_a_new_password_ends_the_old_one(stack: Stack, owner: Api, instance: Instance, username: str) -> None:
    """G3: chosen or generated, of the primary credential and of robots."""
    old = robot(owner)["password"] if username == "robot" else "secret"
    generated = owner.put(f"{PATH}/{username}/password", {}).json()
    assert generated["username"] == username
    assert not knows(stack, instance, username, old)
    assert knows(stack, instance, username, generated["password"])
    chosen = owner.put(f"{PATH}/{username}/password", {"password": CHOSEN}).json()
    assert chosen["password"] is None
    assert not knows(stack, instance, username, generated["password"])
    assert knows(stack, instance, username, CHOSEN)
    assert owner.put(f"{PATH}/{username}/password", {"password": "weak"}).json()["errors"][0]["field"] == "password"
    assert owner.put(f"{PATH}/nobody/password", {}).status == 404


def test_a_reset_shows_when_the_password_was_set(owner: Api, clock: FrozenClock) -> None:
    """G3"""
    made = robot(owner)
    clock.advance(60)
    reset = owner.put(f"{PATH}/robot/password", {}).json()
    assert (made["changed_at"], reset["changed_at"]) == (made["created_at"], "2026-01-31T08:01:00.000000Z")
    assert reset["created_at"] == made["created_at"]


def test_a_secret_is_not_kept_for_replays(owner: Api) -> None:
    """G3"""
    body = {"username": "robot", "permissions": PULL}
    keyed = replace(owner, headers={"idempotency-key": "1"})
    assert keyed.post(PATH, body).status == 201
    again = keyed.post(PATH, body)
    assert (again.status, "password" in again.text) == (409, False)


@pytest.mark.parametrize(("role", "reads"), [(Role.AUDITOR, 200), (Role.DEVELOPER, 403), (Role.READER, 403)])
def test_the_owner_alone_changes_credentials(stack: Stack, owner: Api, role: Role, reads: int) -> None:
    """G3, G5"""
    robot(owner)
    other = Api.signed_in(stack, role)
    assert other.get(PATH).status == reads
    assert other.get(f"{PATH}/robot").status == reads
    for answer in (
        other.post(PATH, {"username": "mine", "permissions": PULL}),
        other.delete(f"{PATH}/robot"),
        other.put(f"{PATH}/robot/password", {}),
    ):
        assert (answer.status, answer.code) == (403, "DENIED")


def test_anothers_credentials_are_as_missing_as_none(stack: Stack, owner: Api, instance: Instance) -> None:
    """G5"""
    robot(owner)
    stranger = Api.signed_in(stack, account="other")
    foreign = stranger.get(f"/instances/{instance.id}/credentials/robot")
    missing = stranger.get("/instances/nowhere/credentials/robot")
    assert {**foreign.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
    make_instance(stack, "ci", account_id="other")
    assert stranger.get(f"{PATH}/robot").status == 404


@pytest.mark.parametrize("username", ["nobody", "a%3Ab", "%C3%A9", "x" * 500, "workload-1"])
def test_what_names_no_credential_is_missing(owner: Api, username: str) -> None:
    """G3"""
    for answer in (owner.get(f"{PATH}/{username}"), owner.delete(f"{PATH}/{username}")):
        assert (answer.status, answer.code) == (404, "NOT_FOUND")


def test_a_robot_ends_at_its_time_with_everything_derived_from_it(
    stack: Stack, owner: Api, instance: Instance, clock: FrozenClock
) -> None:
    """X4: its password, what is remembered of it, its tokens and its refresh token."""
    credentials = Credentials(stack)
    password = robot(owner, expires_at="2026-01-31T08:02:00Z")["password"]
    principal = credentials.basic(instance, "robot", password, HOME)
    token, refresh = credentials.issue(instance, principal, []), credentials.refresh_token(principal)
    assert token.expires_in_s == 120
    clock.advance(119)
    assert credentials.bearer(instance, token.text).allowed == principal.allowed
    assert credentials.redeem(instance, refresh) == principal
    clock.advance(1)
    for fresh in (True, False):
        with pytest.raises(Unauthenticated):
            credentials.basic(instance, "robot", password, HOME, fresh=fresh)
        with pytest.raises(Unauthenticated):
            credentials.bearer(instance, token.text, fresh=fresh)
    with pytest.raises(Unauthenticated):
        credentials.redeem(instance, refresh)
    assert owner.get(f"{PATH}/robot").json()["expires_at"] == "2026-01-31T08:02:00.000000Z"
