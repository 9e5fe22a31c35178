"""A real image as an OCI layout: a Debian root tree in several layers, one of them over 500 MB, for amd64 and arm64.

It is made once and kept in the tools folder, because compressing it takes most of a minute. The arm64 image holds a
part of the same tree: no client looks into binaries, so a second bootstrap would only cost time.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
TAG = "v1"
# Raise it when the recipe changes: a layout of an older recipe is then not used again.
RECIPE = 1
LARGE_FILE = "srv/large.bin"
LARGE_FILE_BYTES = 520 * 1024 * 1024
PIECE_BYTES = 4 * 1024 * 1024


def tools() -> Path:
    return Path(os.environ.get("CRS_TOOLS", Path.home() / ".cache" / "crs-tools"))


@dataclass(frozen=True)
class Layout:
    """The layout on disk. `images` is architecture → manifest digest."""

    path: Path
    digest: str
    images: dict[str, str]
    large_file_sha256: str

    @property
    def reference(self) -> str:
        return f"{self.path}:{TAG}"

    def blob(self, digest: str) -> Path:
        return self.path / "blobs" / digest.replace(":", "/", 1)

    def document(self, digest: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.blob(digest).read_bytes())
        return document

    def config_digest(self, architecture: str) -> str:
        return str(self.document(self.images[architecture])["config"]["digest"])

    def layers(self, architecture: str) -> list[str]:
        return [str(layer["digest"]) for layer in self.document(self.images[architecture])["layers"]]

    def blobs(self) -> set[str]:
        """Digests of every blob and manifest of the image."""
        of_images = {
            digest for image in self.images for digest in (self.config_digest(image), *self.layers(image))
        }  # fmt: skip
        return {self.digest, *self.images.values(), *of_images}


def layout(tree: Path, folder: Path) -> Layout:
    """The layout in `folder`, made from `tree` if it is not there yet."""
    facts = folder / "facts.json"
    if not facts.exists():
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        (part / "blobs" / "sha256").mkdir(parents=True)
        (part / "facts.json").write_text(json.dumps(_make(part, tree)))
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    return Layout(path=folder, **json.loads(facts.read_text()))


def _make(folder: Path, tree: Path) -> dict[str, Any]:
    docs, rest = tree / "usr" / "share", [path for path in sorted(tree.iterdir()) if path.name not in {"dev", "srv"}]
    large = _Random(LARGE_FILE_BYTES)
    amd64 = [
        _layer(folder, lambda archive: _add_tree(archive, tree, rest, without=docs)),
        _layer(folder, lambda archive: _add_tree(archive, tree, [docs])),
        _layer(folder, lambda archive: _add_file(archive, "etc/crs-release", BytesIO(b"amd64\n"), 6)),
        _layer(folder, lambda archive: _add_file(archive, LARGE_FILE, large, LARGE_FILE_BYTES)),
    ]
    arm64 = [
        _layer(folder, lambda archive: _add_tree(archive, tree, [tree / "etc"])),
        _layer(folder, lambda archive: _add_file(archive, "etc/crs-release", BytesIO(b"arm64\n"), 6)),
    ]
    images = {name: _image(folder, name, layers) for name, layers in (("amd64", amd64), ("arm64", arm64))}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(images.values())}
    top = _write(folder, index, INDEX)
    entry = top | {"annotations": {"org.opencontainers.image.ref.name": TAG}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return {
        "digest": top["digest"],
        "images": {name: image["digest"] for name, image in images.items()},
        "large_file_sha256": large.sha256.hexdigest(),
    }


def _image(folder: Path, architecture: str, layers: list[tuple[dict[str, Any], str]]) -> dict[str, Any]:
    config = {
        "architecture": architecture, "os": "linux", "created": "2026-01-01T00:00:00Z",
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Labels": {"org.crs.test": "1"}},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": f"layer {n}"} for n in range(len(layers))],
    }  # fmt: skip
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": _write(folder, config, CONFIG),
        "layers": [layer for layer, _ in layers],
    }  # fmt: skip
    return _write(folder, manifest, MANIFEST) | {"platform": {"os": "linux", "architecture": architecture}}


def _write(folder: Path, document: dict[str, Any], media_type: str) -> dict[str, Any]:
    body = json.dumps(document).encode()
    name = hashlib.sha256(body).hexdigest()
    (folder / "blobs" / "sha256" / name).write_bytes(body)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(body)}


class _Hashed:
    """A file to write to that knows the digest and length of what went through it."""

    def __init__(self, target: IO[bytes] | gzip.GzipFile) -> None:
        self.target, self.sha256, self.size = target, hashlib.sha256(), 0

    def write(self, piece: bytes) -> int:
        self.sha256.update(piece)
        self.size += len(piece)
        return self.target.write(piece)

    def flush(self) -> None:
        self.target.flush()


class _Random(BytesIO):
    """The same incompressible bytes on every machine, made while they are read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._left, self._source, self.sha256 = size, random.Random(20260101), hashlib.sha256()

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        piece = self._source.randbytes(wanted)
        self._left -= wanted
        self.sha256.update(piece)
        return piece


def _layer(folder: Path, fill: Callable[[tarfile.TarFile], None]) -> tuple[dict[str, Any], str]:
    """Descriptor of the compressed layer, and the digest of what is in it."""
    part = folder / "layer.part"
    with (
        part.open("wb") as file,
        _compressing(file) as (outer, inner),
        tarfile.open(fileobj=inner, mode="w|", format=tarfile.PAX_FORMAT, copybufsize=PIECE_BYTES) as archive,  # type: ignore[call-overload]
    ):
        fill(archive)
    name = outer.sha256.hexdigest()
    part.rename(folder / "blobs" / "sha256" / name)
    described = {"mediaType": LAYER, "digest": f"sha256:{name}", "size": outer.size}
    return described, f"sha256:{inner.sha256.hexdigest()}"


@contextmanager
def _compressing(file: IO[bytes]) -> Iterator[tuple[_Hashed, _Hashed]]:
    outer = _Hashed(file)
    # No file name and no time in the header, so that the same tree always has the same digest.
    with gzip.GzipFile(filename="", fileobj=outer, mode="wb", compresslevel=1, mtime=0) as squeezed:
        yield outer, _Hashed(squeezed)


def _add_tree(archive: tarfile.TarFile, root: Path, paths: Iterable[Path], without: Path | None = None) -> None:
    def reset(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        skipped = without is not None and f"{member.name}/".startswith(f"{without.relative_to(root)}/")
        if skipped or member.isdev():
            return None
        member.mtime, member.uname, member.gname = 0, "", ""
        return member

    for path in paths:
        archive.add(path, str(path.relative_to(root)), filter=reset)


def _add_file(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    archive.addfile(member, content)
