"""A large image as an OCI layout, of a folder that debootstrap and apt-get filled, and a database that knows it.

    debootstrap bookworm TREE
    chroot TREE apt-get install --no-install-recommends python3-pip python3-pandas python3-scipy nodejs npm \\
        default-jdk-headless maven golang-go ruby rails cargo build-essential libreoffice-writer composer docker.io

Each group of folders is a layer compressed by gzip, what is left of /usr one by zstd, everything else the lowest one.
"""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chalicelib.advisories import bolt_writer
from chalicelib.advisories.database import DATABASE_FILE, METADATA_FILE
from chalicelib.advisories.ecosystems import ecosystem_of, known_name
from chalicelib.packages.models import ImageInventory, Package

TREE = Path.home() / ".cache" / "crs-tools" / "trees" / "bookworm-large"
_GROUPS = ("./usr/share", "./usr/lib/jvm", "./usr/lib/x86_64-linux-gnu", "./usr/lib/gcc")
_NOT_THERE = ("./proc/*", "./sys/*", "./dev/*", "./tmp/*")
_TAR = "application/vnd.oci.image.layer.v1.tar"
_CHUNK = 1 << 20
_FIX_EVERY = 2
_FOUND_EVERY = 3


def write_image(tree: Path, layout: Path) -> None:
    """Takes a minute or two; the layout is complete when `index.json` stands there."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    usr = "./usr"
    layers = [pack_layer(tree, blobs, ["."], "gzip", (usr, *_NOT_THERE))]
    layers += [pack_layer(tree, blobs, [group], "gzip") for group in _GROUPS if (tree / group).is_dir()]
    layers.append(pack_layer(tree, blobs, [usr], "zstd", _GROUPS))
    write_index(layout, layers)


def write_index(layout: Path, layers: Sequence[Mapping[str, Any]], started: Mapping[str, Any] | None = None) -> None:
    """started: how a container of it starts, as a config says."""
    described = [{name: layer[name] for name in ("mediaType", "digest", "size")} for layer in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": started or {},
        "rootfs": {"type": "layers", "diff_ids": [layer["diff_id"] for layer in layers]},
    }
    blobs = layout / "blobs" / "sha256"
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _blob(blobs, config, "application/vnd.oci.image.config.v1+json"),
        "layers": described,
    }
    listed = {"schemaVersion": 2, "manifests": [_blob(blobs, manifest, str(manifest["mediaType"]))]}
    (layout / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    (layout / "index.json").write_text(json.dumps(listed))


def manifest_of(layout: Path) -> tuple[bytes, dict[str, Any]]:
    """As it is pushed, and as it is read."""
    digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    body = blob_path(layout, digest).read_bytes()
    return body, json.loads(body)


def blob_path(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _blob(blobs: Path, document: Mapping[str, Any], kind: str) -> dict[str, Any]:
    body = json.dumps(document).encode()
    digest = hashlib.sha256(body).hexdigest()
    (blobs / digest).write_bytes(body)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(body)}


def pack_layer(
    tree: Path, blobs: Path, paths: Sequence[str], packing: str, without: Sequence[str] = (), recursive: bool = True
) -> dict[str, Any]:
    """`gzip` and `zstd` as they come; the digests of both forms are taken on the way."""
    listed = blobs / "unfinished-list"
    listed.write_bytes(b"".join(os.fsencode(path) + b"\0" for path in paths))
    excluded = [f"--exclude={path}" for path in without]
    order = ["--sort=name", *([] if recursive else ["--no-recursion"])]
    named = ["--anchored", "--numeric-owner", *excluded, "-cf", "-", "--null", "-T", str(listed)]
    tar = ["tar", "-C", str(tree), *order, *named]
    packed = blobs / "unfinished"
    raw = hashlib.sha256()
    with (
        packed.open("wb") as file,
        subprocess.Popen(tar, stdout=subprocess.PIPE) as reading,
        subprocess.Popen([packing, "-c"], stdin=subprocess.PIPE, stdout=file) as packing_up,
    ):
        assert reading.stdout is not None
        assert packing_up.stdin is not None
        while chunk := reading.stdout.read(_CHUNK):
            raw.update(chunk)
            packing_up.stdin.write(chunk)
        packing_up.stdin.close()
    if reading.returncode or packing_up.returncode:
        raise SystemExit(f"{paths[:3]} of {tree} could not be packed")
    with packed.open("rb") as whole:
        digest = hashlib.file_digest(whole, "sha256").hexdigest()
    size = packed.stat().st_size
    packed.rename(blobs / digest)
    listed.unlink()
    kind = f"{_TAR}+{packing}"
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": size, "diff_id": f"sha256:{raw.hexdigest()}"}


def write_database(folder: Path, inventory: ImageInventory, updated_at: str) -> int:
    """A database in which every third package of the image has something, half of it with a fix. How many those are."""
    assert inventory.system is not None
    release = f"{inventory.system.family} {inventory.system.name.partition('.')[0]}"
    tree: dict[str, dict[str, Any]] = {
        "data-source": {release: json.dumps({"ID": "debian", "Name": "Debian Security Tracker"}).encode()},
        "vulnerability": {},
    }
    places = (_place(installed.package, release) for installed in inventory.packages)
    wanted = sorted({place for place in places if place is not None})
    for number, place in enumerate(wanted[::_FOUND_EVERY]):
        platform, name, version = place
        identifier = f"CVE-2026-{number:05d}"
        fixed = number % _FIX_EVERY == 0
        advisory: dict[str, Any] = {"FixedVersion": f"{version}.1"} if fixed else {}
        if platform != release:
            tree["data-source"][platform] = json.dumps({"ID": "ghsa", "Name": "GitHub Security Advisory"}).encode()
            advisory = {"VulnerableVersions": [">=0.0.0"], "PatchedVersions": ["99999.0.0"] if fixed else []}
        found = tree.setdefault(platform, {}).setdefault(name, {})
        found[identifier] = json.dumps(advisory).encode()
        tree["vulnerability"][identifier] = json.dumps({"Title": f"About {name}", "Severity": "HIGH"}).encode()
    folder.mkdir(parents=True, exist_ok=True)
    bolt_writer.write(folder / DATABASE_FILE, tree)
    told = {"Version": 2, "UpdatedAt": updated_at, "NextUpdate": updated_at, "DownloadedAt": updated_at}
    (folder / METADATA_FILE).write_text(json.dumps(told))
    return len(tree["vulnerability"])


def _place(package: Package, release: str) -> tuple[str, str, str] | None:
    ecosystem = ecosystem_of(package)
    if ecosystem is not None:
        return f"{ecosystem.prefix}GitHub Security Advisory", known_name(package, ecosystem), package.version
    return (release, package.source_name or package.name, package.source_version) if package.source_version else None
