"""Random images, indexes and artifacts: every shape of content that a registry has to carry.

Each function in DATA_SETS returns fresh Content, so that no two tests share a digest unless they mean to.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import secrets
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = LAYER + "+gzip"
FOREIGN_LAYER = "application/vnd.oci.image.layer.nondistributable.v1.tar"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
ARTIFACT_ONE = "application/vnd.crs.test.one.v1"
ARTIFACT_TWO = "application/vnd.crs.test.two.v1"

Document = dict[str, Any]


def digest_of(body: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def descriptor(media_type: str, body: bytes, algorithm: str = "sha256", **more: object) -> Document:
    return {"mediaType": media_type, "digest": digest_of(body, algorithm), "size": len(body), **more}


@dataclass(frozen=True)
class Manifest:
    media_type: str
    body: bytes
    digest: str

    @property
    def document(self) -> Document:
        document: Document = json.loads(self.body)
        return document

    def described(self, **more: object) -> Document:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.body), **more}

    def as_referrer(self) -> Document:
        """The entry that a list of referrers must hold for this manifest."""
        document = self.document
        kind = document.get("artifactType") or document.get("config", {}).get("mediaType")
        found = self.described(artifactType=kind) if kind else self.described()
        return {**found, "annotations": document["annotations"]} if document.get("annotations") else found


@dataclass
class Content:
    """What a test pushes: blobs first, then manifests in order, then tags (name → digest)."""

    algorithm: str = "sha256"
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: list[Manifest] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def add_blob(self, body: bytes, media_type: str = "application/octet-stream", **more: object) -> Document:
        found = descriptor(media_type, body, self.algorithm, **more)
        self.blobs[found["digest"]] = body
        return found

    def add_manifest(self, document: Document, tag: str | None = None) -> Manifest:
        body = json.dumps(document, separators=(",", ":")).encode()
        made = Manifest(document["mediaType"], body, digest_of(body, self.algorithm))
        self.manifests.append(made)
        if tag:
            self.tags[tag] = made.digest
        return made

    def referrers(self) -> dict[str, list[Manifest]]:
        """Subject digest → the manifests that name it as their subject."""
        found: dict[str, list[Manifest]] = {}
        for manifest in self.manifests:
            if subject := manifest.document.get("subject"):
                found.setdefault(subject["digest"], []).append(manifest)
        return found

    def image(
        self, tag: str | None = None, *, layers: int = 2, platform: str = "amd64", compressed: bool = True,
        inline: bool = False, docker: bool = False, extra: bool = False, **fields: object,
    ) -> Manifest:  # fmt: skip
        """One image. `inline` repeats blobs in `data` fields, `extra` adds fields no specification knows."""
        archives = [_archive() for _ in range(layers)]
        config_document: Document = {
            "architecture": platform, "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [digest_of(archive) for archive in archives]},
        }  # fmt: skip
        unknown: Document = {f"org.{secrets.token_hex(6)}": secrets.token_hex(6)} if extra else {}
        config = json.dumps(config_document | unknown).encode()
        bodies = [gzip.compress(archive, 1) if compressed else archive for archive in archives]
        layer_type = DOCKER_LAYER if docker else LAYER_GZIP if compressed else LAYER
        document: Document = {
            "schemaVersion": 2,
            "mediaType": DOCKER_IMAGE if docker else OCI_IMAGE,
            "config": self.add_blob(config, DOCKER_CONFIG if docker else OCI_CONFIG, **_data(config, inline)),
            "layers": [self.add_blob(body, layer_type, **_data(body, inline)) for body in bodies],
            **unknown,
            **fields,
        }
        return self.add_manifest(document, tag)

    def artifact(self, tag: str | None = None, *, kind: str = ARTIFACT_ONE, **fields: object) -> Manifest:
        document: Document = {
            "schemaVersion": 2, "mediaType": OCI_IMAGE, "artifactType": kind,
            "config": self.add_blob(b"{}", OCI_EMPTY),
            "layers": [self.add_blob(secrets.token_bytes(2048), kind)],
            **fields,
        }  # fmt: skip
        return self.add_manifest(document, tag)

    def index(
        self, children: Sequence[Manifest | Document], tag: str | None = None, *, docker: bool = False, **fields: object
    ) -> Manifest:
        entries = [child.described() if isinstance(child, Manifest) else child for child in children]
        media_type = DOCKER_LIST if docker else OCI_INDEX
        return self.add_manifest({"schemaVersion": 2, "mediaType": media_type, "manifests": entries, **fields}, tag)

    def platforms(self, tag: str | None = None, *, docker: bool = False, extra: bool = False) -> Manifest:
        children: list[Manifest | Document] = []
        for platform in ("amd64", "arm64"):
            image = self.image(platform=platform, docker=docker, extra=extra)
            children.append(image.described(platform={"os": "linux", "architecture": platform}))
        unknown: Document = {f"org.{secrets.token_hex(6)}": "kept"} if extra else {}
        return self.index(children, tag, docker=docker, **unknown)


def _archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        text = f"lucky number {secrets.randbits(64)}\n".encode()
        member = tarfile.TarInfo("./note.txt")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return buffer.getvalue()


def _data(body: bytes, inline: bool) -> dict[str, str]:
    return {"data": base64.b64encode(body).decode()} if inline else {}


def remarks() -> dict[str, str]:
    """Annotations of which at least one is unique, so that no two artifacts have one digest."""
    return {"org.crs.test": "hello", f"org.crs.{secrets.token_hex(6)}": secrets.token_hex(6)}


def _image() -> Content:
    content = Content()
    content.image("image")
    return content


def _uncompressed() -> Content:
    content = Content()
    content.image("uncompressed", compressed=False)
    return content


def _large_manifest() -> Content:
    content = Content()
    content.image("large", annotations={f"large-{number}": "A" * 10_000 for number in range(390)})
    return content


def _index() -> Content:
    content = Content()
    content.platforms("index")
    return content


def _nested_index() -> Content:
    content = Content()
    content.index([content.platforms(), content.platforms()], "index-of-indexes")
    return content


def _empty_index() -> Content:
    content = Content()
    content.index([], "empty", annotations=remarks())
    return content


def _artifact() -> Content:
    content = Content()
    content.artifact("artifact")
    return content


def _artifact_index() -> Content:
    content = Content()
    content.index([content.artifact(), content.artifact()], "artifacts", artifactType=ARTIFACT_ONE)
    return content


def _artifact_without_layers() -> Content:
    content = Content()
    empty = content.add_blob(b"{}", OCI_EMPTY)
    document: Document = {"schemaVersion": 2, "mediaType": OCI_IMAGE, "artifactType": ARTIFACT_ONE}
    content.add_manifest({**document, "config": empty, "layers": [empty], "annotations": remarks()}, "bare")
    return content


def _artifacts_with_subject() -> Content:
    content = Content()
    subject = content.image("image").described()
    content.image(subject=subject)
    content.artifact("first", kind=ARTIFACT_ONE, subject=subject, annotations=remarks())
    content.artifact("second", kind=ARTIFACT_TWO, subject=subject, annotations=remarks())
    return content


def _index_with_subject() -> Content:
    content = Content()
    subject = content.platforms("index").described()
    content.index([content.artifact()], "about", artifactType=ARTIFACT_ONE, subject=subject, annotations=remarks())
    return content


def _missing_subject() -> Content:
    content = Content()
    nowhere = descriptor(OCI_IMAGE, secrets.token_bytes(123))
    content.artifact("orphan", subject=nowhere, annotations=remarks())
    return content


def _data_field() -> Content:
    content = Content()
    content.image("data-field", inline=True)
    return content


def _foreign_layers() -> Content:
    content = Content()
    foreign = [
        {**descriptor(kind, secrets.token_bytes(64)), "urls": ["https://store.example/blob"]}
        for kind in (FOREIGN_LAYER, FOREIGN_LAYER + "+gzip")
    ]
    layer = content.add_blob(gzip.compress(_archive()), LAYER_GZIP)
    config = content.add_blob(json.dumps({"architecture": "amd64", "os": "linux", "n": secrets.token_hex(8)}).encode())
    config = {**config, "mediaType": OCI_CONFIG}
    document: Document = {"schemaVersion": 2, "mediaType": OCI_IMAGE, "config": config, "layers": [*foreign, layer]}
    content.add_manifest(document, "foreign")
    return content


def _custom_fields() -> Content:
    content = Content()
    content.platforms("custom", extra=True)
    return content


def _no_layers() -> Content:
    content = Content()
    content.image("no-layers", layers=0, annotations=remarks())
    return content


def _sha512() -> Content:
    content = Content(algorithm="sha512")
    content.platforms()
    return content


def _docker() -> Content:
    content = Content()
    content.platforms("docker", docker=True)
    return content


def sparse_image() -> Content:
    """An image one of whose layers is never pushed."""
    content = Content()
    image = content.image("sparse-image")
    del content.blobs[image.document["layers"][0]["digest"]]
    return content


def sparse_index() -> Content:
    """An index one of whose images is never pushed."""
    content = Content()
    present = content.image().described(platform={"os": "linux", "architecture": "amd64"})
    absent = descriptor(OCI_IMAGE, secrets.token_bytes(1024), platform={"os": "linux", "architecture": "arm64"})
    content.index([present, absent], "sparse-index")
    return content


DATA_SETS: Mapping[str, Callable[[], Content]] = {
    "image": _image,
    "image with uncompressed layers": _uncompressed,
    "manifest of 3.9 MB": _large_manifest,
    "index": _index,
    "index of indexes": _nested_index,
    "empty index": _empty_index,
    "artifact": _artifact,
    "index of artifacts": _artifact_index,
    "artifact without layers": _artifact_without_layers,
    "artifacts with a subject": _artifacts_with_subject,
    "index with a subject": _index_with_subject,
    "subject that does not exist": _missing_subject,
    "data fields": _data_field,
    "foreign layers": _foreign_layers,
    "fields nobody knows": _custom_fields,
    "image without layers": _no_layers,
    "sha512": _sha512,
    "docker schema 2": _docker,
}
