"""Images whose pulls are judged, pushed and asked for over the wire."""

from __future__ import annotations

import json
from typing import Any

import httpx

from .wire import CONFIG, INDEX, LAYER, MANIFEST, Wire, sha256

APP = "/v2/library/app"
BASE, OWN = b"a layer of many images", b"a layer of one"


def push(wire: Wire, tag: str, *layers: bytes, name: str = "library/app", config: bytes = b"", **more: Any) -> str:
    """An image with a config of its own."""
    described = config or json.dumps({"os": "linux", "architecture": "amd64", "made": tag}).encode()
    for data in (described, *layers):
        wire.push_blob(name, data)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": sha256(described), "size": len(described)},
        "layers": [{"mediaType": LAYER, "digest": sha256(data), "size": len(data)} for data in layers],
        **more,
    }
    body = json.dumps(document).encode()
    put(wire, f"/v2/{name}/manifests/{tag}", body)
    return sha256(body)


def push_index(wire: Wire, tag: str, *children: str) -> str:
    listed = []
    for number, child in enumerate(children):
        size = int(wire.ask("HEAD", f"{APP}/manifests/{child}", token=pusher(wire)).headers["content-length"])
        platform = {"os": "linux", "architecture": f"cpu{number}"}
        listed.append({"mediaType": MANIFEST, "digest": child, "size": size, "platform": platform})
    body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
    put(wire, f"{APP}/manifests/{tag}", body, INDEX)
    return sha256(body)


def put(wire: Wire, path: str, body: bytes, media_type: str = MANIFEST) -> None:
    answer = wire.ask("PUT", path, headers={"Content-Type": media_type}, content=body)
    assert answer.status_code == 201, answer.text


def pusher(wire: Wire) -> str:
    return wire.token("repository:library/app:pull,push")


def puller(wire: Wire) -> str:
    return wire.token("repository:library/app:pull")


def pull(wire: Wire, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    return wire.ask(method, f"{APP}/{path}", **more)


def status(wire: Wire, path: str, method: str = "GET", **more: Any) -> int:
    return pull(wire, path, method, **more).status_code
