"""A registry on loopback that a cache pulls through, and that answers as a test likes.

with upstream() as there:
    image = there.add_image("team/app", "v1", b"layer")
    there.down = True                              takes connections and ends them
    there.status = 429                             so it answers everything
    there.asked                                    [("HEAD", "/v2/team/app/manifests/v1"), …]
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chalicelib.kernel.names import Digest
from tests.registry.images import image, index


@dataclass
class Upstream:
    """
    lies     digest → bytes that come under it
    headers  of every answer
    gates    a path that waits until its event is set
    endless  digests whose bytes do not end
    """

    port: int = 0
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    lies: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    gates: dict[str, threading.Event] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    endless: set[str] = field(default_factory=set)
    login: str = ""
    challenge: str = ""
    status: int = 0
    down: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    news: threading.Condition = field(default_factory=threading.Condition, repr=False)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add(self, name: str, tag: str, body: bytes) -> Digest:
        media_type = json.loads(body)["mediaType"]
        digest = Digest.of(body)
        self.manifests[name, digest] = (media_type, body)
        if tag:
            self.manifests[name, tag] = (media_type, body)
        return digest

    def add_image(self, name: str, tag: str, *layers: bytes, **more: Any) -> Digest:
        config = json.dumps({"os": "linux", "architecture": "amd64", "made": tag, **more}).encode()
        for data in (config, *layers):
            self.blobs[Digest.of(data)] = data
        return self.add(name, tag, image(*layers, config=config))

    def add_index(self, name: str, tag: str, *children: Digest) -> Digest:
        return self.add(name, tag, index(*(self.manifests[name, child][1] for child in children)))

    def manifest(self, name: str, digest: str) -> bytes:
        return self.manifests[name, digest][1]

    def count(self, method: str, part: str) -> int:
        return sum(1 for asked, path in self.asked if asked == method and part in path)

    def wait_for(self, part: str) -> None:
        """Until somebody asked for it."""
        with self.news:
            assert self.news.wait_for(lambda: any(part in path for _, path in self.asked), 10)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path
        with self.news:
            self.asked.append((request.command, path))
            self.news.notify_all()
        self.logins.append(request.headers.get("Authorization", ""))
        if path in self.gates:
            self.gates[path].wait(10)
        if self.down:
            request.close_connection = True
            request.connection.close()
            return None
        if self.status:
            return self._send(request, self.status, b"", {})
        if self.login and request.headers.get("Authorization", "") != self.login:
            return self._send(request, 401, b"", {"WWW-Authenticate": self.challenge or 'Basic realm="there"'})
        if path in self.redirects:
            return self._send(request, 307, b"", {"Location": self.redirects[path]})
        name, _, rest = path.removeprefix("/v2/").partition("/manifests/")
        if rest:
            return self._manifest(request, name, rest)
        return self._blob(request, path.rpartition("/blobs/")[2])

    def _manifest(self, request: BaseHTTPRequestHandler, name: str, wanted: str) -> None:
        if (name, wanted) not in self.manifests:
            return self._send(request, 404, b"{}", {})
        media_type, body = self.manifests[name, wanted]
        digest = Digest.of(body)
        body = self.lies.get(digest, body)
        return self._send(request, 200, body, {"Content-Type": media_type, "Docker-Content-Digest": digest})

    def _blob(self, request: BaseHTTPRequestHandler, digest: str) -> None:
        if digest not in self.blobs:
            return self._send(request, 404, b"{}", {})
        if digest in self.endless:
            return self._without_end(request)
        body, status, headers = self.lies.get(digest, self.blobs[digest]), 200, {"Docker-Content-Digest": digest}
        wanted = request.headers.get("Range", "")
        if wanted:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            status, body = 206, body[start:]
        return self._send(request, status, body, headers)

    def _without_end(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.close_connection = True
        try:
            while True:
                request.wfile.write(b"\0" * 65536)
                self.sent_bytes += 65536
        except OSError:
            return

    def _send(self, request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **self.headers, **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Clients that go away are no news."""


@contextmanager
def upstream() -> Iterator[Upstream]:
    there = Upstream()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            there.answer(self)

        def do_HEAD(self) -> None:
            there.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests print nothing."""

    server = _Quiet(("127.0.0.1", 0), Handler)
    there.port = server.server_address[1]
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
