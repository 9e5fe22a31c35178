"""R5: whoever has a right in the namespace is told why a push or pull is refused; everybody else learns nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from chalicelib.edge.refusals import refusal
from chalicelib.kernel.errors import Denied, NotFound, TagImmutable
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.patterns import Pattern
from chalicelib.kernel.principal import Action, Allowance, Principal
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.table import Update
from chalicelib.registry.models import Caller
from chalicelib.registry.rights import Rights
from tests.management import Api
from tests.stacks import make_namespace

from .wire import LOGIN, Wire

UPLOADS = "/v2/library/app/blobs/uploads/"
TAG = "/v2/library/app/manifests/v1"


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    """An enterprise instance whose `library/app` has an image."""
    served = Wire(tmp_path, edition="enterprise")
    served.push_image("library/app", "v1")
    yield served
    served.close()


def why(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and reason."""
    (problem,) = answer.json()["errors"]
    return answer.status_code, problem["code"], problem["detail"]["reason"]


def message(answer: httpx.Response) -> str:
    """What docker prints."""
    return str(answer.json()["errors"][0]["message"])


def key_of(wire: Wire, role: Role) -> tuple[str, str]:
    """A login by an access key of the instance's own account."""
    made = Api.signed_in(wire.stack, role).post("/access-keys", {})
    assert made.status == 201, made.text
    key: dict[str, Any] = made.json()
    return str(key["id"]), str(key["secret"])


def stranger(wire: Wire) -> tuple[str, str]:
    """A login by an access key of another account, with which nothing is shared."""
    made = Api.signed_in(wire.stack, Role.OWNER, account="other").post("/access-keys", {})
    key: dict[str, Any] = made.json()
    return str(key["id"]), str(key["secret"])


def alike(one: httpx.Response, other: httpx.Response, *names: str) -> bool:
    """The same answer, but for the names asked for."""
    texts = [one.text, other.text]
    for name in names:
        texts = [text.replace(name, "…") for text in texts]
    return one.status_code == other.status_code and texts[0] == texts[1]


def test_who_is_not_logged_in_is_told_to(wire: Wire) -> None:
    answer = wire.ask("POST", UPLOADS, login=None)
    assert why(answer) == (401, "UNAUTHORIZED", "UNAUTHENTICATED")
    assert message(answer) == "log in with a user name and password of this instance"
    assert answer.headers["www-authenticate"].startswith("Bearer realm=")


def test_a_wrong_password_is_told_and_no_more(wire: Wire) -> None:
    wrong, nobody = (wire.ask("GET", TAG, login=(name, "wrong")) for name in (LOGIN[0], "nobody"))
    assert why(wrong)[0] == 401
    assert alike(wrong, nobody)


def test_who_may_only_pull_is_told_so_on_a_push(wire: Wire) -> None:
    login = key_of(wire, Role.READER)
    answer = wire.ask("POST", UPLOADS, login=login)
    assert why(answer) == (403, "DENIED", "NO_PERMISSION")
    assert "may pull library/app, but not push it" in message(answer)
    by_token = wire.ask("POST", UPLOADS, token=wire.token("repository:library/app:pull,push", login=login))
    assert why(by_token) == (403, "DENIED", "NO_PERMISSION")
    assert why(wire.ask("DELETE", TAG, login=login)) == (403, "DENIED", "NO_PERMISSION")
    assert wire.ask("GET", TAG, login=login).status_code == 200


def test_a_token_that_could_reach_further_is_sent_for_another(wire: Wire) -> None:
    """R2: or clients would give up where a second token helps."""
    pull = wire.token("repository:library/app:pull", login=key_of(wire, Role.DEVELOPER))
    assert wire.ask("POST", UPLOADS, token=pull).status_code == 401


def test_a_repository_that_is_missing_is_called_missing_to_whom_may_know(wire: Wire) -> None:
    login = key_of(wire, Role.READER)
    ways: tuple[dict[str, Any], ...] = (
        {"login": login},
        {"token": wire.token("repository:library/none:pull", login=login)},
    )
    for how in ways:
        answer = wire.ask("GET", "/v2/library/none/manifests/v1", **how)
        assert why(answer) == (404, "NAME_UNKNOWN", "REPOSITORY_MISSING")
        assert message(answer) == "there is no repository library/none"


def test_a_repository_that_no_push_makes_is_told_of(wire: Wire) -> None:
    make_namespace(wire.stack, wire.instance, "closed", auto_create_repository=False)
    answer = wire.ask("POST", "/v2/closed/app/blobs/uploads/")
    assert why(answer) == (404, "NAME_UNKNOWN", "REPOSITORY_MISSING")
    assert "its namespace makes none on push; create it first" in message(answer)
    answer = wire.ask("POST", "/v2/nowhere/app/blobs/uploads/")
    assert why(answer) == (404, "NAME_UNKNOWN", "NAMESPACE_MISSING")
    assert message(answer) == "there is no namespace nowhere; create it first"


def test_a_quota_that_is_used_up_is_named(tmp_path: Path) -> None:
    wire = Wire(tmp_path, edition="personal")
    for n in range(3):
        wire.push_image(f"library/r{n}", "v1")
    wire.stack.table.update(Update(keys.instance(wire.instance.id), set={"repository_limit": 3}))
    image = wire.ask("GET", "/v2/library/r1/manifests/v1").content
    digest = json.loads(image)["layers"][0]["digest"]
    answer = wire.ask("POST", f"/v2/library/r4/blobs/uploads/?mount={digest}&from=library/r1")
    assert why(answer) == (403, "DENIED", "QUOTA_EXCEEDED")
    assert message(answer).startswith("the quota of 3 for repositories is used up")
    assert answer.json()["errors"][0]["detail"]["quota"] == "repositories"
    wire.stack.table.update(Update(keys.instance(wire.instance.id), set={"storage_limit_bytes": 1}))
    answer = wire.ask("POST", "/v2/library/r1/blobs/uploads/")
    assert why(answer) == (403, "DENIED", "QUOTA_EXCEEDED")
    assert answer.json()["errors"][0]["detail"]["quota"] == "storage"
    wire.close()


def test_an_immutable_tag_names_its_rule() -> None:
    answer = refusal(TagImmutable("library/app", "v1", "rule-7"))
    (problem,) = json.loads(answer.body)["errors"]
    assert (answer.status, problem["code"], problem["detail"]["reason"]) == (409, "DENIED", "TAG_IMMUTABLE")
    assert problem["message"] == (
        "tag v1 of library/app is immutable under rule rule-7; use another tag, or have the rule changed"
    )


def freeze(wire: Wire) -> None:
    wire.clock.advance(3600)
    expired = wire.clock.now() - timedelta(seconds=1)
    wire.stack.table.update(Update(keys.instance(wire.instance.id), set={"expires_at": expired.isoformat()}))


@pytest.mark.parametrize(("method", "path"), [("GET", TAG), ("POST", UPLOADS), ("DELETE", TAG)])
def test_a_frozen_instance_says_so_to_its_own_people_alone(wire: Wire, method: str, path: str) -> None:
    """I6"""
    login, foreign = key_of(wire, Role.DEVELOPER), stranger(wire)
    before = wire.ask(method, path, login=foreign)
    freeze(wire)
    answer = wire.ask(method, path, login=login)
    assert why(answer) == (403, "DENIED", "INSTANCE_FROZEN")
    assert message(answer) == "instance default has expired and is frozen; renew it to go on"
    assert alike(wire.ask(method, path, login=foreign), before)
    assert why(wire.ask(method, path, login=None))[2] == "UNAUTHENTICATED"


def test_an_address_off_the_allowlist_is_named(wire: Wire) -> None:
    """G2"""
    Api.signed_in(wire.stack).post("/instances/default/allowlist", {"cidr": "192.0.2.0/24"})
    wire.use(wire.stack, ("203.0.113.9", 50000))
    answer = wire.ask("GET", TAG)
    assert why(answer) == (403, "DENIED", "ADDRESS_NOT_ALLOWED")
    assert "203.0.113.9" in message(answer)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_who_has_no_right_cannot_tell_forbidden_from_missing(wire: Wire, method: str) -> None:
    foreign = stranger(wire)
    ways: list[dict[str, Any]] = [
        {"login": foreign},
        {"token": wire.token("repository:library/app:pull,push", login=foreign)},
        {"login": None},
    ]
    for how in ways:
        forbidden, missing, nowhere = (
            wire.ask(method, f"/v2/{name}/manifests/v1", headers={"Content-Type": "x/y"}, **how)
            for name in ("library/app", "library/none", "nowhere/none")
        )
        assert alike(forbidden, missing, "library/app", "library/none")
        assert alike(missing, nowhere, "library/none", "nowhere/none")


def test_a_robot_learns_what_it_may_not_do_in_its_namespace_and_nothing_of_others(wire: Wire) -> None:
    """X4: `may not` is said of what exists and of what does not."""
    allowance = Allowance(Pattern.parse("library"), Pattern.parse("ci*"), frozenset({Action.PULL, Action.PUSH}))
    robot = Principal("robot", "ci", wire.instance.id, allowed=(allowance,))
    rights, caller = Rights(wire.stack), Caller(wire.instance, robot)
    said = []
    for name in ("library/app", "library/none"):
        with pytest.raises(Denied) as refused:
            rights.readable(caller, RepositoryName.parse(name))
        said.append(refused.value.message.replace(name, "…"))
    assert said == ["ci may not pull …; log in as somebody who may, or ask the account's owner"] * 2
    assert rights.writable(caller, RepositoryName.parse("library/ci-1")) is None
    with pytest.raises(Denied, match="may pull and push library/ci-1, but not delete it"):
        rights.deletable(caller, RepositoryName.parse("library/ci-1"))
    with pytest.raises(NotFound) as missing:
        rights.readable(caller, RepositoryName.parse("open/app"))
    assert "reason" not in missing.value.detail
