"""The management API from the embedded service: what is decided before any endpoint is known."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import app as service
import gateway
from chalicelib.access.service import Access
from chalicelib.host.bridge import ApiBridge
from chalicelib.ports.stack import Stack
from tests.management import PASSWORD, Api
from tests.stacks import FrozenClock, embedded_stack, make_instance


class Wire:
    """The gateway with the API, and a client at an address."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.app = gateway.build(stack, ApiBridge(stack, service.app, service.app.routes))

    def ask(self, method: str, path: str, *, peer: str = "127.0.0.1", port: int = 80, **more: Any) -> httpx.Response:
        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(peer, 50000))
            base_url = f"http://registry.example.com:{port}"
            async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
                return await client.request(method, path, **more)

        return asyncio.run(exchange())

    def by_hand(self, raw_path: bytes, query: bytes = b"", headers: Any = (), method: str = "GET") -> tuple[int, Any]:
        """Status and problem of a request whose bytes an HTTP client would not send."""
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": "/api/v1/x", "raw_path": raw_path, "query_string": query,
            "headers": list(headers), "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 5), "scheme": "http",
        }  # fmt: skip

        async def exchange() -> None:
            await self.app(scope, receive, send)

        asyncio.run(exchange())
        return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with embedded_stack(tmp_path, FrozenClock(), internal_port=5999) as stack:
        Api.signed_in(stack)
        yield Wire(stack)


def sign_in(wire: Wire, **more: Any) -> httpx.Response:
    return wire.ask("POST", "/api/v1/session", json={"username": "owner", "password": PASSWORD}, **more)


def test_people_sign_in_and_out_at_the_service_itself(wire: Wire) -> None:
    """G5."""
    answer = sign_in(wire)
    assert answer.status_code == 201
    login = {"Authorization": f"Bearer {answer.json()['token']}"}
    ended = wire.ask("DELETE", "/api/v1/session", headers=login)
    assert (ended.status_code, ended.content, "content-length" in ended.headers) == (204, b"", False)
    assert wire.ask("DELETE", "/api/v1/session", headers=login).status_code == 401


def test_what_is_nowhere_is_a_problem_that_names_its_request(wire: Wire) -> None:
    answer = wire.ask("GET", "/api/v1/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "NOT_FOUND"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PATCH", "TRACE"])
def test_a_method_the_path_does_not_know_is_told_which_it_knows(wire: Wire, method: str) -> None:
    answer = wire.ask(method, "/api/v1/session")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, POST"


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        (b"/api/v1/%zz", b"", "path"),
        (b"/api/v1/%", b"", "path"),
        (b"/api/v1/%ff", b"", "path"),
        (b"/api/v1/\xff", b"", "path"),
        (b"/api/v1/" + b"a" * 9000, b"", "path"),
        (b"/api/v1/session", b"a=%f", "query"),
        (b"/api/v1/session", b"a=%ff", "query"),
        (b"/api/v1/session", b"a=1&" * 5000, "query"),
    ],
)
def test_a_malformed_target_is_refused(wire: Wire, path: bytes, query: bytes, field: str) -> None:
    status, found = wire.by_hand(path, query, method="DELETE")
    assert (status, [one["field"] for one in found["errors"]]) == (400, [field])


def test_a_body_over_the_limit_is_refused_before_it_is_read(wire: Wire) -> None:
    """Nothing of it ever comes: an answer that waited for it would be a disconnect."""
    headers = [(b"content-length", b"1048577"), (b"expect", b"100-continue")]
    status, found = wire.by_hand(b"/api/v1/session", headers=headers, method="POST")
    assert (status, found["code"]) == (413, "TOO_LARGE")


def test_a_request_that_is_cut_short_is_not_carried_out(wire: Wire) -> None:
    status, found = wire.by_hand(b"/api/v1/session", headers=[(b"content-length", b"10")], method="POST")
    assert (status, found["code"]) == (408, "REQUEST_CUT_SHORT")


def test_the_request_id_is_ours_whatever_the_client_sends(wire: Wire) -> None:
    wanted = "01J00000000000000000000000"
    assert wire.ask("GET", "/api/v1/nowhere", headers={"x-request-id": wanted}).headers["x-request-id"] != wanted


def test_without_the_api_the_gateway_has_nothing_there(wire: Wire) -> None:
    """On AWS API Gateway serves it."""
    wire.app = gateway.build(wire.stack)
    assert wire.ask("GET", "/api/v1/session").status_code == 404


# Who is let in: an enterprise instance starts with 127.0.0.1 on its allowlist.


@pytest.fixture
def guarded(wire: Wire) -> str:
    """The path of an instance whose allowlist holds 127.0.0.1 alone."""
    instance = make_instance(wire.stack, "guarded")
    Access(wire.stack).add(instance, "127.0.0.1")
    return f"/api/v1/instances/{instance.id}/namespaces"


def look(wire: Wire, path: str, **more: Any) -> int:
    headers = {"Authorization": f"Bearer {Api.signed_in(wire.stack).token}", **more.pop("headers", {})}
    return wire.ask("GET", path, headers=headers, **more).status_code


SPOOFED = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"}


def test_the_sockets_other_end_decides_and_no_header_does(wire: Wire, guarded: str) -> None:
    """G2."""
    assert look(wire, guarded) == 200
    assert look(wire, guarded, peer="192.0.2.9") == 403
    assert look(wire, guarded, peer="192.0.2.9", headers=SPOOFED) == 403
    assert look(wire, guarded, peer="::ffff:127.0.0.1") == 200


def test_the_internal_listener_is_not_restricted(wire: Wire, guarded: str) -> None:
    """G2: by the port that the request came in on, which no client can write."""
    assert look(wire, guarded, peer="192.0.2.9", port=5999) == 200
    assert look(wire, guarded, peer="192.0.2.9", headers={"Host": "registry.example.com:5999"}) == 403


def test_behind_a_trusted_proxy_its_word_for_the_client_counts(tmp_path: Path) -> None:
    with embedded_stack(tmp_path, FrozenClock(), trusted_proxies="10.0.0.0/8") as stack:
        Api.signed_in(stack)
        wire = Wire(stack)
        instance = make_instance(stack, "guarded")
        Access(stack).add(instance, "127.0.0.1")
        path = f"/api/v1/instances/{instance.id}/namespaces"
        assert look(wire, path, peer="10.0.0.1", headers={"X-Forwarded-For": "192.0.2.9, 127.0.0.1"}) == 200
        assert look(wire, path, peer="10.0.0.1", headers={"X-Forwarded-For": "127.0.0.1, 192.0.2.9"}) == 403
        assert look(wire, path, peer="10.0.0.1") == 403
        assert look(wire, path, peer="192.0.2.9", headers=SPOOFED) == 403
