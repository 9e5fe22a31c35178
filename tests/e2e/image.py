"""A small image of one's own, as an OCI layout that clients push."""

from __future__ import annotations

import gzip
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.packages.rebuild import tar

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class SmallImage:
    """digest: of its manifest; blobs: of its config and layers. Nobody else's image has any of them."""

    layout: Path
    digest: str
    blobs: tuple[str, ...]
    body: bytes


def small_image(folder: Path, files: Mapping[str, str | bytes] | None = None) -> SmallImage:
    """For linux/arm64, with these files in its only layer, or a few random bytes."""
    folder.mkdir(parents=True)
    (folder / "blobs" / "sha256").mkdir(parents=True)
    inner = tar(files or {"random": secrets.token_bytes(2000)})
    layer = _write(folder, gzip.compress(inner, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")
    told = {
        "architecture": "arm64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(inner).hexdigest()}"]},
    }
    config = _write(folder, json.dumps(told).encode(), "application/vnd.oci.image.config.v1+json")
    body = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}).encode()
    manifest = _write(folder, body, MANIFEST)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return SmallImage(folder, manifest["digest"], (config["digest"], layer["digest"]), body)


def _write(folder: Path, body: bytes, media_type: str) -> dict[str, Any]:
    name = hashlib.sha256(body).hexdigest()
    (folder / "blobs" / "sha256" / name).write_bytes(body)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(body)}
