"""A repository of a running service, to which images are pushed from an OCI layout."""

import http.client
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from benchmarks.scanning_image import blob_path, manifest_of
from benchmarks.target import Target

_LONGEST_S = 600.0
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_REFUSED = 300


class Pusher:
    def __init__(self, target: Target) -> None:
        self.target = target

    def push_image(self, layout: Path, tag: str) -> None:
        body, manifest = manifest_of(layout)
        for described in (manifest["config"], *manifest["layers"]):
            self.push_blob(described["digest"], blob_path(layout, described["digest"]))
        self.push_manifest(tag, body)

    def push_blob(self, digest: str, file: Path) -> None:
        started = self._send("POST", "blobs/uploads/", {"Content-Length": "0"})
        path = started.removeprefix(f"http://127.0.0.1:{self.target.port}")
        with file.open("rb") as body:
            length = {"Content-Length": str(file.stat().st_size), "Content-Type": "application/octet-stream"}
            self._send("PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}", length, body)

    def push_manifest(self, tag: str, body: bytes) -> None:
        self._send("PUT", f"manifests/{tag}", {"Content-Type": _MANIFEST}, body)

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | IO[bytes] = b"") -> str:
        """Answers where it says that it goes on."""
        whole = path if path.startswith("/") else self.target.path(path)
        connection = http.client.HTTPConnection("127.0.0.1", self.target.port, timeout=_LONGEST_S)
        try:
            connection.request(method, whole, body, {**self.target.headers(), **headers})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= _REFUSED:
                raise SystemExit(f"{method} {path}: {answer.status} {text[:500]!r}")
            return answer.getheader("Location", "")
        finally:
            connection.close()
