"""Images by tag and by digest: one for several platforms, scanned and looked over, with a history and what refers to
it; one that its makers wrote ill."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, RepositoryName
from tests.advice.building import DEBIAN, Step, copy, history, packed, run
from tests.background import run_tasks
from tests.console.world import Screen, World
from tests.registry.images import descriptor, push_blob, push_manifest
from tests.scanning.shelf import DATABASE, LAYER, dpkg


def _bytes(length: int) -> bytes:
    """The same each time, and of no pattern that compresses."""
    return Random(length).randbytes(length)


SHOP: Final = RepositoryName("library/shop")
CONFIG: Final[dict[str, Any]] = {
    "Entrypoint": ["/docker-entrypoint.sh"],
    "Cmd": ["gunicorn", "--bind", "0.0.0.0:8080", "shop:app"],
    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONUNBUFFERED=1", "SHOP_SETTINGS=/etc/shop.toml"],
    "ExposedPorts": {"8080/tcp": {}, "9090/tcp": {}},
    "WorkingDir": "/srv",
    "User": "shop",
    "Volumes": {"/var/lib/shop": {}},
    "Labels": {
        "org.opencontainers.image.source": "https://git.example.com/shop",
        "org.opencontainers.image.revision": "6c9f2b1e",
        "maintainer": "shop@example.com",
    },
}
BASE: Final = Step(
    DEBIAN.command,
    {
        "bin/sh": _bytes(90_000),
        "docker-entrypoint.sh": b'#!/bin/sh\nexec "$@"\n',
        "etc/os-release": b'ID=debian\nVERSION_ID="12"\n',
        "etc/debian_version": b"12.5\n",
        "var/lib/dpkg/status": dpkg(openssl="3.0.11-1", zlib1g="1.2.13").encode(),
    },
)
PACKAGES: Final = run(
    "apt-get update && apt-get install -y gcc libpq-dev python3-dev",
    {"var/lib/apt/lists/deb.debian.org_main": _bytes(120_000), "usr/bin/gcc": _bytes(260_000)},
)
JINJA: Final = b"Metadata-Version: 2.1\nName: Jinja2\nVersion: 3.1.0\n"
LIBRARIES: Final = run("pip install jinja2", {"usr/lib/python3/site-packages/jinja2-3.1.0.dist-info/METADATA": JINJA})
HOSTILE: Final = "<script>alert(1)</script>{{7*7}}\u202egnp.exe\x1b[31m"


def push(world: World, *steps: Step, tag: str, platform: str = "linux/amd64", **config: Any) -> Digest:
    """An image of real layers; with tag "" by its digest alone."""
    library, bodies = world.shelf.library, packed(steps)
    system, architecture = platform.split("/")
    described: dict[str, Any] = {"os": system, "architecture": architecture, "created": "2026-01-30T18:00:00Z"}
    described |= {"history": history(steps), "config": {**CONFIG, **config}, "author": config.get("Author", "")}
    written = json.dumps(described).encode()
    for data in (written, *bodies):
        push_blob(library.registry, library.owner, data, SHOP)
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor(written, media.OCI_CONFIG),
        "layers": [descriptor(body, LAYER) for body in bodies],
        "annotations": {"org.opencontainers.image.title": config.get("Title", "shop")},
    }
    tags = (tag,) if tag else ()
    return push_manifest(library.registry, library.owner, json.dumps(document).encode(), *tags, name=SHOP).digest


def refer(world: World, subject: Digest, artifact_type: str, **annotations: str) -> None:
    """An artifact about that image."""
    library, body = world.shelf.library, json.dumps({"about": subject, "type": artifact_type}).encode()
    for data in (b"{}", body):
        push_blob(library.registry, library.owner, data, SHOP)
    manifest = library.registry.pull(library.owner, SHOP, subject)
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [descriptor(body, artifact_type)],
        "subject": descriptor(manifest.body, manifest.media_type),
        "annotations": annotations,
    }
    push_manifest(library.registry, library.owner, json.dumps(document).encode(), name=SHOP)


def furnish(world: World) -> None:
    world.shelf.import_database(DATABASE)
    library, path = world.shelf.library, world.shelf.library.path
    first = push(world, BASE, PACKAGES, tag="2.4.0")
    for older in (copy("shop /srv", {"srv/shop.py": b"1"}), copy("shop /srv", {"srv/shop.py": b"2"})):
        push(world, BASE, older, tag="2.4.0")
    shop = push(world, BASE, PACKAGES, LIBRARIES, run("rm -rf /usr/share/doc", {"usr/share/.wh.doc": b""}), tag="2.4.0")
    arm = push(world, BASE, LIBRARIES, tag="", platform="linux/arm64")
    index = library.push_index((shop, "linux/amd64"), (arm, "linux/arm64"), tag="2.4.1", name=SHOP)
    labels: dict[str, Any] = {"Labels": {HOSTILE: HOSTILE}, "Entrypoint": [HOSTILE], "Env": [f"{HOSTILE}={HOSTILE}"]}
    push(world, BASE, run(HOSTILE, {"x": b"x"}), tag="hostile", Title=HOSTILE, Author=HOSTILE, **labels)
    refer(world, shop, "application/vnd.dev.cosign.artifact.sig.v1+json", signedBy="release@example.com")
    refer(
        world, shop, "application/vnd.in-toto+json", **{"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"}
    )
    for tag in ("2.4.0", "2.4.1"):
        begun = world.api.post(path(f"/tags/{tag}/scan", SHOP))
        assert begun.status == 202, begun.text
    library.handle_events()
    assert world.api.post(path("/tags/2.4.0/accelerate", SHOP)).status == 202
    run_tasks(world.stack)
    world.known |= {"shop": shop, "shop for arm": arm, "shop index": index, "shop before": first}


def _of(world: World, rest: str) -> str:
    return "/instances/ci/namespaces/library/repositories/shop/" + rest.format(
        **{name.replace(" ", "_"): told for name, told in world.known.items()}
    )


_ROUTE: Final = "/instances/{instance}/namespaces/{namespace}/repositories/{repository}/"


_MANIFEST: Final = "manifests/{digest}"
_ARM: Final = "manifests/{shop_for_arm}"


def _screen(route: str, name: str, rest: str) -> Screen:
    return Screen(_ROUTE + route, name, lambda world: _of(world, rest))


SCREENS = (
    _screen("tags/{tag}", "image", "tags/2.4.0"),
    _screen("tags/{tag}", "image-index", "tags/2.4.1"),
    _screen("tags/{tag}", "image-hostile", "tags/hostile"),
    _screen("tags/{tag}/layers", "image-layers", "tags/2.4.0/layers"),
    _screen("tags/{tag}/vulnerabilities", "image-vulnerabilities", "tags/2.4.1/vulnerabilities"),
    _screen("tags/{tag}/attachments", "image-attachments", "tags/2.4.0/attachments"),
    _screen("tags/{tag}/advice", "image-advice", "tags/2.4.0/advice"),
    _screen("tags/{tag}/history", "image-history", "tags/2.4.0/history"),
    _screen("tags/{tag}/rollback", "image-rollback", "tags/2.4.0/rollback?digest={shop_before}"),
    _screen("tags/{tag}/acceleration", "image-acceleration", "tags/2.4.0/acceleration"),
    _screen("manifests/{digest}", "manifest", "manifests/{shop_for_arm}"),
    _screen("manifests/{digest}/layers", "manifest-layers", "manifests/{shop_index}/layers"),
    _screen(
        "manifests/{digest}/vulnerabilities", "manifest-vulnerabilities", "manifests/{shop_for_arm}/vulnerabilities"
    ),
    _screen("manifests/{digest}/attachments", "manifest-attachments", "manifests/{shop_for_arm}/attachments"),
    _screen("manifests/{digest}/advice", "manifest-advice", "manifests/{shop_index}/advice"),
)
