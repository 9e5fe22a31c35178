"""Accelerated images as the format's own Go library, other machines and other compressions see them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.clients.accelerated.conftest import FIRST_FILES, Converted
from tests.clients.accelerated.odd_image import OddImage
from tests.clients.accelerated.place import SUFFIX, Layer, accelerating, platforms
from tests.clients.conftest import Shell, remote_digest, remote_tags
from tests.clients.image import CONFIG, LAYER
from tests.clients.image import MANIFEST as IMAGE
from tests.conformance.client import Repository
from tests.serving import PROJECT, Service, serving

pytestmark = pytest.mark.clients

FOOTER_BYTES = 51


def fetched(repository: Repository, layer: Layer, folder: Path) -> Path:
    path = folder / layer.digest.partition(":")[2]
    path.write_bytes(repository.blob("GET", layer.digest).content)
    return path


def verified(shell: Shell, repository: Repository, digest: str) -> list[dict[str, Any]]:
    """What the library says of each layer of the amd64 image; all layers of all platforms are verified."""
    told: dict[str, list[dict[str, Any]]] = {}
    for platform, layers in platforms(repository, digest).items():
        for layer in layers:
            assert layer.media_type == LAYER
            report = json.loads(shell.run("stargz-verify", fetched(repository, layer, shell.home), layer.toc_digest))
            assert report["diff_id"] == layer.diff_id
            assert report["uncompressed_bytes"] == layer.uncompressed_bytes
            told.setdefault(platform, []).append(report)
    return told["amd64"]


@pytest.mark.parametrize("tag", ["v1", "plain", "docker", "sparse", "twice"])
def test_every_layer_verifies_with_the_library(tag: str, shell: Shell, converted: Converted) -> None:
    """A2"""
    told = verified(shell, converted.plain, converted.companions[tag])
    assert all(report["landmark"] for report in told)


def test_what_a_list_names_comes_first_in_its_layer(shell: Shell, converted: Converted) -> None:
    """A2: what is linked comes by the name under which the layer has its bytes; what no layer has is passed over."""
    told = verified(shell, converted.listed, converted.listed_companion)
    base, odd, _, many, empty, changes = [report["prefetched"] for report in told]
    assert {"usr/bin/dash", "usr/bin/cat", "etc/ld.so.cache"} <= set(base)
    assert any(name.endswith("libc.so.6") for name in base) and any("ld-linux" in name for name in base)
    assert odd == ["odd/links/below/third"]
    assert many == ["many/large", "many/small/00777"]
    assert changes == ["odd/opaque/new"]
    assert empty == []
    assert len(base) < len(FIRST_FILES)


def test_a_flipped_byte_a_broken_footer_and_another_annotation_are_found_out(
    shell: Shell, converted: Converted
) -> None:
    """A2: the check itself can fail."""
    layer = platforms(converted.plain, converted.companions["v1"])["amd64"][3]
    whole = fetched(converted.plain, layer, shell.home)
    body = whole.read_bytes()
    for at in (len(body) // 3, len(body) // 2, len(body) - FOOTER_BYTES - 100):
        (shell.home / "flipped").write_bytes(body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])
        assert "not verified" in shell.run("stargz-verify", "flipped", layer.toc_digest, fails=True)
    (shell.home / "footer").write_bytes(body[:-40] + b"0" + body[-39:])
    assert "not verified" in shell.run("stargz-verify", "footer", layer.toc_digest, fails=True)
    (shell.home / "short").write_bytes(body[:-1])
    assert "not verified" in shell.run("stargz-verify", "short", layer.toc_digest, fails=True)
    other = f"sha256:{'0' * 64}"
    assert "not verified" in shell.run("stargz-verify", whole, other, fails=True)


def test_compression_of_the_source_makes_no_difference(converted: Converted) -> None:
    """A2, A3: zstd, gzip and none become the same layers."""
    mixed = platforms(converted.plain, converted.companions["v1"])["amd64"]
    assert mixed == platforms(converted.plain, converted.companions["plain"])["amd64"]


def test_an_index_is_converted_whole(converted: Converted) -> None:
    """A3: platforms, order and annotations stay; statements about how the original was built do not go along."""
    before = converted.plain.manifest("GET", "v1").json()
    after = converted.plain.manifest("GET", f"v1{SUFFIX}").json()
    assert after["mediaType"] == before["mediaType"]
    assert [child["platform"] for child in after["manifests"]] == [
        {"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm64"},
    ]  # fmt: skip
    assert before["annotations"].items() <= after["annotations"].items()
    for was, became in zip(before["manifests"], after["manifests"], strict=False):
        original = converted.plain.manifest("GET", was["digest"]).json()
        image = converted.plain.manifest("GET", became["digest"]).json()
        assert image["annotations"].items() >= original["annotations"].items()
        configs = [converted.plain.blob("GET", manifest["config"]["digest"]).json() for manifest in (original, image)]
        assert {**configs[0], "rootfs": None} == {**configs[1], "rootfs": None}


def test_a_layer_that_the_library_converted_is_kept(shell: Shell, odd: OddImage, converted: Converted) -> None:
    """A3: it lacks the annotations alone."""
    made = json.loads(shell.run("stargz-convert", odd.layers["many"], "made", "default"))
    repository = converted.place.repository("made")
    digest = repository.push_blob((shell.home / "made").read_bytes())
    config = {
        "architecture": "amd64", "os": "linux", "config": {}, "history": [{"created_by": "elsewhere"}],
        "rootfs": {"type": "layers", "diff_ids": [made["diff_id"]]},
    }  # fmt: skip
    body = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2, "mediaType": IMAGE,
        "config": {"mediaType": CONFIG, "digest": repository.push_blob(body), "size": len(body)},
        "layers": [{"mediaType": LAYER, "digest": digest, "size": made["bytes"]}],
    }  # fmt: skip
    assert repository.put_body(json.dumps(manifest).encode(), "v1", IMAGE).status_code == 201
    (layer,) = platforms(repository, converted.place.companion(repository, "v1"))["amd64"]
    kept = Layer(digest, LAYER, made["diff_id"], made["toc_digest"], made["uncompressed_bytes"])
    assert layer == kept


def test_docker_schema_2_becomes_an_oci_image_of_the_same_layers(converted: Converted) -> None:
    """A2: the layers' annotations, which Docker's own form has no place for, are what they are loaded by."""
    after = converted.plain.manifest("GET", f"docker{SUFFIX}")
    assert after.headers["Content-Type"] == after.json()["mediaType"] == IMAGE
    assert after.json()["config"]["mediaType"] == CONFIG
    assert platforms(converted.plain, converted.companions["docker"]) == platforms(
        converted.plain, converted.companions["small"]
    )


def test_originals_are_as_they_were_pushed(odd: OddImage, converted: Converted) -> None:
    """A1"""
    named = json.loads((odd.path / "index.json").read_text())["manifests"]
    for top in named:
        assert remote_digest(converted.plain, top["annotations"]["org.opencontainers.image.ref.name"]) == top["digest"]
    assert sorted(remote_tags(converted.listed)) == ["v1", f"v1{SUFFIX}"]


@contextmanager
def serving_otherwise(data: Path) -> Iterator[Service]:
    """One that sees of its machine what another machine may have otherwise; and a single core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        with serving(data, TZ="Asia/Kolkata", PYTHONHASHSEED="4711", LC_ALL="C", LANG="C") as service:
            yield service
    finally:
        os.sched_setaffinity(0, cores)


def test_another_service_at_another_time_makes_the_same_bytes(
    odd: OddImage, converted: Converted, tmp_path: Path
) -> None:
    """A2"""
    with (
        TemporaryDirectory(prefix="crs-") as home,
        serving_otherwise(tmp_path / "data") as service,
        accelerating(service) as other,
    ):
        again = other.make("listed", FIRST_FILES)
        other.push(Shell(Path(home)), odd, "v1", again)
        assert other.companion(again, "v1") == converted.listed_companion
        plain = other.repository("plain")
        other.push(Shell(Path(home)), odd, "plain", plain)
        assert other.companion(plain, "plain") == converted.companions["plain"]


# The layers of which a start needs nothing: the service converted them without first files, too.
UNLISTED = {"odd": 1, "sparse-0.1": 2, "many": 3, "empty": 4, "changes": 5}
CONVERT = """
import sys
from chalicelib.estargz.conversion import convert
from chalicelib.estargz.models import Recipe
workers, *names = sys.argv[1:]
for name in names:
    with open(name, "rb") as archive:
        pieces = iter(lambda: archive.read(12345 * int(workers)), b"")
        print(convert(pieces, Recipe(), lambda piece: None, workers=int(workers)).digest)
"""


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_neither_workers_nor_the_pieces_that_come_make_a_difference(
    workers: int, odd: OddImage, converted: Converted
) -> None:
    """A2"""
    layers = platforms(converted.plain, converted.companions["v1"])["amd64"]
    own = {"PYTHONPATH": str(PROJECT), "PYTHONHASHSEED": str(workers), "TZ": f"UTC-{workers}", "LC_ALL": "C"}
    command = [sys.executable, "-c", CONVERT, str(workers), *(str(odd.layers[name]) for name in UNLISTED)]
    done = subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == [layers[at].digest for at in UNLISTED.values()]
