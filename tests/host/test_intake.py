"""The contract with uvicorn that `host/intake.py` relies on, over real sockets. A breaking upgrade fails here. (R4)"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvicorn
import uvloop

from chalicelib.edge.asgi import Body, ClientGone, Visit
from chalicelib.host.sendfile import SendfileProtocol

SIZE = 5 * 1024 * 1024 + 17
BODY = os.urandom(SIZE)


class Service:
    """A server in a thread that answers each body with its digest; `cut` holds what came of those cut off."""

    def __init__(self) -> None:
        self.cut: list[bytes] = []
        self.was_cut = threading.Event()
        self._pool = ThreadPoolExecutor(4)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        config = uvicorn.Config(
            self.app, http=SendfileProtocol, interface="asgi3", ws="none", lifespan="off", log_level="critical"
        )
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, args=(listener,))
        self._thread.start()

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self.server.serve(sockets=[listener]))

    def close(self) -> None:
        self.server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive(), "a connection was left open that nobody will ever close"
        self._pool.shutdown()

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        body = Body.of(Visit(scope), receive)
        came = bytearray()
        if body.intake is None:
            came += await body.read(SIZE, "body")
        else:
            try:
                await body.pour(came.extend, self._in_thread)
            except ClientGone:
                self.cut.append(bytes(came))
                self.was_cut.set()
                return
        answer = hashlib.sha256(came).hexdigest().encode()
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _in_thread(self, function: Any, *arguments: Any) -> Any:
        return asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.close()


def head(size: int = SIZE, more: str = "") -> bytes:
    return f"PUT / HTTP/1.1\r\nhost: test\r\ncontent-length: {size}\r\n{more}\r\n".encode()


def answer_of(client: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < 64:
        piece = client.recv(65536)
        assert piece, received
        received += piece
    return received.partition(b"\r\n\r\n")[2]


def digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def test_a_body_arrives_byte_for_byte_and_the_connection_goes_on(service: Service) -> None:
    with service.connect() as client:
        for body in (BODY, b"small", BODY[: 200 * 1024], BODY[:70_000], BODY):
            client.sendall(head(len(body)) + body)
            assert answer_of(client) == digest(body)


def test_a_slow_sender_holds_up_nobody_and_loses_nothing(service: Service) -> None:
    slow = [service.connect() for _ in range(12)]
    try:
        for client in slow:
            client.sendall(head(300_000) + BODY[:1000])
        time.sleep(0.05)
        with service.connect() as quick:
            quick.sendall(head() + BODY)
            assert answer_of(quick) == digest(BODY)
        for client in slow:
            client.sendall(BODY[1000:150_000])
        for client in slow:
            client.sendall(BODY[150_000:300_000])
            assert answer_of(client) == digest(BODY[:300_000])
    finally:
        for client in slow:
            client.close()


@pytest.mark.parametrize("cut_at", [0, 1, 65_535, 300_000, 4_000_001])
def test_what_came_before_the_client_went_away_is_handed_over(service: Service, cut_at: int) -> None:
    with service.connect() as client:
        client.sendall(head() + BODY[:cut_at])
        client.shutdown(socket.SHUT_WR)
        assert service.was_cut.wait(10)
    assert service.cut == [BODY[:cut_at]]


def test_a_client_that_asks_first_is_told_to_go_on(service: Service) -> None:
    with service.connect() as client:
        client.sendall(head(more="expect: 100-continue\r\n"))
        assert client.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(BODY)
        assert answer_of(client) == digest(BODY)


def test_the_next_request_may_follow_at_the_heels_of_a_body(service: Service) -> None:
    with service.connect() as client:
        for body in (BODY, BODY[:70_000]):
            client.sendall(head(len(body)) + body + head(5) + b"small")
            received = b""
            while received.count(b"HTTP/1.1 200") < 2 or not received.endswith(digest(b"small")):
                received += client.recv(65536)
            assert digest(body) in received
