"""An image of layers that are hard to convert, as an OCI layout: a Debian that runs, and what `odd_files` makes.

v1      amd64 with layers of every compression, and arm64, under one index that has an attestation too
plain   the same files, every layer with gzip: for clients that know no zstd
small   what Docker schema 2 is pushed of
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.clients.accelerated import odd_files
from tests.clients.image import CONFIG, INDEX, MANIFEST

# Raise it when the recipe changes: a layout of an older recipe is then not used again.
ODD_RECIPE = 1
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_ENDINGS = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}
_COMPRESSORS = {"gzip": ["gzip", "-n", "-6"], "zstd": ["zstd", "-q", "-3"], "none": ["cat"]}
# What a container needs to start is there; what only fills the disk is not.
_WITHOUT = ("./var", "./usr/share/locale", "./usr/share/doc", "./usr/share/man", "./dev", "./proc", "./sys")
# All that it takes to run a shell and `cat`.
_SHELL = (
    ".", "./bin", "./lib", "./lib64", "./etc", "./etc/ld.so.cache", "./tmp", "./root", "./usr", "./usr/bin",
    "./usr/bin/sh", "./usr/bin/dash", "./usr/bin/cat", "./usr/lib", "./usr/lib64", "./usr/lib64/ld-linux-x86-64.so.2",
    "./usr/lib/x86_64-linux-gnu", "./usr/lib/x86_64-linux-gnu/libc.so.6",
    "./usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
)  # fmt: skip
_TAR = ("tar", "--sort=name", "--numeric-owner", "--sparse")
_POSIX = (
    "--xattrs",
    "--xattrs-include=*",
    "--format=posix",
    "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
)


@dataclass(frozen=True)
class OddImage:
    """The layout on disk; `layers`: name of a layer → path of its archive, not compressed."""

    path: Path
    layers: dict[str, Path]

    def reference(self, tag: str) -> str:
        return f"{self.path}:{tag}"


def odd_image(tree: Path, folder: Path) -> OddImage:
    """The layout in `folder`, made if it is not there yet."""
    facts = folder / "layers.json"
    if not facts.exists():
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        (part / "blobs" / "sha256").mkdir(parents=True)
        (part / "archives").mkdir()
        (part / "layers.json").write_text(json.dumps(_make(part, tree)))
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    names = json.loads(facts.read_text())
    return OddImage(folder, {name: folder / "archives" / name for name in names})


def _make(folder: Path, tree: Path) -> list[str]:
    archives = folder / "archives"
    base = [*_TAR, *_POSIX, *(f"--exclude={path}" for path in _WITHOUT), "-C", str(tree), "-cf"]
    subprocess.run([*base, str(archives / "base"), "."], check=True)
    subprocess.run([*base, str(archives / "shell"), "--no-recursion", *_SHELL], check=True)
    _of_tree(archives / "odd", odd_files.odd_tree, *_POSIX)
    _of_tree(archives / "sparse-gnu", lambda root: odd_files.sparse_tree(root, "gnu"), "--format=gnu")
    _of_tree(
        archives / "sparse-0.1", lambda root: odd_files.sparse_tree(root, "pax-0.1"), *_POSIX, "--sparse-version=0.1"
    )
    odd_files.many_files(archives / "many")
    odd_files.twice(archives / "twice")
    odd_files.empty(archives / "empty")
    _of_tree(archives / "changes", odd_files.changes, *_POSIX)
    mixed = {
        "base": "gzip", "odd": "zstd", "sparse-0.1": "gzip", "many": "none", "empty": "gzip", "changes": "zstd",
    }  # fmt: skip
    amd64 = _image(folder, "amd64", mixed)
    arm64 = _image(folder, "arm64", {"odd": "gzip", "empty": "none", "changes": "zstd"})
    _tagged(folder, "v1", _index(folder, [amd64, arm64, _attestation(folder, amd64)]))
    _tagged(folder, "plain", _image(folder, "amd64", dict.fromkeys(mixed, "gzip")))
    _tagged(folder, "small", _image(folder, "amd64", {"odd": "gzip", "changes": "gzip"}))
    _tagged(folder, "lean", _image(folder, "amd64", {"shell": "gzip", "many": "none"}))
    _tagged(folder, "sparse", _image(folder, "amd64", {"empty": "gzip", "sparse-gnu": "gzip"}))
    _tagged(folder, "twice", _image(folder, "amd64", {"twice": "gzip"}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return [*mixed, "shell", "sparse-gnu", "twice"]


def _of_tree(target: Path, fill: Callable[[Path], None], *options: str) -> None:
    with TemporaryDirectory(prefix="crs-odd-") as root:
        fill(Path(root))
        subprocess.run([*_TAR, *options, "-C", root, "-cf", str(target), "."], check=True)


def _image(folder: Path, architecture: str, layers: dict[str, str]) -> dict[str, Any]:
    """layers: name of an archive → how it is compressed"""
    config = {
        "architecture": architecture, "os": "linux", "created": "2026-01-01T00:00:00Z",
        "config": {"Entrypoint": ["/bin/sh"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(folder / "archives" / name) for name in layers]},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": name} for name in layers],
    }  # fmt: skip
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": _blob(folder, json.dumps(config).encode(), CONFIG),
        "layers": [_layer(folder, name, compression) for name, compression in layers.items()],
        "annotations": {"org.opencontainers.image.title": f"odd {architecture}"},
    }  # fmt: skip
    return _blob(folder, json.dumps(manifest).encode(), MANIFEST) | {
        "platform": {"os": "linux", "architecture": architecture}
    }


def _attestation(folder: Path, image: dict[str, Any]) -> dict[str, Any]:
    """As builders put one beside an image: a manifest without platform that names the image by an annotation."""
    statement = _blob(folder, b'{"_type":"https://in-toto.io/Statement/v0.1"}', "application/vnd.in-toto+json")
    config = {
        "architecture": "unknown",
        "os": "unknown",
        "rootfs": {"type": "layers", "diff_ids": [statement["digest"]]},
    }
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": _blob(folder, json.dumps(config).encode(), CONFIG),
        "layers": [statement],
    }  # fmt: skip
    return _blob(folder, json.dumps(manifest).encode(), MANIFEST) | {
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"],
        },
    }  # fmt: skip


def _index(folder: Path, manifests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    index = {
        "schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests), "annotations": {"org.crs.test": "odd"},
    }  # fmt: skip
    return _blob(folder, json.dumps(index).encode(), INDEX)


def _tagged(folder: Path, tag: str, top: dict[str, Any]) -> None:
    path = folder / "index.json"
    named = json.loads(path.read_text())["manifests"] if path.exists() else []
    entry = top | {"annotations": {"org.opencontainers.image.ref.name": tag}}
    path.write_text(json.dumps({"schemaVersion": 2, "manifests": [*named, entry]}))


def _layer(folder: Path, name: str, compression: str) -> dict[str, Any]:
    part = folder / "layer.part"
    with (folder / "archives" / name).open("rb") as archive, part.open("wb") as output:
        subprocess.run(_COMPRESSORS[compression], stdin=archive, stdout=output, check=True)
    digest, size = _digest(part), part.stat().st_size
    part.rename(folder / "blobs" / digest.replace(":", "/", 1))
    return {"mediaType": _LAYER + _ENDINGS[compression], "digest": digest, "size": size}


def _blob(folder: Path, body: bytes, media_type: str) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    (folder / "blobs" / digest.replace(":", "/", 1)).write_bytes(body)
    return {"mediaType": media_type, "digest": digest, "size": len(body)}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
