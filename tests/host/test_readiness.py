"""What a load balancer is told by /readyz."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from chalicelib.edge.asgi import Application, Receive, Scope, Send
from chalicelib.host.readiness import Draining, ReadyOnce


class Stores:
    """An application that is ready while its stores answer. asked: how often it was asked."""

    def __init__(self, *, answering: bool) -> None:
        self.answering = answering
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        status = 200 if self.answering or scope["path"] != "/readyz" else 503
        await send({"type": "http.response.start", "status": status, "headers": ((b"content-length", b"5"),)})
        await send({"type": "http.response.body", "body": b"theirs"[:5]})


def asked(app: Application, path: str = "/readyz") -> int:
    async def ask() -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return (await client.get(path)).status_code

    return asyncio.run(ask())


def test_a_process_that_never_reached_its_stores_is_not_ready() -> None:
    stores = Stores(answering=False)
    app = ReadyOnce(stores)
    assert [asked(app), asked(app)] == [503, 503]
    stores.answering = True
    assert asked(app) == 200


def test_a_process_that_was_ready_stays_so_when_the_stores_fail_for_everybody() -> None:
    """Or else a table that throttles would have every process replaced at once."""
    stores = Stores(answering=True)
    app = ReadyOnce(stores)
    assert asked(app) == 200
    stores.answering = False
    assert asked(app) == 200
    assert stores.asked == 1  # nor do health checks cost reads, once it is so


@pytest.mark.parametrize("once", [False, True])
def test_a_process_about_to_end_is_not_ready_and_answers_all_else(once: bool) -> None:
    stores = Stores(answering=True)
    app = Draining(ReadyOnce(stores) if once else stores)
    assert asked(app) == 200
    app.begin()
    assert asked(app) == 503
    assert asked(app, "/v2/") == 200
