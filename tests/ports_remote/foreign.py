"""Somebody else's registry on loopback, which answers as a test likes.

with foreign() as registry:
    digest = registry.add(b"bytes")
    registry.faults.append(Fault(503, {"Retry-After": "7"}))      the next answer
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from chalicelib.kernel import media
from chalicelib.kernel.names import Digest
from chalicelib.ports.outbound import Outbound
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.remote_login import Login
from chalicelib.ports.remote_reference import RemoteReference
from tests.identity.issuer import answering

TOKEN = "a-token"
# Each reads the certificates of all authorities when it first calls somebody.
ANYWHERE = Outbound(allow_private=True)
PUBLIC = Outbound()


@dataclass
class Fault:
    """An answer instead of the next one. cut: the next one, of which only so many bytes come."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = -1


@dataclass
class Asked:
    path: str
    authorization: str
    range: str


@dataclass
class Foreign:
    """login: `user:password` that it wants, for a token or as it is. lies: digest → what comes under it."""

    port: int = 0
    login: str = ""
    scheme: str = "bearer"
    realm: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, bytes] = field(default_factory=dict)
    lies: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reference(self, name: str = "owner/app:v1") -> RemoteReference:
        return RemoteReference.parse(f"127.0.0.1:{self.port}/{name}")

    def reader(self, login: Login | None = None, pauses: list[float] | None = None) -> RemoteRegistry:
        """As the operator reads it: the address that was written down may be private, and no other."""
        waited = [] if pauses is None else pauses
        return RemoteRegistry(self.reference(), PUBLIC, home=ANYWHERE, login=login, pause=waited.append)

    def add(self, data: bytes) -> Digest:
        digest = Digest.of(data)
        self.blobs[digest] = data
        return digest

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        headers = request.headers
        self.asked.append(Asked(request.path, headers.get("Authorization", ""), headers.get("Range", "")))
        fault = self.faults.pop(0) if self.faults else Fault()
        if fault.status:
            return _send(request, fault.status, fault.headers, b"")
        path = urlsplit(request.path)
        if path.path == "/token":
            return self._token(request, parse_qs(path.query))
        if self.login and headers.get("Authorization", "") not in self._good():
            realm = self.realm or f"{self.url}/token"
            challenge = f'{self.scheme.title()} realm="{realm}",service="foreign",scope="repository:owner/app:pull"'
            return _send(request, 401, {"WWW-Authenticate": challenge}, b"{}")
        return self._content(request, path.path, fault.cut)

    def _good(self) -> tuple[str, ...]:
        return (f"Bearer {TOKEN}",) if self.scheme == "bearer" else (self.basic,)

    @property
    def basic(self) -> str:
        return "Basic " + b64encode(self.login.encode()).decode()

    def _token(self, request: BaseHTTPRequestHandler, query: dict[str, list[str]]) -> None:
        known = request.headers.get("Authorization") == self.basic
        asked_well = query.get("service") == ["foreign"] and query.get("scope") == ["repository:owner/app:pull"]
        body = json.dumps({"token": TOKEN}).encode() if known and asked_well else b"{}"
        _send(request, 200 if known and asked_well else 401, {}, body)

    def _content(self, request: BaseHTTPRequestHandler, path: str, cut: int) -> None:
        kind, _, name = path.removeprefix("/v2/owner/app/").partition("/")
        if name in self.redirects:
            return _send(request, 307, {"Location": self.redirects[name]}, b"")
        known = self.tags.get(name, self.blobs.get(name))
        if known is None:
            return _send(request, 404, {}, b"{}")
        body = self.lies.get(name, known)
        status, sent = 200, dict[str, str]()
        if kind == "manifests":
            sent = {"Content-Type": media.OCI_MANIFEST, "Docker-Content-Digest": Digest.of(known)}
        wanted = request.headers.get("Range", "")
        if wanted and self.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            sent["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            status, body = 206, body[start:]
        return _send(request, status, sent, body, cut)


def _send(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, cut: int = -1) -> None:
    request.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body if cut < 0 else body[:cut])


@contextmanager
def foreign() -> Iterator[Foreign]:
    registry = Foreign()
    with answering(registry.answer) as port:
        registry.port = port
        yield registry
