"""A password reset through the API: what it ends, where, and how soon; and what guessers learn and reach meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.credentials.models import Permission
from chalicelib.credentials.robots import Robots
from chalicelib.identity.throttle import LIMITS
from chalicelib.kernel.patterns import Pattern
from chalicelib.kernel.principal import Action
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Table
from tests.management import Api
from tests.registry.wire import LOGIN, Wire, exchange
from tests.stacks import embedded_stack, with_table

MANIFEST = "/v2/library/app/manifests/v1"
UPLOADS = "/v2/library/app/blobs/uploads/"
SCOPE = "repository:library/app:pull,push"
VICTIM, ATTACKER = ("192.0.2.7", 1), ("203.0.113.9", 1)


class NodeTable:
    """The table of one node of several: it may serve reads from memory until its epoch passes."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.passed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def epoch(self) -> object:
        return self.passed


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    served = Wire(tmp_path)
    served.push_image("library/app", "v1")
    yield served
    served.close()


def reset(stack: Stack) -> str:
    """The new password of the primary credential."""
    answer = Api.signed_in(stack).put("/instances/default/credentials/admin/password", {})
    assert answer.status == 200
    return str(answer.json()["password"])


def statuses(wire: Wire, method: str, path: str, token: str) -> list[int]:
    """By password, and by token."""
    return [wire.ask(method, path).status_code, wire.ask(method, path, token=token).status_code]


def test_on_one_machine_everything_ends_at_once_in_every_process(wire: Wire, tmp_path: Path) -> None:
    """G3"""
    token = wire.token(SCOPE)
    with embedded_stack(tmp_path, wire.clock) as other:
        for stack in (wire.stack, other):
            wire.use(stack)
            assert statuses(wire, "GET", MANIFEST, token) == [200, 200]
            assert statuses(wire, "POST", UPLOADS, token) == [202, 202]
        password = reset(wire.stack)
        for stack in (wire.stack, other):
            wire.use(stack)
            assert statuses(wire, "GET", MANIFEST, token) == [401, 401]
            assert statuses(wire, "POST", UPLOADS, token) == [401, 401]
            assert wire.ask("GET", "/token", params={"service": "x"}).status_code == 401
            assert wire.ask("POST", UPLOADS, login=(LOGIN[0], password)).status_code == 202


def test_on_several_nodes_pushes_end_at_once_and_pulls_when_memory_does(wire: Wire) -> None:
    """G3: memory of the AWS stack lasts 5 s (`ports/aws/table.py`)."""
    token, table = wire.token(SCOPE), NodeTable(wire.stack.table)
    node = replace(with_table(wire.stack, table), exact=False)
    wire.use(node)
    assert statuses(wire, "GET", MANIFEST, token) == [200, 200]
    assert statuses(wire, "POST", UPLOADS, token) == [202, 202]
    reset(wire.stack)
    assert statuses(wire, "POST", UPLOADS, token) == [401, 401]
    assert wire.ask("GET", "/token", params={"service": "x"}).status_code == 401
    table.passed += 1
    assert statuses(wire, "GET", MANIFEST, token) == [401, 401]


def test_a_refresh_token_ends_with_the_password(wire: Wire) -> None:
    """G3"""
    form = {"grant_type": "password", "service": "x", "client_id": "t", "access_type": "offline"}
    login = {"username": LOGIN[0], "password": LOGIN[1]}
    refresh = wire.ask("POST", "/token", login=None, data={**form, **login}).json()["refresh_token"]
    again = {"grant_type": "refresh_token", "service": "x", "client_id": "t", "refresh_token": refresh}
    assert wire.ask("POST", "/token", login=None, data=again).status_code == 200
    reset(wire.stack)
    assert wire.ask("POST", "/token", login=None, data=again).status_code == 401


def test_ten_wrong_passwords_close_the_name_but_not_to_its_own_machine(wire: Wire) -> None:
    """G3"""
    wire.use(wire.stack, VICTIM)
    assert wire.ask("GET", "/v2/").status_code == 200
    wire.use(wire.stack, ATTACKER)
    answers = [wire.ask("GET", "/v2/", login=(LOGIN[0], f"wrong {n}")) for n in range(LIMITS["login"] + 1)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert wire.ask("GET", "/v2/", login=(LOGIN[0], "wrong again")).status_code == 429
    wire.use(wire.stack, VICTIM)
    assert wire.ask("GET", "/v2/").status_code == 200
    assert wire.ask("GET", "/token", params={"service": "x"}).status_code == 200


def test_a_robot_with_a_generated_password_is_locked_out_by_nobody(wire: Wire) -> None:
    """G3, X4: CI machines are new each time, so none of them is known."""
    permission = Permission(namespaces=Pattern("**"), repositories=Pattern("**"), actions=(Action.PULL,))
    new = Robots(wire.stack).create(wire.instance, "robot", None, [permission], None, "owner")
    wire.use(wire.stack, ATTACKER)
    guesses = [wire.ask("GET", "/v2/", login=("robot", f"wrong {n}")).status_code for n in range(11)]
    assert guesses == [401] * 10 + [429]
    wire.use(wire.stack, ("198.51.100.5", 1))
    assert wire.ask("GET", "/v2/", login=("robot", new.password)).status_code == 200


@pytest.mark.parametrize("path", ["/v2/", "/token", MANIFEST])
def test_unknown_names_robots_and_wrong_passwords_are_told_alike(wire: Wire, path: str) -> None:
    """G3"""
    permission = Permission(namespaces=Pattern("**"), repositories=Pattern("**"), actions=(Action.PULL,))
    Robots(wire.stack).create(wire.instance, "robot", None, [permission], None, "owner")
    answers = []
    for username in (LOGIN[0], "nobody", "robot", "workload-1", "not a name"):
        answer = wire.ask("GET", path, login=(username, "wrong"))
        headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
        answers.append((answer.status_code, headers, answer.text))
    assert answers[0][0] == 401
    assert answers == answers[:1] * 5


def test_nothing_that_was_sent_as_a_password_is_logged(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """G3"""
    with caplog.at_level(0):
        password = reset(wire.stack)
        wire.ask("GET", "/v2/", login=(LOGIN[0], password))
        wire.ask("GET", "/v2/", login=(LOGIN[0], "a wrong password"))
        exchange(wire, "GET", "/v2/", token="a.bad.token")
    said = caplog.text + " ".join(str(vars(record)) for record in caplog.records)
    assert [secret for secret in (password, "a wrong password", "a.bad.token") if secret in said] == []
