"""The wrapper of every endpoint, on a small API of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from chalice.app import Chalice
from pydantic import BaseModel, ConfigDict, Field

from chalicelib.edge.answers import Accepted, Created
from chalicelib.edge.apicall import Call, Request, given, keeping
from chalicelib.edge.endpoint import Routes, as_response, as_result
from chalicelib.edge.replay import KeyUnderWay, Replay, Stored
from chalicelib.host.proxy_event import Paths, proxy_event
from chalicelib.kernel.errors import Conflict, Throttled, Unauthenticated
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import Right, Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown
from tests.stacks import FrozenClock, embedded_stack

routes = Routes("things")
made: list[str] = []


class NewThing(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(max_length=10)
    count: int = 1


class Thing(BaseModel):
    name: str
    number: int


@routes.post("/things", needs=Right.CHANGE_CONTENT, changes="thing.create")
def make_thing(call: Call, body: NewThing) -> Thing:
    """Make a thing."""
    if body.name == "taken":
        raise Conflict("that name is taken")
    if body.name == "unknown":
        raise OutcomeUnknown
    if body.name == "broken":
        raise RuntimeError("nobody foresaw this")
    made.append(body.name)
    return Thing(name=body.name, number=len(made))


@routes.post("/keys", needs=Right.CHANGE_CONTENT, changes="key.create", secret=True)
def make_key(call: Call) -> Thing:
    """Make a secret."""
    made.append("secret")
    return Thing(name="secret", number=len(made))


@routes.get("/busy", needs=Right.READ_CONTENT)
def busy(call: Call) -> Thing:
    """Never has time."""
    raise Throttled(30)


class OneGate:
    """Knows a few callers by name, and keeps what it is to record."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str]] = []

    def authenticate(self, stack: Stack, request: Request) -> Principal:
        name = request.headers.get("authorization", "")
        if not name:
            raise Unauthenticated
        return Principal("user", name, account_id="default", role=Role(name.rstrip("2")))

    def admit(self, call: Call) -> None:
        raise AssertionError("no endpoint here has an instance")

    def record(self, call: Call, refused: str) -> None:
        self.records.append((call.principal.name, refused))


GATE = OneGate()
APP = Chalice("things", configure_logs=False)
APP.register_middleware(keeping(lambda: pytest.fail("no stack was given"), GATE), "http")
APP.register_blueprint(routes.blueprint)
PATHS = Paths(APP.routes)


class Client:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def send(self, method: str, path: str, body: bytes = b"", query: str = "", **headers: str) -> dict[str, Any]:
        found = PATHS.find(path)
        assert found is not None
        event = proxy_event(
            method=method, route=found[0], path=path, parameters=found[1], query=query,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            body=body, address="127.0.0.1", internal=False, request_id=new_id(),
        )  # fmt: skip
        with given(self.stack):
            answer: dict[str, Any] = APP(event, None)
        return answer

    def make(self, body: bytes = b'{"name": "one"}', who: str = "owner", **headers: str) -> dict[str, Any]:
        return self.send("POST", "/api/v1/things", body, authorization=who, **headers)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def client(tmp_path: Path, clock: FrozenClock) -> Iterator[Client]:
    made.clear()
    GATE.records.clear()
    with embedded_stack(tmp_path, clock) as stack:
        yield Client(stack)


def test_a_change_is_carried_out_and_recorded(client: Client) -> None:
    answer = client.make()
    assert (answer["statusCode"], answer["body"]) == (201, '{"name":"one","number":1}')
    assert GATE.records == [("owner", "")]


def test_a_role_without_the_right_is_refused_before_anything_happens(client: Client) -> None:
    answer = client.make(who="reader")
    assert answer["statusCode"] == 403
    assert '"code": "DENIED"' in answer["body"]
    assert made == []
    assert GATE.records == [("reader", "DENIED")]


def test_nobody_is_told_to_sign_in(client: Client) -> None:
    answer = client.send("GET", "/api/v1/busy")
    assert answer["statusCode"] == 401
    assert answer["headers"]["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"name": 3, "count": "1", "more": 0}', {"name", "count", "more"}),
        (b'{"name": "one", "name": "two"}', {"body"}),
        (b"[]", {"body"}),
        (b'{"name": NaN}', {"body"}),
        (b"[" * 100_000, {"body"}),
        (b"\xff", {"body"}),
        (b'{"name": "\\ud800"}', {"body"}),
        (b"", {"name"}),
    ],
)
def test_a_bad_body_is_refused_with_every_bad_field_named(client: Client, body: bytes, fields: set[str]) -> None:
    answer = client.make(body)
    assert answer["statusCode"] == 400, answer["body"]
    assert {field for field in fields if f'"field": "{field}"' in answer["body"]} == fields
    assert made == []


def test_more_mistakes_than_anybody_reads_are_not_named_one_by_one(client: Client) -> None:
    """An answer is not many times as long as the request, nor does it take seconds."""
    many = ", ".join(f'"f{number}": 0' for number in range(1001))
    answer = client.make(f'{{"name": "one", {many}}}'.encode())
    assert (answer["statusCode"], answer["body"].count('"field":')) == (400, 1)
    assert '"field": "body"' in answer["body"]
    as_many_as_are_named = ", ".join(f'"f{number}": 0' for number in range(1000))
    named = client.make(f'{{"name": "one", {as_many_as_are_named}}}'.encode())
    assert named["body"].count('"field":') == 1000


def test_the_sentence_people_see_first_names_fields_too(client: Client) -> None:
    answer = client.make(b'{"name": 3, "more": 0}')
    assert '"detail": "name: Input should be a valid string; more: there is no such field"' in answer["body"]


def test_a_query_nobody_knows_and_one_given_twice_are_refused(client: Client) -> None:
    answer = client.send("GET", "/api/v1/busy", query="colour=red&colour=blue", authorization="owner")
    assert answer["statusCode"] == 400
    assert answer["body"].count('"field": "colour"') == 2


def test_a_throttled_answer_says_when_to_come_again(client: Client) -> None:
    answer = client.send("GET", "/api/v1/busy", authorization="owner")
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (429, "30")


def test_what_nobody_foresaw_is_a_problem_with_the_request_id_and_nothing_else(client: Client) -> None:
    answer = client.make(b'{"name": "broken"}')
    assert answer["statusCode"] == 500
    assert answer["headers"]["X-Request-Id"] in answer["body"]
    assert "foresaw" not in answer["body"]
    assert GATE.records == [("owner", "INTERNAL")]


def test_the_same_key_again_answers_again_without_doing_it_again(client: Client) -> None:
    first = client.make(idempotency_key="a")
    again = client.make(idempotency_key="a")
    assert again["body"] == first["body"]
    assert again["headers"]["Idempotent-Replayed"] == "true"
    assert made == ["one"]


def test_keys_of_two_callers_never_meet(client: Client) -> None:
    client.make(idempotency_key="a")
    assert client.make(who="owner2", idempotency_key="a")["statusCode"] == 201
    assert made == ["one", "one"]


def test_a_key_used_for_another_request_is_refused(client: Client) -> None:
    client.make(idempotency_key="a")
    assert client.make(b'{"name": "two"}', idempotency_key="a")["statusCode"] == 409
    assert made == ["one"]


def test_a_key_is_forgotten_after_a_day(client: Client, clock: FrozenClock) -> None:
    client.make(idempotency_key="a")
    clock.advance(24 * 3600 + 1)
    assert client.make(b'{"name": "two"}', idempotency_key="a")["statusCode"] == 201
    assert made == ["one", "two"]


def test_a_call_that_was_refused_gives_its_key_free(client: Client) -> None:
    assert client.make(b'{"name": "taken"}', idempotency_key="a")["statusCode"] == 409
    assert client.make(idempotency_key="a")["statusCode"] == 201


@pytest.mark.parametrize("name", ["broken", "unknown"])
def test_a_call_that_may_have_been_carried_out_is_not_carried_out_again(client: Client, name: str) -> None:
    body = b'{"name": "%s"}' % name.encode()
    assert client.make(body, idempotency_key="a")["statusCode"] in (500, 503)
    again = client.make(body, idempotency_key="a")
    assert again["statusCode"] == 409
    assert "look, then send it with a new key" in again["body"]


def test_an_answer_that_bears_a_secret_is_not_kept(client: Client) -> None:
    """API: a replay of such a request gets 409."""
    first = client.send("POST", "/api/v1/keys", authorization="owner", idempotency_key="a")
    again = client.send("POST", "/api/v1/keys", authorization="owner", idempotency_key="a")
    assert (first["statusCode"], again["statusCode"]) == (201, 409)
    assert made == ["secret"]


@pytest.mark.parametrize("key", ["", "a" * 256, "ä", " ", "a ", "a\tb"])
def test_a_malformed_key_is_refused(client: Client, key: str) -> None:
    answer = client.make(idempotency_key=key)
    assert answer["statusCode"] == 400
    assert '"field": "Idempotency-Key"' in answer["body"]


other_routes = Routes("others")


@other_routes.post("/others", needs=Right.CHANGE_CONTENT)
def make_other(call: Call) -> Created[Thing] | Accepted[Thing] | None:
    """Make one, now or later, or none."""


@pytest.mark.parametrize(
    "result", [Created(Thing(name="a", number=1), "/o/a"), Accepted(Thing(name="ä", number=2), "/t/1"), None]
)
def test_what_a_key_keeps_is_read_back_as_what_was_answered(result: object) -> None:
    (endpoint,) = other_routes.endpoints
    assert as_result(endpoint, as_response(endpoint, result, new_id())) == result


def test_who_has_patience_gets_the_answer_of_the_call_that_is_under_way(client: Client) -> None:
    """C1: of a form pressed twice, the browser shows the second answer alone"""
    first, second = (Replay(client.stack, keys.replay("owner", "a"), "same", secret=False) for _ in range(2))
    assert first.begin() is None
    with pytest.raises(KeyUnderWay):
        second.begin()
    ending = Timer(0.1, first.keep, (201, {"Location": "/a"}, "{}"))
    ending.start()
    assert second.begin(patience_s=10) == Stored(201, {"Location": "/a"}, "{}")
    ending.join()
