"""The gateway in this process, and two ways to talk to it.

wire.ask("GET", "/v2/", login=LOGIN)         an HTTP client over ASGI
exchange(wire, "PATCH", path, headers, …)    ASGI by hand: bodies that lie, stop short or never end
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

import gateway
from chalicelib.credentials.service import Credentials
from chalicelib.instances.models import Instance
from chalicelib.ports.stack import Stack
from tests.stacks import FrozenClock, embedded_stack, make_instance, make_namespace

LOGIN = ("admin", "correct-horse-battery")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Wire:
    """Instance `default` with namespace `library` (private) and `open` (public); pushes make repositories in both."""

    def __init__(self, folder: Path, *, edition: str = "personal", **settings: Any) -> None:
        self.clock = FrozenClock()
        self.stack: Stack = embedded_stack(folder, self.clock, **settings)
        self.instance: Instance = make_instance(self.stack, "default", edition)  # type: ignore[arg-type]
        make_namespace(self.stack, self.instance)
        make_namespace(self.stack, self.instance, "open", default_visibility="public")
        Credentials(self.stack).create(self.instance, *LOGIN)
        self.loop = asyncio.new_event_loop()
        self.use(self.stack)

    def use(self, stack: Stack, peer: tuple[str, int] = ("127.0.0.1", 50000)) -> None:
        """Serves these ports from now on, to a client at that address."""
        self.app = gateway.build(stack)
        transport = httpx.ASGITransport(self.app, client=peer)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://registry.test:5000")

    def ask(
        self, method: str, path: str, *, login: tuple[str, str] | None = LOGIN, token: str = "", **more: Any
    ) -> httpx.Response:
        if token:
            more["headers"] = {**more.get("headers", {}), "Authorization": f"Bearer {token}"}
        elif login:
            more["auth"] = login
        return self.loop.run_until_complete(self.client.request(method, path, **more))

    def token(self, *scopes: str, login: tuple[str, str] | None = LOGIN) -> str:
        answer = self.ask("GET", "/token", login=login, params={"service": "x", "scope": list(scopes)})
        return str(answer.json()["token"])

    def push_blob(self, name: str, data: bytes) -> str:
        answer = self.ask("POST", f"/v2/{name}/blobs/uploads/", params={"digest": sha256(data)}, content=data)
        assert answer.status_code == 201, answer.text
        return sha256(data)

    def push_image(self, name: str, tag: str, layer: bytes = b"layer", **more: Any) -> bytes:
        """The body of the manifest."""
        body = image(layer, **more)
        self.push_blob(name, b"{}")
        self.push_blob(name, layer)
        answer = self.ask("PUT", f"/v2/{name}/manifests/{tag}", headers={"Content-Type": MANIFEST}, content=body)
        assert answer.status_code == 201, answer.text
        return body

    def close(self) -> None:
        self.loop.run_until_complete(self.client.aclose())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.stack.close()


def image(layer: bytes = b"layer", **more: Any) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": sha256(b"{}"), "size": 2},
            "layers": [{"mediaType": LAYER, "digest": sha256(layer), "size": len(layer)}],
            **more,
        }
    ).encode()


@dataclass
class Exchange:
    """What came back, and how much of the body was taken."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    taken_bytes: int = 0

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["errors"][0]["code"])


def exchange(
    wire: Wire,
    method: str,
    path: str,
    headers: Iterable[tuple[str, str]] = (),
    pieces: Iterable[bytes] = (),
    *,
    ends: bool = True,
    token: str = "",
    query: str = "",
    extensions: dict[str, Any] | None = None,
    port: int = 5000,
    peer: str = "127.0.0.1",
) -> Exchange:
    """One request by hand. ends: False for a client that goes away after its pieces."""
    seen = Exchange()
    left: Iterator[bytes] = iter(pieces)
    upcoming = next(left, None)

    async def receive() -> dict[str, Any]:
        nonlocal upcoming
        await asyncio.sleep(0)
        if upcoming is None and not ends:
            return {"type": "http.disconnect"}
        piece, upcoming = upcoming or b"", next(left, None)
        seen.taken_bytes += len(piece)
        return {"type": "http.request", "body": piece, "more_body": upcoming is not None or not ends}

    async def send(message: Any) -> None:
        seen.sent.append(message)

    given = [("host", "registry.test:5000"), *headers, *([("authorization", f"Bearer {token}")] if token else [])]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given],
        "server": ("127.0.0.1", port),
        "client": (peer, 50000),
        "scheme": "http",
        "extensions": extensions or {},
    }
    wire.loop.run_until_complete(wire.app(scope, receive, send))
    return seen
