"""Every route × who asks × whose thing: allowed exactly where docs/roles.md says, else as if the thing were missing.

who     owner, developer, reader, auditor, operator · owner of another account · guest of a share
        · who holds a registry credential of the instance, and no more · nobody
whose   own · another account's · another instance's, under the path of one's own · deleted · malformed ids
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.chain import WORKERS
from chalicelib.edge.endpoint import Endpoint
from chalicelib.edge.openapi import may
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.roles import RIGHTS, Right, Role
from chalicelib.tasks.service import Tasks
from tests.management import Api, Reply, endpoints
from tests.stacks import FrozenClock

from .conftest import bucket_maker, opened
from .world import Ask, World, every, examples, fresh

ENDPOINTS = list(every(endpoints()))
MALFORMED = ("..", "a b", "\0", "ü", "-", "%41", "A" * 600, "sha256:0")
# What examples of these end is their own caller's session.
OF_THE_CALLER = ("sign_out", "change_me")
# What these are about outlives what is deleted so.
OUTLIVES = {("list_tag_history", "delete_tag"), ("roll_tag_back", "delete_tag")}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("matrix")
    with opened("embedded", folder) as stack:
        yield World(stack, bucket_maker(stack))


@dataclass(frozen=True)
class Who:
    """home: asks about things of their own account."""

    name: str
    api: Api
    role: Role | None = None
    home: bool = True
    operator: bool = False

    def may(self, endpoint: Endpoint) -> bool:
        if endpoint.needs is None:
            return True
        if endpoint.needs is Right.OPERATE:
            return self.operator
        return self.role is not None and endpoint.needs in RIGHTS[self.role]


def everybody(world: World) -> list[Who]:
    return [
        *(Who(str(role), api, role) for role, api in world.people.items()),
        Who("operator", world.operator, Role.OWNER, operator=True),
        Who("other account", world.stranger, Role.OWNER, home=False),
        Who("guest", world.guest, Role.OWNER, home=False),
        Who("registry client", world.registry_client),
        Who("nobody", Api(world.stack)),
    ]


@dataclass(frozen=True)
class Case:
    """parts: of the path; missing: the same path, but from where `parts` leads astray on to what never was."""

    kind: str
    parts: Mapping[str, str]
    missing: Mapping[str, str]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_who_may_is_answered_and_everybody_else_as_if_it_were_missing(world: World, endpoint: Endpoint) -> None:
    ask = examples()[endpoint.name](world.home)
    world.share(ask.parts)
    cases = list(_cases(world, endpoint, ask))
    for who in everybody(world):
        as_missing = _Remembered(endpoint, ask, who.api)
        for case in cases:
            if case.kind == "own" and (
                endpoint.needs is None or (who.may(endpoint) and (who.home or not _owned(endpoint)))
            ):
                continue
            if not ask.parts and who.may(endpoint):
                continue
            seen = _masked(ask.send(endpoint, who.api, **case.parts), case.parts)
            assert seen == as_missing(case.missing), f"{who.name}: {case.kind}"
            assert seen["status"] == _refusal(who, endpoint), f"{who.name}: {case.kind}: {seen}"
    for who in everybody(world):
        if who.home and who.may(endpoint):
            _require_allowed(world, endpoint, who)


class _Remembered:
    """What one caller is answered about what never was. Asked once for each path."""

    def __init__(self, endpoint: Endpoint, ask: Ask, api: Api) -> None:
        self._endpoint, self._ask, self._api = endpoint, ask, api
        self._known: dict[frozenset[tuple[str, str]], dict[str, Any]] = {}

    def __call__(self, parts: Mapping[str, str]) -> dict[str, Any]:
        key = frozenset(parts.items())
        if key not in self._known:
            self._known[key] = _masked(self._ask.send(self._endpoint, self._api, **parts), parts)
        return self._known[key]


def _refusal(who: Who, endpoint: Endpoint) -> int:
    if who.may(endpoint):
        # A login by the instance's id: what is missing is refused as a bad token is.
        return 401 if endpoint.of_instance and endpoint.needs is None else 404
    return 403 if who.role else 401


def _require_allowed(world: World, endpoint: Endpoint, who: Who) -> None:
    """A fresh subject for each, as the call may end it."""
    api = world.somebody(who.role) if endpoint.name in OF_THE_CALLER and who.role else who.api
    # What is one's own is made by oneself.
    place = replace(world.home, owner=api) if endpoint.needs is Right.SELF else world.home
    answer = examples()[endpoint.name](place).send(endpoint, api)
    assert answer.status in endpoint.answers, f"{who.name}: {answer.text}"


def _cases(world: World, endpoint: Endpoint, ask: Ask) -> Iterator[Case]:
    own, gone = ask.parts, {name: _never_was(value) for name, value in ask.parts.items()}
    yield Case("own", own, gone)
    if not own:
        return
    names = list(own)
    if _owned(endpoint):
        yield Case("another account's", examples()[endpoint.name](world.abroad).parts, gone)
    for place in (world.abroad, world.next_door) if _owned(endpoint) else ():
        foreign = examples()[endpoint.name](place).parts
        for at, name in enumerate(names[1:], 1):
            if foreign[name] != own[name]:
                kept = {known: own[known] for known in names[:at]}
                yield Case(f"{name} of {place.account}", {**foreign, **kept}, {**gone, **kept})
    for at, name in enumerate(names):
        kept = {known: own[known] for known in names[:at]}
        for malformed in MALFORMED:
            yield Case(f"{name} {malformed[:9]!r}", {**own, name: malformed}, {**gone, **kept})
    for deleted in _deleted(world, endpoint):
        *above, last = deleted
        kept = {name: deleted[name] for name in above}
        yield Case(f"deleted {last}", {**own, **deleted}, {**gone, **kept})


def _owned(endpoint: Endpoint) -> bool:
    """Whether what it is about belongs to an account."""
    return endpoint.needs not in (None, Right.OPERATE)


def _deleted(world: World, endpoint: Endpoint) -> Iterator[Mapping[str, str]]:
    """Of every thing in the path that the API can delete: one that it has deleted."""
    for other in ENDPOINTS:
        if (endpoint.name, other.name) in OUTLIVES:
            continue
        if other.method == "DELETE" and other.path.endswith("}") and f"{endpoint.path}/".startswith(f"{other.path}/"):
            yield world.once(other.name, lambda: _delete(world, other))  # noqa: B023  called at once


def _delete(world: World, endpoint: Endpoint) -> Mapping[str, str]:
    ask = examples()[endpoint.name](world.home)
    answer = ask.send(endpoint, world.people[Role.OWNER])
    assert answer.status in endpoint.answers, answer.text
    if answer.status == 202:
        _finish(world, ask.parts["instance"], answer.json()["id"])
    return ask.parts


def _finish(world: World, instance: str, task: str) -> None:
    """Carries a task out to its end. An instance's own goes with it."""
    tasks, clock = Tasks(world.stack), world.stack.clock
    assert isinstance(clock, FrozenClock)
    for _ in range(100):
        tasks.carry_out(instance, task, WORKERS)
        clock.advance(1)
        found = world.people[Role.OWNER].get(f"/instances/{instance}/tasks/{task}")
        if found.status == 404 or found.json()["state"] == "succeeded":
            return
    pytest.fail("the task came to no end")


def _never_was(value: str) -> str:
    """Of the same shape."""
    if len(value) >= 26 and value[-26:].isupper():
        return value[:-26] + new_id()
    if value.startswith("sha256:"):
        return "sha256:" + "e" * 64
    return fresh("never")


def _masked(reply: Reply, parts: Mapping[str, str]) -> dict[str, Any]:
    """Status, headers and body, without what the caller said itself and without the request's id."""
    if "json" not in reply.headers.get("Content-Type", "").replace("jsonl", ""):
        return {"status": reply.status, "text": reply.text}
    text = json.dumps(reply.json(), ensure_ascii=False).replace("\\u0000", "\0")
    for name, value in parts.items():
        text = re.sub(rf"(?<!\w){re.escape(value[:512])}(?!\w)", f"<{name}>", text)
    text = text.replace(reply.headers["X-Request-Id"], "<id>")
    headers = {name: value for name, value in reply.headers.items() if name not in ("X-Request-Id", "Content-Length")}
    return {"status": reply.status, "headers": headers, "text": text}


def test_the_page_of_roles_and_this_test_ask_the_same_table() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.needs not in (None, Right.OPERATE):
            assert may(endpoint) == [role for role in Role if endpoint.needs in RIGHTS[role]]


def test_every_kind_of_case_is_there(world: World) -> None:
    (endpoint,) = [one for one in ENDPOINTS if one.name == "show_repository"]
    kinds = [case.kind for case in _cases(world, endpoint, examples()[endpoint.name](world.home))]
    assert {"own", "another account's", "repository of default", "repository of others"} <= set(kinds)
    assert sum(kind.startswith(("instance '", "namespace '", "repository '")) for kind in kinds) == 3 * len(MALFORMED)
