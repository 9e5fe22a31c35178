"""The gateway behind its real server: what clients see on their sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
import uvloop

import gateway
from chalicelib.host.sendfile import SendfileProtocol
from chalicelib.ports.stack import Stack

from .wire import LOGIN, Wire, sha256

BLOB = os.urandom(1024 * 1024)


class Served:
    """The gateway of a stack on a port of its own, in a thread of this process."""

    def __init__(self, stack: Stack, port: int = 0) -> None:
        self.socket = socket.create_server(("127.0.0.1", port))
        self.address: tuple[str, int] = self.socket.getsockname()
        config = uvicorn.Config(
            gateway.build(stack), http=SendfileProtocol, ws="none", access_log=False, log_level="error", lifespan="off"
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self.server.serve(sockets=[self.socket]))

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)

    def connect(self, head: str) -> socket.socket:
        connection = socket.create_connection(self.address, timeout=10)
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n")
        return connection


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("served")
    wire = Wire(folder)
    wire.push_blob("open/app", BLOB)
    server = Served(wire.stack)
    yield server
    server.stop()
    wire.close()


@pytest.mark.parametrize("asked", ["", "bytes=100-99999", "bytes=-70000", "bytes=5-9"])
def test_blob_arrives_byte_for_byte_in_whole_and_in_part(served: Served, asked: str) -> None:
    """R4"""
    with httpx.Client(base_url=f"http://127.0.0.1:{served.address[1]}") as client:
        for _ in range(2):
            answer = client.get(f"/v2/open/app/blobs/{sha256(BLOB)}", headers={"Range": asked} if asked else {})
            first, _, last = asked.removeprefix("bytes=").partition("-")
            expected = BLOB
            if asked:
                expected = BLOB[int(first) : int(last) + 1] if first else BLOB[-int(last) :]
            assert answer.content == expected


def test_sender_of_an_unwanted_body_sees_the_answer_and_no_reset(served: Served) -> None:
    head = "PATCH /v2/open/app/blobs/uploads/x HTTP/1.1\nHost: h\nContent-Length: 30000000\n"
    with served.connect(head) as connection:
        for _ in range(300):
            connection.sendall(b"x" * 100_000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_endless_body_has_its_answer_within_a_second_and_is_cut_off(served: Served) -> None:
    head = "PUT /v2/open/app/manifests/v1 HTTP/1.1\nHost: h\nContent-Type: x/y\nTransfer-Encoding: chunked\n"
    started_at = time.monotonic()
    with served.connect(head) as connection:
        connection.setblocking(False)
        answer, answered_after_s = b"", 0.0
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        rest = memoryview(piece)
        while time.monotonic() < started_at + 10:
            try:
                answer += connection.recv(65536)
                answered_after_s = answered_after_s or time.monotonic() - started_at
            except BlockingIOError:
                pass
            except ConnectionError:
                break
            try:
                rest = rest[connection.send(rest) :] or memoryview(piece)
            except BlockingIOError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("the body was taken for ten seconds")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert answered_after_s < 1


def test_client_that_asks_first_is_refused_before_it_sends(served: Served) -> None:
    head = "PUT /v2/open/app/manifests/v1 HTTP/1.1\nHost: h\nContent-Length: 9000000\nExpect: 100-continue\n"
    with served.connect(head) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 4")


def test_connection_stays_open_after_a_refusal_of_a_small_body(served: Served) -> None:
    head = "PATCH /v2/open/app/blobs/uploads/x HTTP/1.1\nHost: h\nContent-Length: 5\n"
    with served.connect(head) as connection:
        connection.sendall(b"12345")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_body_sent_along_with_a_read_ends_the_connection(served: Served) -> None:
    head = "GET /v2/ HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n"
    with served.connect(head) as connection:
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"connection: close" in answer.lower()
        assert connection.recv(65536) == b""


def test_upload_cut_off_at_any_point_goes_on_where_the_service_stands(served: Served) -> None:
    """R4"""
    data = os.urandom(4_000_000)
    with httpx.Client(base_url=f"http://127.0.0.1:{served.address[1]}", auth=LOGIN) as client:
        location = client.post("/v2/open/app/blobs/uploads/").headers["location"]
        offset = 0
        for cut in (2, 70_000, 1_100_000, 1_048_576):
            _send_part(served, location, client, data[offset:], cut)
            offset = _settled(client, location, offset + cut)
        answer = client.patch(location, headers={"Content-Range": f"{offset}-{len(data) - 1}"}, content=data[offset:])
        assert answer.status_code == 202, answer.text
        assert client.put(location, params={"digest": sha256(data)}).status_code == 201
        assert client.get(f"/v2/open/app/blobs/{sha256(data)}").content == data


def _send_part(served: Served, location: str, client: httpx.Client, rest: bytes, cut: int) -> None:
    request = client.build_request("PATCH", location)
    authorization = next(client.auth.auth_flow(request)).headers["authorization"] if client.auth else ""
    head = f"PATCH {location} HTTP/1.1\nHost: h\nAuthorization: {authorization}\nContent-Length: {len(rest)}\n"
    with served.connect(head) as connection:
        connection.sendall(rest[:cut])


def _settled(client: httpx.Client, location: str, sent: int) -> int:
    """What is held once the cut-off request has ended: all that was sent, since the kernel delivered it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        held = int(client.get(location).headers["range"].removeprefix("0-")) + 1
        if held == sent:
            return held
        time.sleep(0.02)
    pytest.fail(f"{held} bytes are held, {sent} were sent")
