"""Requests of the gateway, counted as they are answered, and written down if that is switched on.

    request ─► its id, for whatever follows from it ─► application ─► one cell: route, method, status ─► (a line)

A cell is a few additions: the event loop is the only one that writes them, so there is no lock. Cells are few: a path
is counted by its shape, and a method that nobody knows is "other".
"""

from __future__ import annotations

import json
import sys
import time
from bisect import bisect_left
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
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
# No path of the registry is longer (`registry.routes`). Others of up to 64 KB each would fill 256 MB for nothing.
_LONGEST_REMEMBERED: Final = 1024
_ACCOUNTED: Final = frozenset({"api", "console"})
_HEALTH: Final = frozenset({"/healthz", "/readyz"})


@dataclass(slots=True)
class Cell:
    """Answers to one kind of request. buckets: how many took up to each of BUCKETS_S, and longer."""

    seconds: float = 0.0
    received_bytes: int = 0
    sent_bytes: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))

    @property
    def times(self) -> int:
        return sum(self.buckets)


class Traffic:
    """
    cells     by shape of the path, method and status, 0 where no answer began
    uploads   requests under way that bring bytes of blobs
    """

    def __init__(self, clock: Clock, *, logs: bool) -> None:
        self.cells: dict[tuple[str, str, int], Cell] = {}
        self._begun = 0
        self.uploads = 0
        self._clock = clock
        self._logs = logs

    @property
    def under_way(self) -> int:
        """Requests that are not answered yet."""
        return self._begun - sum(cell.times for cell in self.cells.values())

    async def serve(self, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
        """In one piece, because a pull costs 50 µs of CPU, and each call that is saved here a tenth of one."""
        method: str = scope["method"]
        shape = shape_of(scope["path"])
        # API and console keep their ids for years, in the audit record: sorted by time.
        request_id = new_id().encode() if shape in _ACCOUNTED else new_request_id()
        scope[SCOPE_KEY] = request_id
        origin.begin(request_id)
        status = sent_bytes = 0

        def watched(message: Message) -> Awaitable[None]:
            # No coroutine around the server's own: this is called for every message.
            nonlocal status, sent_bytes
            kind = message["type"]
            if kind == "http.response.body":
                sent_bytes += len(message["body"]) if "body" in message else 0
            elif kind == "http.response.start":
                status = message["status"]
            elif kind == _SENDFILE:
                sent_bytes += message["count"]
            return send(message)

        brought = self._bringing(scope, receive) if method in _WITH_BODY else None
        self._begun += 1
        began = time.perf_counter()
        try:
            await application(scope, receive if brought is None else brought.receive, watched)
        finally:
            seconds = time.perf_counter() - began
            cell = self.cells.get((shape, method, status)) or self._cell(shape, method, status)
            cell.seconds += seconds
            cell.sent_bytes += sent_bytes
            cell.buckets[bisect_left(BUCKETS_S, seconds)] += 1
            received_bytes = 0
            if brought is not None:
                received_bytes = brought.ended()
                cell.received_bytes += received_bytes
                self.uploads -= brought.uploads
            if self._logs and shape != "health":
                self._log(scope, shape, status, (received_bytes, sent_bytes), seconds)

    def _bringing(self, scope: Scope, receive: Receive) -> _Brought:
        brought = _Brought(scope, receive)
        self.uploads += brought.uploads
        return brought

    def _cell(self, shape: str, method: str, status: int) -> Cell:
        return self.cells.setdefault((shape, method if method in METHODS else "other", status), Cell())

    def _log(self, scope: Scope, shape: str, status: int, size: tuple[int, int], seconds: float) -> None:
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
            "status": status,
            "received_bytes": size[0],
            "sent_bytes": size[1],
            "duration_ms": round(seconds * 1000, 2),
            "instance": scope.get(INSTANCE_KEY, ""),
        }
        if trace := _trace(scope):
            line["xray_trace_id"] = trace
        sys.stderr.write(json.dumps(line, separators=(",", ":")) + "\n")


class _Brought:
    """What a request brings along. uploads: whether it is bytes of a blob."""

    __slots__ = ("_intake", "_receive", "_received_bytes", "uploads")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.uploads = "/blobs/uploads/" in scope["path"]
        self._receive = receive
        self._received_bytes = 0
        self._intake = scope.get("extensions", {}).get(_INTAKE)

    async def receive(self) -> Message:
        message = await self._receive()
        self._received_bytes += len(message.get("body", b""))
        return message

    def ended(self) -> int:
        """How many bytes came."""
        return self._received_bytes + (0 if self._intake is None else int(self._intake.took))


def _trace(scope: Mapping[str, Any]) -> str:
    """What a load balancer of AWS calls the request, or its client: only its shape is sure."""
    for name, value in scope["headers"]:
        if name == b"x-amzn-trace-id":
            return trace_id(value.decode("latin-1"))
    return ""


def shape_of(path: str) -> str:
    """What kind of thing a path names, in the words of `registry.routes`; "other" for what nobody knows."""
    return _remembered_shape(path) if len(path) <= _LONGEST_REMEMBERED else _shape(path)


def _shape(path: str) -> str:
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
    elif path.startswith("/charts/"):
        return "charts"
    elif path.startswith("/console/"):
        return "console"
    elif path in _HEALTH:
        return "health"
    return _PLAIN.get(path, "other")


# Pulls ask for the same paths again and again; what is asked for once costs a miss.
_remembered_shape: Final = lru_cache(maxsize=4096)(_shape)
