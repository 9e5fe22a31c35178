"""Charts for tests: Chart.yaml and archive as helm makes them, pushed as helm pushes them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import Any

from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry
from tests.registry.images import descriptor, push_blob, push_manifest
from tests.registry.library import Library
from tests.registry.wire import Wire

CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"
FILES = {
    "Chart.yaml": b"name: nginx\n",
    "README.md": "# nginx\n\nServes pages. Größe.\n".encode(),
    "values.yaml": b"replicas: 2\n",
    "values.schema.json": b"{}",
    "templates/deployment.yaml": b"kind: Deployment\n",
    "templates/service.yaml": b"kind: Service\n",
    "charts/inner/values.yaml": b"inner: true\n",
}


def archive(files: dict[str, bytes], folder: str = "nginx") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}" if folder else name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), mtime=0)


@dataclass(frozen=True)
class Chart:
    """more: further fields of Chart.yaml."""

    name: str = "nginx"
    version: str = "1.0.0"
    more: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    packed: bytes | None = None
    provenance: bytes = b""
    written: bytes | None = None

    @property
    def config(self) -> bytes:
        if self.written is not None:
            return self.written
        known = {"apiVersion": "v2", "name": self.name, "version": self.version, "description": "serves pages"}
        return json.dumps({**known, **self.more}).encode()

    @property
    def archive(self) -> bytes:
        return self.packed if self.packed is not None else archive(self.files, self.name)

    @property
    def blobs(self) -> list[bytes]:
        return [self.config, self.archive, *([self.provenance] if self.provenance else [])]

    @property
    def manifest(self) -> bytes:
        layers = [descriptor(self.archive, CONTENT)]
        if self.provenance:
            layers.append(descriptor(self.provenance, PROVENANCE))
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": media.OCI_MANIFEST,
                "config": descriptor(self.config, media.HELM_CONFIG),
                "layers": layers,
            }
        ).encode()

    @property
    def tag(self) -> str:
        return self.version.replace("+", "_")

    @property
    def digest(self) -> Digest:
        return Digest.of(self.manifest)


def push_chart(
    registry: Registry, caller: Caller, chart: Chart, folder: str = "library", *, tag: str = "", into: str = ""
) -> Digest:
    name = RepositoryName(into or f"{folder}/{chart.name}")
    for blob in chart.blobs:
        push_blob(registry, caller, blob, name)
    return push_manifest(registry, caller, chart.manifest, tag or chart.tag, name=name).digest


def put_chart(library: Library, chart: Chart, folder: str = "library", **more: str) -> Digest:
    """Pushed, and its event handled."""
    digest = push_chart(library.registry, library.owner, chart, folder, **more)
    library.handle_events()
    return digest


def put_over(wire: Wire, chart: Chart, folder: str = "library", **more: str) -> Digest:
    """The same into the instance of a gateway."""
    return put_chart(Library(wire.stack, wire.instance), chart, folder, **more)
