"""Requests of the gateway, counted as they are answered, and written down if that is switched on.

    request ─► its id, for whatever follows from it ─► application ─► one cell: route, method, status ─► (a line)

A cell is a few additions: the event loop is the only one that writes them, so there is no lock, and nothing is made for
a request but what watches its answer. Labels are few: a path is counted by its shape, a method that nobody knows is
"other".
"""

from __future__ import annotations

import json
import sys
import time
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chalicelib.kernel import origin
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import Clock, to_text

from .asgi import Application, Message, Receive, Scope, Send
from .requests import INSTANCE_KEY, ROUTE_KEY, SCOPE_KEY, new_request_id
from .tracing import trace_id

# Upper bounds in seconds: a manifest from memory takes 0.3 ms, a layer minutes.
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
# Where a body may come. What others send along nobody takes.
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_INTAKE: Final = "crs.intake"
_SENDFILE: Final = "crs.sendfile"
_PLAIN: Final = {"/v2/": "ping", "/v2": "ping", "/v2/_catalog": "catalog", "/token": "token", "/metrics": "metrics"}
_HEALTH: Final = frozenset({"/healthz", "/readyz"})
_TOO_MANY: Final = 429


@dataclass(slots=True)
class Cell:
    """Answers to one kind of request. buckets: how many took up to each of BUCKETS_S, and longer."""

    times: int = 0
    seconds: float = 0.0
    received_bytes: int = 0
    sent_bytes: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))


class _Watched:
    """What is sent as answer, and what came as body; each is handed on as it is."""

    __slots__ = ("_receive", "_send", "received_bytes", "sent_bytes", "status")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.status = 0
        self.sent_bytes = 0
        self.received_bytes = 0

    def send(self, message: Message) -> Any:
        kind = message["type"]
        if kind == "http.response.body":
            self.sent_bytes += len(message.get("body", b""))
        elif kind == "http.response.start":
            self.status = message["status"]
        elif kind == _SENDFILE:
            self.sent_bytes += message["count"]
        # No coroutine around the server's own: this is called for every message.
        return self._send(message)

    async def receive(self) -> Message:
        message = await self._receive()
        self.received_bytes += len(message.get("body", b""))
        return message


class Traffic:
    """
    under_way   requests that are not answered yet; uploads: those among them that bring bytes
    limited     requests that were refused because there were too many, by the shape of their path
    """

    def __init__(self, clock: Clock, *, logs: bool) -> None:
        self.cells: dict[tuple[str, str, int], Cell] = {}
        self.limited: dict[str, int] = {}
        self.under_way = 0
        self.uploads = 0
        self._clock = clock
        self._logs = logs

    async def serve(self, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        # The API keeps its ids for years, in the audit record: sorted by time.
        request_id = new_id().encode() if path.startswith("/api/") else new_request_id()
        scope[SCOPE_KEY] = request_id
        origin.begin(request_id.decode())
        watched = _Watched(receive, send)
        method: str = scope["method"]
        brings = method in _WITH_BODY
        uploads = brings and "/blobs/uploads/" in path
        self.under_way += 1
        self.uploads += uploads
        began = time.perf_counter()
        try:
            await application(scope, watched.receive if brings else receive, watched.send)
        finally:
            seconds = time.perf_counter() - began
            self.under_way -= 1
            self.uploads -= uploads
            if brings and (intake := scope.get("extensions", {}).get(_INTAKE)) is not None:
                watched.received_bytes += intake.took
            self._count(scope, method, watched, seconds)

    def _count(self, scope: Scope, method: str, watched: _Watched, seconds: float) -> None:
        shape = shape_of(scope["path"])
        key = (shape, method if method in METHODS else "other", watched.status // 100)
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = Cell()
        cell.times += 1
        cell.seconds += seconds
        cell.received_bytes += watched.received_bytes
        cell.sent_bytes += watched.sent_bytes
        cell.buckets[bisect_left(BUCKETS_S, seconds)] += 1
        if watched.status == _TOO_MANY:
            self.limited[shape] = self.limited.get(shape, 0) + 1
        if self._logs and shape != "health":
            self._log(scope, shape, watched, seconds)

    def _log(self, scope: Scope, shape: str, watched: _Watched, seconds: float) -> None:
        """As the log writes its lines, and ten times cheaper: there is one for each request."""
        line = {
            "level": "INFO",
            "location": "traffic",
            "message": "request answered",
            "timestamp": to_text(self._clock.now()),
            "service": "crs",
            "request_id": scope[SCOPE_KEY].decode(),
            "method": scope["method"][:16],
            "route": scope.get(ROUTE_KEY, shape),
            "status": watched.status,
            "sent_bytes": watched.sent_bytes,
            "received_bytes": watched.received_bytes,
            "duration_ms": round(seconds * 1000, 2),
            "instance": scope.get(INSTANCE_KEY, ""),
        }
        if trace := _trace(scope):
            line["xray_trace_id"] = trace
        sys.stderr.write(json.dumps(line, separators=(",", ":")) + "\n")


def _trace(scope: Mapping[str, Any]) -> str:
    """What a load balancer of AWS calls the request, or its client: only its shape is sure."""
    for name, value in scope["headers"]:
        if name == b"x-amzn-trace-id":
            return trace_id(value.decode("latin-1"))
    return ""


def shape_of(path: str) -> str:
    """What kind of thing a path names, in the words of `registry.routes`; "other" for what nobody knows."""
    if path.startswith("/v2/"):
        head, _, last = path.rpartition("/")
        if head.endswith("/manifests"):
            return "manifest"
        if head.endswith("/blobs/uploads"):
            return "upload" if last else "uploads"
        if head.endswith("/blobs"):
            return "uploads" if last == "uploads" else "blob"
        if head.endswith("/tags"):
            return "tags"
        if head.endswith("/referrers"):
            return "referrers"
    elif path.startswith("/api/"):
        return "api"
    elif path in _HEALTH:
        return "health"
    return _PLAIN.get(path, "other")
