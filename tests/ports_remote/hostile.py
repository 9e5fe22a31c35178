"""A server on loopback that answers with whatever bytes a test likes, HTTP or not, and keeps what it heard.

with hostile(lambda asked: [b"HTTP/1.1 200 OK\r\n…"]) as server:
    server.registry().pull("owner/app", "v1")
    server.heard[0].headers["authorization"]
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

import httpx

from chalicelib.ports.outbound import Outbound, Streamed
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.remote_login import Login
from chalicelib.ports.remote_reference import RemoteReference

NAME = "owner/app"
LOGIN = Login("ada", "secret-of-ada")
MANIFEST = b'{"schemaVersion":2}'


HASTE_S = 0.1


class Hasty(Outbound):
    """Has a moment for what others have minutes for."""

    @contextmanager
    def request(
        self,
        method: str,
        url: str | httpx.URL,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None = None,
        longest_s: float | None = None,
    ) -> Iterator[Streamed]:
        with super().request(method, url, headers, body, HASTE_S) as answer:
            yield answer


@dataclass(frozen=True)
class Heard:
    """One request: its head, and its body unless that is large."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


Answering = Callable[[Heard], Iterable[bytes]]


@dataclass
class Hostile:
    """sent: bytes that went out, of all answers."""

    answer: Answering
    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    sent: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def registry(self, calls: Outbound | None = None, home: Outbound | None = None) -> RemoteRegistry:
        """As a user wrote it down, with a login. Private addresses may be called, unless `calls` says otherwise."""
        reference = RemoteReference.parse(f"127.0.0.1:{self.port}/{NAME}")
        allowed = calls or Outbound(allow_private=True)
        return RemoteRegistry(reference, allowed, home=home, login=LOGIN, pause=lambda _: None)

    def secrets_heard(self) -> list[str]:
        """What any request brought of credentials."""
        found = [one.headers.get("authorization", "") for one in self.heard]
        return [text for text in found if text]

    def _serve(self, caller: socket.socket) -> None:
        with caller, suppress(OSError):
            reading = caller.makefile("rb")
            while head := self._head(reading):
                self.heard.append(head)
                for piece in self.answer(head):
                    caller.sendall(piece)
                    self.sent += len(piece)

    def _head(self, reading: BinaryIO) -> Heard | None:
        lines = list(itertools.takewhile(lambda line: line.strip(), iter(reading.readline, b"")))
        if not lines or not lines[0].strip().endswith(b"HTTP/1.1"):
            return None
        method, path, _ = lines[0].decode().split(" ", 2)
        headers = dict(line.decode().strip().split(": ", 1) for line in lines[1:])
        named = {name.lower(): value for name, value in headers.items()}
        size = int(named.get("content-length", "0"))
        body = reading.read(size) if 0 < size < 1_000_000 else b""
        return Heard(method, path, named, body)


@contextmanager
def hostile(answer: Answering) -> Iterator[Hostile]:
    server = Hostile(answer)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        server.port = bound.getsockname()[1]
        callers: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = bound.accept()
                    server.connections += 1
                    callers.append(caller)
                    threading.Thread(target=server._serve, args=(caller,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            with suppress(OSError):
                bound.shutdown(socket.SHUT_RDWR)
            for caller in callers:
                with suppress(OSError):
                    caller.shutdown(socket.SHUT_RDWR)
            thread.join(2)


def said(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", size: int | None = None) -> bytes:
    """An answer whole. size: another one than the body's, -1 for none."""
    named = {"Content-Length": str(len(body) if size is None else size)} if size != -1 else {}
    named |= headers or {}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + body


def challenge(realm: str) -> bytes:
    return said(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="hostile"'}, b"{}")


def error(status: int, message: str, headers: Mapping[str, str] | None = None, **detail: object) -> bytes:
    body = json.dumps({"errors": [{"code": "DENIED", "message": message, "detail": detail}]}).encode()
    return said(status, headers, body)


def endless(head: bytes, piece: bytes = b"x" * 65536) -> Iterator[bytes]:
    yield head
    while True:
        yield piece


def dripping(head: bytes, ended: threading.Event, piece: bytes = b"x") -> Iterator[bytes]:
    yield head
    while not ended.wait(0.05):
        yield piece
