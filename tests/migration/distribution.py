"""A storage folder as the CNCF distribution keeps it, written without it: thousands of images take a second."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from chalicelib.kernel import media

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class StorageFolder:
    """root: what the registry has as `rootdirectory`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._v2 = root / "docker/registry/v2"

    def blob(self, data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        path = self._v2 / "blobs/sha256" / digest[:2] / digest / "data"
        if not path.exists():
            path.parent.mkdir(parents=True)
            path.write_bytes(data)
        return {"mediaType": _LAYER, "digest": f"sha256:{digest}", "size": len(data)}

    def image(self, name: str, *tags: str, layers: tuple[bytes, ...], **more: Any) -> str:
        """Its digest."""
        config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "of": tags}
        described = [self.blob(layer) for layer in layers]
        known = {**self.blob(json.dumps(config).encode()), "mediaType": media.OCI_CONFIG}
        for one in (known, *described):
            self._link(name, "_layers", one["digest"])
        body = {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": known, "layers": described, **more}
        return self.manifest(name, json.dumps(body).encode(), *tags)

    def manifest(self, name: str, body: bytes, *tags: str) -> str:
        digest: str = self.blob(body)["digest"]
        self._link(name, "_manifests/revisions", digest)
        for tag in tags:
            place = self._v2 / "repositories" / name / "_manifests/tags" / tag
            self._write(place / "current/link", digest)
            self._write(place / "index" / digest.replace(":", "/") / "link", digest)
        return digest

    def path(self, digest: str) -> Path:
        algorithm, _, hexadecimal = digest.partition(":")
        return self._v2 / "blobs" / algorithm / hexadecimal[:2] / hexadecimal / "data"

    def _link(self, name: str, kind: str, digest: str) -> None:
        self._write(self._v2 / "repositories" / name / kind / digest.replace(":", "/") / "link", digest)

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
