"""What a robot may do through the registry protocol, by password and by token: its permissions, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.credentials.models import Permission
from chalicelib.credentials.robots import Robots
from chalicelib.credentials.service import Credentials
from chalicelib.kernel.patterns import Pattern
from chalicelib.kernel.principal import Action
from tests.registry.wire import MANIFEST, Wire, image, sha256
from tests.stacks import make_instance, make_namespace

Login = tuple[str, str]
LAYER = b"layer"


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    """An image in library/app, library/other, closed/app and the public open/app."""
    served = Wire(tmp_path)
    make_namespace(served.stack, served.instance, "closed")
    for name in ("library/app", "library/other", "closed/app", "open/app"):
        served.push_image(name, "v1", LAYER)
    yield served
    served.close()


def robot(wire: Wire, namespaces: str, repositories: str, *actions: Action, **more: Any) -> Login:
    permission = Permission(
        namespaces=Pattern.parse(namespaces), repositories=Pattern.parse(repositories), actions=actions
    )
    ends_at = wire.clock.now() + timedelta(seconds=more["lives_s"]) if more else None
    username = f"robot-{namespaces.strip('*{}') or 'all'}-{'-'.join(actions)}"
    new = Robots(wire.stack).create(wire.instance, username, None, [permission], ends_at, "owner")
    return username, new.password


def by_token(wire: Wire, login: Login, *scopes: str) -> dict[str, Any]:
    return {"token": wire.token(*scopes, login=login)}


def by_password(wire: Wire, login: Login, *scopes: str) -> dict[str, Any]:
    return {"login": login}


@pytest.fixture(params=[by_password, by_token])
def way(request: pytest.FixtureRequest) -> Any:
    """How a robot says who it is."""
    return request.param


def status(wire: Wire, method: str, path: str, **more: Any) -> int:
    return wire.ask(method, path, **more).status_code


def told(wire: Wire, method: str, path: str, name: str, **more: Any) -> tuple[int, Any]:
    """What a refusal says, without the name."""
    answer = wire.ask(method, path, **more)
    return answer.status_code, answer.json()["errors"][0] | {"message": answer.text.count(name), "detail": None}


def test_a_robot_pulls_what_it_may_and_nothing_else(wire: Wire, way: Any) -> None:
    """X4, R5: what it may not pull may as well not exist; outside its namespaces it is told nothing at all."""
    login = robot(wire, "library", "app", Action.PULL)
    names = ("library/app", "library/other", "library/none", "closed/app", "closed/none")
    scopes = [f"repository:{name}:pull,push,delete" for name in names]
    who = way(wire, login, *scopes)
    assert status(wire, "GET", "/v2/library/app/manifests/v1", **who) == 200
    assert status(wire, "HEAD", f"/v2/library/app/blobs/{sha256(LAYER)}", **who) == 200
    assert status(wire, "GET", "/v2/library/app/tags/list", **who) == 200
    other, none, closed, missing = (told(wire, "GET", f"/v2/{name}/manifests/v1", name, **who) for name in names[1:])
    assert other == none
    assert other[0] == 403
    assert closed == missing
    assert closed[0] == (401 if way is by_token else 404)


def test_a_robot_that_may_pull_can_neither_push_nor_delete(wire: Wire, way: Any) -> None:
    """X4"""
    who = way(wire, robot(wire, "library", "app", Action.PULL), "repository:library/app:pull,push,delete")
    put = {"headers": {"Content-Type": MANIFEST}, "content": image(LAYER)}
    for method, path, more in (
        ("POST", "blobs/uploads/", {}),
        ("PUT", "manifests/v2", put),
        ("DELETE", "manifests/v1", {}),
        ("DELETE", f"blobs/{sha256(LAYER)}", {}),
    ):
        assert status(wire, method, f"/v2/library/app/{path}", **who, **more) == 403, path
    assert status(wire, "GET", "/v2/library/app/manifests/v1") == 200


def test_a_robot_that_may_push_cannot_delete(wire: Wire, way: Any) -> None:
    """X4: though clients that delete ask for push alone."""
    login = robot(wire, "library", "app", Action.PULL, Action.PUSH)
    who = way(wire, login, "repository:library/app:pull,push,delete")
    put = {"headers": {"Content-Type": MANIFEST}, "content": image(LAYER)}
    assert status(wire, "PUT", "/v2/library/app/manifests/v2", **who, **put) == 201
    assert status(wire, "DELETE", "/v2/library/app/manifests/v2", **who) == 403


def test_a_robot_that_may_delete_deletes(wire: Wire, way: Any) -> None:
    """X4"""
    login = robot(wire, "library", "**", Action.PULL, Action.PUSH, Action.DELETE)
    who = way(wire, login, "repository:library/app:pull,push,delete")
    assert status(wire, "DELETE", "/v2/library/app/manifests/v1", **who) == 202


def test_a_robot_makes_repositories_only_where_it_may_push(wire: Wire, way: Any) -> None:
    """X4, N1"""
    login = robot(wire, "library", "team/*", Action.PULL, Action.PUSH)
    scopes = [f"repository:library/{name}:pull,push" for name in ("team/new", "new")]
    who = way(wire, login, *scopes)
    assert status(wire, "POST", "/v2/library/team/new/blobs/uploads/", **who) == 202
    blob = {"params": {"digest": sha256(LAYER)}, "content": LAYER}
    assert status(wire, "POST", "/v2/library/team/new/blobs/uploads/", **who, **blob) == 201
    assert status(wire, "POST", "/v2/library/new/blobs/uploads/", **who, **blob) == 403
    names = wire.ask("GET", "/v2/_catalog").json()["repositories"]
    assert "library/team/new" in names
    assert "library/new" not in names


def test_a_robot_mounts_only_from_where_it_may_pull(wire: Wire, way: Any) -> None:
    """X4: knowing a digest gives no right to its bytes."""
    wire.push_blob("library/other", b"secret of other")
    login = robot(wire, "library", "{app,mine}", Action.PULL, Action.PUSH)
    scopes = [f"repository:library/{name}:pull,push" for name in ("app", "mine", "other")]
    who = way(wire, login, *scopes)

    def mount(data: bytes, source: str) -> int:
        params = {"mount": sha256(data), **({"from": f"library/{source}"} if source else {})}
        return status(wire, "POST", "/v2/library/mine/blobs/uploads/", params=params, **who)

    assert mount(LAYER, "app") == 201
    assert mount(b"secret of other", "other") in (202, 401)
    assert mount(b"secret of other", "") == 202
    assert status(wire, "GET", f"/v2/library/mine/blobs/{sha256(b'secret of other')}", **who) == 404


def test_a_robot_lists_what_it_may_pull(wire: Wire) -> None:
    """X4: and public repositories, as everybody does."""
    login = robot(wire, "library", "app", Action.PULL)
    assert wire.ask("GET", "/v2/_catalog", login=login).json()["repositories"] == ["library/app", "open/app"]


def test_a_token_has_what_was_asked_and_the_robot_may(wire: Wire) -> None:
    """X4, R2: asking for too much is no error."""
    login = robot(wire, "library", "app", Action.PULL, Action.PUSH)
    form = {
        "grant_type": "password",
        "service": "x",
        "client_id": "test",
        "username": login[0],
        "password": login[1],
        "scope": "repository:library/app:pull,push,delete repository:library/other:pull repository:open/app:pull,push",
    }
    answer = wire.ask("POST", "/token", login=None, data=form)
    assert answer.json()["scope"] == "repository:library/app:pull,push repository:open/app:pull"


def test_a_robot_of_another_instance_is_nobody_here(wire: Wire) -> None:
    """G5, X4"""
    other = make_instance(wire.stack, "other")
    permission = Permission(namespaces=Pattern("**"), repositories=Pattern("**"), actions=tuple(Action))
    new = Robots(wire.stack).create(other, "robot", None, [permission], None, "owner")
    assert status(wire, "GET", "/v2/library/app/manifests/v1", login=("robot", new.password)) == 401
    token = Credentials(wire.stack).issue(other, new.credential.principal, []).text
    assert status(wire, "GET", "/v2/library/app/manifests/v1", token=token) == 401


def test_the_end_of_a_robot_ends_pulls_that_were_answered_from_memory(wire: Wire, way: Any) -> None:
    """X4: to the second, though nothing is written then."""
    login = robot(wire, "library", "app", Action.PULL, Action.PUSH, lives_s=30)
    who = way(wire, login, "repository:library/app:pull,push")
    for _ in range(2):
        assert status(wire, "GET", "/v2/library/app/manifests/v1", **who) == 200
    wire.clock.advance(29)
    assert status(wire, "GET", "/v2/library/app/manifests/v1", **who) == 200
    wire.clock.advance(1)
    assert status(wire, "GET", "/v2/library/app/manifests/v1", **who) == 401
    assert status(wire, "POST", "/v2/library/app/blobs/uploads/", **who) == 401
    assert status(wire, "GET", "/token", login=login, params={"service": "x"}) == 401
