"""Nothing that was not examined counts 0: every other end has its state, its reason and words for people (S2, S3)."""

from __future__ import annotations

import gzip
import json

import pytest

from chalicelib.kernel import media
from chalicelib.ports.stack import Stack
from chalicelib.scanning import rescans
from tests.packages.rebuild import tar
from tests.registry.images import NAME, descriptor, push_blob, push_manifest

from .shelf import DATABASE, DEBIAN, PYTHON, Files, Shelf, config_of, dpkg, packed

UNHEARD: Files = {"etc/os-release": 'ID=unheard\nVERSION_ID="1"\n', "var/lib/dpkg/status": "Package: a\n"}
COUNTS = ("critical", "high", "medium", "low", "unknown", "silenced", "fixable")


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    opened = Shelf.opened(stack)
    opened.import_database()
    return opened


def seen(shelf: Shelf, tag: str = "v1") -> tuple[str, str, bool]:
    """State, reason, and whether there are counts, as the API shows them."""
    shown = shelf.api.get(shelf.library.path(f"/tags/{tag}/scan")).json()
    assert len({shown[name] is None for name in COUNTS}) == 1
    assert bool(shown["message"]) == bool(shown["reason"])
    return shown["state"], shown["reason"], shown["critical"] is not None


def refused(shelf: Shelf, digest: str) -> int:
    return shelf.api.get(shelf.library.path(f"/manifests/{digest}/vulnerabilities")).status


def test_system_that_nobody_knows_is_unsupported(shelf: Shelf) -> None:
    digest = shelf.push({**UNHEARD, "var/lib/dpkg/status": DEBIAN["var/lib/dpkg/status"]})
    assert shelf.scan().state == "succeeded"
    assert seen(shelf) == ("unsupported", "unsupported_system", False)
    assert refused(shelf, digest) == 409


def test_libraries_on_a_system_that_nobody_knows_are_a_part_of_it(shelf: Shelf) -> None:
    shelf.push({**UNHEARD, "var/lib/dpkg/status": DEBIAN["var/lib/dpkg/status"]}, PYTHON)
    shelf.scan()
    assert seen(shelf) == ("partial", "unsupported_system", True)


def test_image_in_which_nothing_is_recognised_is_unsupported(shelf: Shelf) -> None:
    digest = shelf.push({"bin/app": "x"})
    shelf.scan()
    assert seen(shelf) == ("unsupported", "nothing_recognised", False)
    assert refused(shelf, digest) == 409


def test_system_whose_packages_are_not_to_be_found_is_a_part_of_it(shelf: Shelf) -> None:
    shelf.push({"etc/os-release": DEBIAN["etc/os-release"], "etc/debian_version": "12.5\n"}, PYTHON)
    shelf.scan()
    assert seen(shelf) == ("partial", "nothing_recognised", True)


def test_libraries_without_any_system_are_all_there_is(shelf: Shelf) -> None:
    shelf.push(PYTHON)
    shelf.scan()
    assert seen(shelf) == ("succeeded", "", True)


def test_image_that_nobody_scanned_has_no_findings_to_list(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN)
    assert seen(shelf) == ("none", "", False)
    assert refused(shelf, digest) == 404


def test_without_a_database_the_inventory_waits_for_one(stack: Stack) -> None:
    shelf = Shelf.opened(stack)
    digest = shelf.push(DEBIAN)
    task = shelf.scan()
    assert (task.state, seen(shelf)) == ("failed", ("failed", "no_database", False))
    assert refused(shelf, digest) == 409
    assert shelf.record(digest).report
    shelf.import_database()
    shelf.api.post(f"/instances/ci/tasks/{task.id}/retry")
    assert shelf.carried_out(task.id).state == "succeeded"
    assert seen(shelf) == ("succeeded", "", True)


def test_what_the_demonstration_says_is_never_the_whole(stack: Stack) -> None:
    """S2: until the real database comes, even where that knows nothing else of the image."""
    shelf = Shelf.opened(stack)
    shelf.import_database(demonstration=True)
    shelf.push({**DEBIAN, "var/lib/dpkg/status": dpkg(zlib1g="1.2.13")})
    shelf.scan()
    assert seen(shelf) == ("partial", "demonstration_database", True)
    shelf.import_database({**DATABASE, "alpine 3.19": {"zlib": {"CVE-2024-0009": {}}}})
    for message in rescans.missing(stack):
        rescans.rescan(stack, message)
    assert seen(shelf) == ("succeeded", "", True)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (b"this is no archive at all, and long enough to be sure" * 40, "corrupt"),
        (packed(DEBIAN)[:-20], "truncated"),
        (gzip.compress(tar(DEBIAN)[:1500]), "truncated"),
    ],
    ids=["no archive", "cut off", "cut off inside"],
)
def test_layer_that_cannot_be_read_fails_the_scan_with_the_reason(shelf: Shelf, layer: bytes, reason: str) -> None:
    digest = shelf.push(DEBIAN, layer)
    task = shelf.scan()
    assert (task.state, shelf.items(task)) == ("failed", {"v1": "failed"})
    assert task.error == shelf.record(digest).message
    assert seen(shelf) == ("failed", reason, False)
    assert refused(shelf, digest) == 409


def test_a_layer_that_cannot_be_read_is_not_read_again(shelf: Shelf) -> None:
    bad = packed(DEBIAN)[:-20]
    shelf.push(bad)
    shelf.scan()
    shelf.push(bad, PYTHON, tag="v2")
    assert (shelf.scan("v2").bytes, seen(shelf, "v2")[1]) == (0, "truncated")


def test_layer_that_its_author_keeps_elsewhere_is_named(shelf: Shelf) -> None:
    layer = packed(DEBIAN)
    config = config_of([layer])
    push_blob(shelf.library.registry, shelf.library.owner, config)
    foreign = {**descriptor(layer, next(iter(sorted(media.FOREIGN_LAYERS)))), "urls": ["https://example.com/layer"]}
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor(config, media.OCI_CONFIG),
        "layers": [foreign],
    }
    push_manifest(shelf.library.registry, shelf.library.owner, json.dumps(document).encode(), "v1")
    assert shelf.scan().state == "failed"
    assert seen(shelf) == ("failed", "foreign_layer", False)


def test_index_of_which_an_image_is_not_here_is_a_part_of_it(stack: Stack) -> None:
    shelf = Shelf.opened(stack, allow_sparse_indexes=True)
    shelf.import_database()
    here = shelf.push(DEBIAN, tag="here")
    manifests = [
        {**descriptor(b"x", media.OCI_MANIFEST), "digest": digest, "platform": {"os": "linux", "architecture": arch}}
        for digest, arch in ((here, "amd64"), ("sha256:" + "0" * 64, "arm64"))
    ]
    manifests[0]["size"] = len(shelf.library.registry.pull(shelf.library.owner, NAME, here).body)
    index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": manifests}
    push_manifest(shelf.library.registry, shelf.library.owner, json.dumps(index).encode(), "v1")
    shelf.scan()
    assert seen(shelf) == ("partial", "missing_layer", True)


def test_attestations_of_an_index_are_no_images(shelf: Shelf) -> None:
    image = shelf.push(DEBIAN, tag="")
    attestation = shelf.push(b"{}", tag="", layer_type="application/vnd.in-toto+json")
    told = []
    for digest, platform, notes in (
        (image, {"os": "linux", "architecture": "amd64"}, {}),
        (
            attestation,
            {"os": "unknown", "architecture": "unknown"},
            {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image},
        ),
    ):
        body = shelf.library.registry.pull(shelf.library.owner, NAME, digest).body
        told.append({**descriptor(body, media.OCI_MANIFEST), "platform": platform, "annotations": notes})
    index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": told}
    push_manifest(shelf.library.registry, shelf.library.owner, json.dumps(index).encode(), "v1")
    shelf.scan()
    assert seen(shelf) == ("succeeded", "", True)


def test_index_of_what_is_no_image_is_refused(shelf: Shelf) -> None:
    artifact = shelf.push(b"{}", tag="", layer_type="application/vnd.in-toto+json")
    shelf.library.push_index((artifact, "linux/amd64"), tag="v1")
    assert shelf.api.post(shelf.library.path("/tags/v1/scan")).status == 409


def test_images_of_an_index_inside_an_index_are_its_own(shelf: Shelf) -> None:
    amd, arm = shelf.push(DEBIAN, tag=""), shelf.push(PYTHON, tag="", platform="linux/arm64")
    inner = shelf.library.push_index((amd, "linux/amd64"), tag="inner")
    body = shelf.library.registry.pull(shelf.library.owner, NAME, inner).body
    other = shelf.library.registry.pull(shelf.library.owner, NAME, arm).body
    told = [descriptor(body, media.OCI_INDEX), {**descriptor(other, media.OCI_MANIFEST), "platform": {"os": "linux"}}]
    index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": told}
    digest = push_manifest(shelf.library.registry, shelf.library.owner, json.dumps(index).encode(), "v1").digest
    shelf.scan()
    assert shelf.record(digest).children == (amd, arm)
    assert (shelf.record(digest).critical, shelf.record(digest).high) == (1, 1)


def test_a_scan_that_breaks_off_later_leaves_what_an_earlier_one_found(shelf: Shelf) -> None:
    """Content never changes: who makes a scan fail does not make findings go away."""
    digest = shelf.push(DEBIAN)
    shelf.scan()
    before = shelf.record(digest)
    shelf.import_database({**DATABASE, "debian 12": {}})
    objects = shelf.stack.objects(shelf.instance.bucket)
    for found in objects.list(f"{shelf.instance.id}/").items:
        if "/blobs/" in found.key or "/surveys/" in found.key or "/contents/" in found.key:
            objects.delete(found.key)
    shelf.stack.keep("surveys", dict).clear()
    task = shelf.scan()
    assert task.state == "failed"
    assert shelf.record(digest) == before


def test_an_image_says_what_came_of_its_scan_by_its_digest_too(shelf: Shelf) -> None:
    """S1: such as one of an index, to which no tag points."""
    digest = shelf.push(DEBIAN)
    shelf.scan()
    of_digest = shelf.api.get(shelf.library.path(f"/manifests/{digest}/scan"))
    assert of_digest.json() == shelf.api.get(shelf.library.path("/tags/v1/scan")).json()
    for unknown in ("sha256:" + "0" * 64, "nothing"):
        assert shelf.api.get(shelf.library.path(f"/manifests/{unknown}/scan")).status == 404
