"""Small vulnerability databases, and the artifacts that registries have of them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chalicelib.advisories import bolt_writer
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest
from chalicelib.scanning.database_sources import LAYER

# package → id → advisory, as `trivy.db` has them of one platform.
Packages = Mapping[str, Mapping[str, Mapping[str, Any]]]
MORNING = "2026-01-31T06:00:00.123456789Z"
NOON = "2026-01-31T12:00:00Z"


def packages(count: int = 100, fixed: str = "2.0", **others: str) -> Packages:
    """`package-0` …, each with one advisory. others: package (with _ for -) → the version that fixes it"""
    versions = {f"package-{n}": fixed for n in range(count)}
    versions |= {name.replace("_", "-"): version for name, version in others.items()}
    return {
        name: {f"CVE-2026-{1000 + n}": {"FixedVersion": version}} for n, (name, version) in enumerate(versions.items())
    }


def make_database(
    folder: Path,
    advisories: Packages | None = None,
    *,
    updated_at: str = MORNING,
    platform: str = "debian 12",
    **metadata: object,
) -> Path:
    """A folder with `trivy.db` and `metadata.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    said = packages() if advisories is None else advisories
    ids = sorted({one for found in said.values() for one in found})
    bolt_writer.write(
        folder / "trivy.db",
        {
            "data-source": {platform: json.dumps({"ID": "debian", "Name": "Debian"}).encode()},
            "vulnerability": {one: json.dumps({"Title": f"About {one}", "Severity": "HIGH"}).encode() for one in ids},
            platform: {
                name: {one: json.dumps(advisory).encode() for one, advisory in found.items()}
                for name, found in said.items()
            },
        },
    )
    told = {"Version": 2, "UpdatedAt": updated_at, "NextUpdate": updated_at, **metadata}
    (folder / "metadata.json").write_text(json.dumps(told))
    return folder


def packed(folder: Path, also: Sequence[tuple[str, bytes]] = ()) -> bytes:
    """`db.tar.gz` of it. also: further members, before the two."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in also:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    return gzip.compress(archive.getvalue(), 1)


def artifact(layer: bytes) -> bytes:
    """The manifest under which a registry has the layer."""
    described = {"mediaType": LAYER, "digest": Digest.of(layer), "size": len(layer)}
    config = {"mediaType": "application/vnd.aquasec.trivy.config.v1+json", "digest": Digest.of(b"{}"), "size": 2}
    document = {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": config, "layers": [described]}
    return json.dumps(document).encode()


def make_layout(folder: Path, *tags: str, layer: bytes) -> Path:
    """An OCI layout that has the layer under each tag."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    listed = []
    for number, tag in enumerate(tags):
        manifest = artifact(layer) + b" " * number
        for data in (manifest, layer):
            (blobs / Digest.of(data).hex).write_bytes(data)
        named = {"org.opencontainers.image.ref.name": tag}
        entry = {"mediaType": media.OCI_MANIFEST, "digest": Digest.of(manifest), "size": len(manifest)}
        listed.append({**entry, "annotations": named})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": listed}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return folder
