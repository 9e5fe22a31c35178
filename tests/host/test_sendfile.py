"""The contract with uvicorn that `host/sendfile.py` relies on, over real sockets. A breaking upgrade fails here."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.protocols.http.flow_control import FlowControl

from chalicelib.host.sendfile import COPY_BELOW_BYTES, EXTENSION, SendfileCycle, SendfileProtocol

SIZE = 9 * 1024 * 1024 + 17


class Service:
    """A server in a thread with an application that sends ranges of one file: `GET /<start>-<end>`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.content = path.read_bytes()
        self.extensions: list[Any] = []
        self.ended = threading.Event()
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
        self.server.should_exit = self.server.force_exit = True
        self._thread.join(10)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.extensions.append(scope.get("extensions"))
        start, end = (int(number) for number in scope["path"][1:].split("-"))
        headers = [(b"content-length", b"%d" % (end - start))]
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": EXTENSION, "descriptor": descriptor, "offset": start, "count": end - start})
        finally:
            os.close(descriptor)
            self.ended.set()

    def connect(self, receive_buffer: int = 0) -> socket.socket:
        client = socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(20)
        client.connect(("127.0.0.1", self.port))
        return client


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    path = tmp_path / "blob"
    path.write_bytes(os.urandom(SIZE))
    running = Service(path)
    yield running
    running.close()


def request(start: int, end: int, method: str = "GET") -> bytes:
    return f"{method} /{start}-{end} HTTP/1.1\r\nhost: test\r\n\r\n".encode()


def read_response(client: socket.socket, held: bytearray) -> bytes:
    """The next response's body; what is read beyond it stays in `held`."""
    while b"\r\n\r\n" not in held:
        held += _some(client)
    head, _, rest = bytes(held).partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    held[:] = rest
    while len(held) < length:
        held += _some(client)
    body = bytes(held[:length])
    del held[:length]
    return body


def expect(body: bytes, content: bytes) -> None:
    """Compares digests, because pytest would spend minutes on the difference of two long byte strings."""
    assert (len(body), sha256(body).hexdigest()) == (len(content), sha256(content).hexdigest())


def _some(client: socket.socket) -> bytes:
    data = client.recv(1 << 20)
    if not data:
        raise ConnectionError("closed by the server")
    return data


def test_whole_files_and_ranges_arrive_byte_for_byte_on_one_connection(service: Service) -> None:
    """R1, R4."""
    edge = COPY_BELOW_BYTES
    ranges = [(0, SIZE), (1, edge), (5, 5 + edge), (0, 1), (7, 7), (SIZE - 3, SIZE), (4096, SIZE - 4096)]
    held = bytearray()
    with service.connect() as client:
        for start, end in ranges:
            client.sendall(request(start, end))
            expect(read_response(client, held), service.content[start:end])
    assert EXTENSION in service.extensions[0]


def test_hundreds_of_requests_keep_one_connection_alive(service: Service) -> None:
    held = bytearray()
    with service.connect() as client:
        for number in range(300):
            client.sendall(request(number, number + 2 * COPY_BELOW_BYTES))
            expect(read_response(client, held), service.content[number : number + 2 * COPY_BELOW_BYTES])


def test_pipelined_requests_are_answered_in_order(service: Service) -> None:
    ranges = [(0, 300_000), (300_000, 300_001), (5, 3_000_000), (0, 10), (SIZE - 200_000, SIZE)]
    held = bytearray()
    with service.connect() as client:
        client.sendall(b"".join(request(start, end) for start, end in ranges))
        for start, end in ranges:
            expect(read_response(client, held), service.content[start:end])


class FullTransport:
    """A transport that holds 100 bytes until it is told that they left."""

    def __init__(self, out: socket.socket) -> None:
        self._out = out
        self.flow = FlowControl(self)  # type: ignore[arg-type]
        self.held_bytes = 100

    def get_write_buffer_size(self) -> int:
        return self.held_bytes

    def set_write_buffer_limits(self, high: int | None = None) -> None:
        if high == 0 and self.held_bytes:
            self.flow.pause_writing()

    def empty(self) -> None:
        self.held_bytes = 0
        self.flow.resume_writing()

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> Any:
        return self._out

    def write(self, data: bytes) -> None:
        self._out.sendall(data)


def test_file_waits_for_what_the_transport_still_holds(tmp_path: Path) -> None:
    """Such as the end of an earlier response that did not fit into the socket. On a real one this takes luck to see."""
    count = COPY_BELOW_BYTES + 1
    (tmp_path / "blob").write_bytes(bytes(count))

    async def scenario(out: socket.socket, client: socket.socket, descriptor: int) -> int:
        transport = FullTransport(out)
        arguments: dict[str, Any] = {
            "scope": {"method": "GET"},
            "transport": transport,
            "flow": transport.flow,
            "logger": None,
            "access_logger": None,
            "access_log": False,
            "default_headers": [],
            "message_event": asyncio.Event(),
            "expect_100_continue": False,
            "keep_alive": True,
            "on_response": lambda: None,
        }
        cycle = SendfileCycle(**arguments)
        cycle.response_started, cycle.chunked_encoding, cycle.expected_content_length = True, False, count
        message = {"type": EXTENSION, "descriptor": descriptor, "offset": 0, "count": count}
        sending = asyncio.create_task(cycle.send(message))
        for _ in range(5):
            await asyncio.sleep(0)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        transport.empty()
        await sending
        return len(client.recv(1 << 20))

    out, client = socket.socketpair()
    client.setblocking(False)
    descriptor = os.open(tmp_path / "blob", os.O_RDONLY)
    with out, client:
        assert asyncio.run(scenario(out, client, descriptor)) == count
    os.close(descriptor)


def test_reader_of_little_appetite_gets_every_byte(service: Service) -> None:
    """R4. The server has to wait for the socket many times."""
    received = bytearray()
    with service.connect(receive_buffer=4096) as client:
        client.sendall(request(0, SIZE))
        while b"\r\n\r\n" not in received:
            received += client.recv(100)
        del received[: received.index(b"\r\n\r\n") + 4]
        while len(received) < SIZE:
            received += client.recv(16 * 1024)
    expect(bytes(received), service.content)


def test_other_clients_are_served_while_one_takes_nothing(service: Service) -> None:
    with service.connect(receive_buffer=4096) as stalled, service.connect() as client:
        stalled.sendall(request(0, SIZE))
        held = bytearray()
        client.sendall(request(0, SIZE))
        assert read_response(client, held) == service.content


def test_client_that_leaves_in_the_middle_ends_its_request_and_no_other(service: Service) -> None:
    with service.connect(receive_buffer=4096) as client:
        client.sendall(request(0, SIZE))
        assert client.recv(1000)
    assert service.ended.wait(10)
    with service.connect() as client:
        client.sendall(request(0, 100))
        expect(read_response(client, bytearray()), service.content[:100])


def test_head_sends_the_length_and_no_bytes(service: Service) -> None:
    held = bytearray()
    with service.connect() as client:
        client.sendall(request(0, SIZE, "HEAD") + request(0, 4))
        while held.count(b"\r\n\r\n") < 2 or not held.endswith(service.content[:4]):
            held += _some(client)
    assert bytes(held).lower().startswith(b"http/1.1 200 ok\r\n")
    assert f"content-length: {SIZE}\r\n".encode() in bytes(held)
    assert len(held) < 1000


def test_file_shorter_than_announced_closes_the_connection(service: Service) -> None:
    with service.connect() as client:
        client.sendall(request(0, SIZE + 1))
        with pytest.raises(ConnectionError):
            read_response(client, bytearray())


def test_http_1_0_client_sees_the_connection_close_after_the_file(service: Service) -> None:
    received = bytearray()
    with service.connect() as client:
        client.sendall(f"GET /0-{SIZE} HTTP/1.0\r\n\r\n".encode())
        while data := client.recv(1 << 20):
            received += data
    expect(bytes(received[-SIZE:]), service.content)


def test_uvicorn_is_pinned_to_the_version_this_file_was_written_for() -> None:
    lock = (Path(__file__).parents[2] / "requirements-gateway.txt").read_text()
    assert f"uvicorn=={uvicorn.__version__} " in lock


@pytest.mark.parametrize("endless", [b"GET /0-1?" + b"x" * 100_000, b"GET /0-1 HTTP/1.1\r\n" + b"a: b\r\n" * 20_000])
def test_head_without_end_is_refused(service: Service, endless: bytes) -> None:
    with service.connect() as client:
        client.sendall(endless)
        assert client.recv(1024).startswith(b"HTTP/1.1 400 ")
        assert client.recv(1024) == b""
