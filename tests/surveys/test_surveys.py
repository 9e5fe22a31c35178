"""What is kept of layers: read once, gone with their bytes, made again where it is missing."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.collection import made_by_scans
from chalicelib.collection.service import Fsck
from chalicelib.kernel.names import Digest
from chalicelib.kernel.paging import every
from chalicelib.layers.contents import read_contents
from chalicelib.layers.entries import LayerRefused, Limits
from chalicelib.packages.models import INVENTORY_VERSION
from chalicelib.ports import paths
from chalicelib.ports.stack import Stack
from chalicelib.surveys import service
from chalicelib.surveys.models import ImageLayers, ImageRefused
from chalicelib.surveys.service import Surveys
from tests.background import run_background
from tests.registry.images import image, push_blob, push_manifest
from tests.registry.library import DAY, gone_for_good
from tests.scanning.shelf import DATABASE, DEBIAN, PYTHON, Shelf, packed
from tests.stacks import FrozenClock


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    return Shelf.opened(stack)


def layers_of(shelf: Shelf, digest: str) -> ImageLayers:
    return Surveys(shelf.stack).layers_of(shelf.instance, shelf.library.repository().id, digest)


def kept(shelf: Shelf) -> list[str]:
    objects = shelf.stack.objects(shelf.instance.bucket)
    return [found.key for prefix in paths.surveys(shelf.instance.id) for found in objects.list(prefix).items]


def test_layers_come_with_their_commands_and_uncompressed_digests(shelf: Shelf) -> None:
    image = layers_of(shelf, shelf.push(DEBIAN, PYTHON))
    assert [layer.command for layer in image.layers] == ["COPY layer 0", "COPY layer 1"]
    assert all(layer.ref.diff_id.startswith("sha256:") for layer in image.layers)
    assert (image.platform, image.size) == ("linux/amd64", sum(len(packed(one)) for one in (DEBIAN, PYTHON)))


def test_an_image_that_calls_itself_something_else_is_looked_into_as_it_can_be_run(shelf: Shelf) -> None:
    """S1: clients pay no heed to `artifactType`, nor do pull policies; signatures run nowhere."""
    registry, owner = shelf.library.registry, shelf.library.owner
    for data in (b"{}", packed(DEBIAN)):
        push_blob(registry, owner, data)
    named = push_manifest(registry, owner, image(packed(DEBIAN), artifactType="application/x-app"), "v1")
    assert layers_of(shelf, named.digest).size == len(packed(DEBIAN))
    signature = {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": Digest.of(b"{}"), "size": 2}
    signed = push_manifest(registry, owner, image(layers=[signature]), "v2")
    with pytest.raises(ImageRefused, match="no file system"):
        layers_of(shelf, signed.digest)


def test_an_image_of_more_layers_than_any_system_takes_is_refused(shelf: Shelf) -> None:
    """S2: looked at again for each of its layers, it would keep scanners from everything else."""
    registry, owner = shelf.library.registry, shelf.library.owner
    for data in (b"{}", b"layer"):
        push_blob(registry, owner, data)
    many = push_manifest(registry, owner, image(*[b"layer"] * (service.MOST_LAYERS + 1)), "v1")
    shelf.scan()
    assert (shelf.record(many.digest).state, shelf.record(many.digest).reason) == ("failed", "too_large")


def test_indexes_in_an_index_are_counted_with_it(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """S2: a hundred of a hundred each were ten thousand manifests to be read for one request."""
    monkeypatch.setattr(service, "MOST_CHILDREN", 4)
    children = [shelf.push(DEBIAN, {"srv/n": str(n)}, tag=f"v{n}") for n in range(4)]
    amd, arm = "linux/amd64", "linux/arm64"
    halves = [shelf.library.push_index((children[n], amd), (children[n + 1], arm), tag=f"half{n}") for n in (0, 2)]
    surveys, repository = Surveys(shelf.stack), shelf.library.repository().id
    whole = shelf.library.push_index((halves[0], amd), (children[2], "linux/386"), tag="few")
    assert list(surveys.images_of(shelf.instance, repository, whole) or ()) == children[:3]
    whole = shelf.library.push_index((halves[0], amd), (halves[1], arm), tag="many")
    with pytest.raises(ImageRefused, match="more than 4 images"):
        surveys.images_of(shelf.instance, repository, whole)


def test_one_reading_gives_packages_and_files(shelf: Shelf) -> None:
    image = layers_of(shelf, shelf.push(DEBIAN))
    surveys, layer = Surveys(shelf.stack), image.layers[0].ref
    inventory = surveys.survey(shelf.instance, layer)
    facts = {fact.path: fact.size for fact in read_contents(surveys.contents(shelf.instance, layer))}
    assert inventory.entries == len(DEBIAN)
    assert facts == {path: len(content) for path, content in DEBIAN.items()}
    merged = surveys.inventory(shelf.instance, image)
    assert [one.package.name for one in merged.packages] == ["openssl", "zlib1g"]


def test_another_process_finds_what_this_one_read(shelf: Shelf) -> None:
    image = layers_of(shelf, shelf.push(DEBIAN))
    layer = image.layers[0].ref
    read = Surveys(shelf.stack).survey(shelf.instance, layer)
    shelf.stack.keep("surveys", dict).clear()
    assert Surveys(shelf.stack).known(shelf.instance, layer) == read


def test_layers_that_tell_too_much_together_fail_their_image_alone(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S2: each within its own bounds, they would fill memory all the same."""
    shelf.import_database()
    both, one = shelf.push(DEBIAN, PYTHON), shelf.push(DEBIAN, tag="v2")
    inventory = Surveys(shelf.stack).survey(shelf.instance, layers_of(shelf, one).layers[0].ref)
    told = len(inventory.model_dump_json(exclude_defaults=True).encode())
    monkeypatch.setattr(service, "MOST_TOLD", told)
    assert (shelf.scan("v1").state, shelf.scan("v2").state) == ("failed", "succeeded")
    assert (shelf.record(both).reason, shelf.record(one).state) == ("too_large", "succeeded")


def test_a_process_holds_few_and_small_surveys(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_MOST_HELD", 0)
    layer = layers_of(shelf, shelf.push(DEBIAN)).layers[0].ref
    assert Surveys(shelf.stack).survey(shelf.instance, layer) == Surveys(shelf.stack).known(shelf.instance, layer)
    assert shelf.stack.keep("surveys", dict) == {}


def test_contents_that_are_gone_are_made_again(shelf: Shelf) -> None:
    layer = layers_of(shelf, shelf.push(DEBIAN)).layers[0].ref
    surveys = Surveys(shelf.stack)
    before = surveys.contents(shelf.instance, layer)
    shelf.stack.objects(shelf.instance.bucket).delete(
        paths.contents(shelf.instance.id, layer.digest, INVENTORY_VERSION)
    )
    assert surveys.contents(shelf.instance, layer) == before


def test_refusals_are_remembered_but_not_those_of_a_slow_machine(shelf: Shelf) -> None:
    layer = layers_of(shelf, shelf.push(DEBIAN)).layers[0].ref
    with pytest.raises(LayerRefused, match="s") as slow:
        Surveys(shelf.stack, Limits(seconds=-1)).survey(shelf.instance, layer)
    assert slow.value.reason == "too_long"
    with pytest.raises(LayerRefused) as refused:
        Surveys(shelf.stack, Limits(entries=1)).survey(shelf.instance, layer)
    with pytest.raises(LayerRefused) as again:
        Surveys(shelf.stack).survey(shelf.instance, layer)
    assert (refused.value.reason, again.value.message) == ("too_many_entries", refused.value.message)


def test_layer_whose_bytes_are_gone_is_refused_by_its_name(shelf: Shelf, clock: FrozenClock) -> None:
    image = layers_of(shelf, shelf.push(DEBIAN))
    assert shelf.api.delete(shelf.library.path("/tags/v1")).status == 200
    gone_for_good(shelf.library, clock)
    with pytest.raises(ImageRefused) as refused:
        Surveys(shelf.stack).survey(shelf.instance, image.layers[0].ref)
    assert refused.value.reason == "missing_layer"


def test_what_is_kept_of_a_layer_goes_with_its_bytes(shelf: Shelf, clock: FrozenClock) -> None:
    image = layers_of(shelf, shelf.push(DEBIAN, PYTHON))
    surveys = Surveys(shelf.stack)
    surveys.inventory(shelf.instance, image)
    assert len(kept(shelf)) == 4
    assert list(Fsck(shelf.stack).run()) == []
    assert shelf.api.delete(shelf.library.path("/tags/v1")).status == 200
    for days in (8, 2):
        clock.advance(days * DAY)
        run_background(shelf.stack)
        assert list(Fsck(shelf.stack).run()) == []
    assert kept(shelf) == []


def test_fsck_tells_what_scans_lost_and_what_they_left(shelf: Shelf) -> None:
    shelf.import_database()
    digest = shelf.push(DEBIAN)
    shelf.scan()
    objects, instance = shelf.stack.objects(shelf.instance.bucket), shelf.instance.id
    objects.put(paths.survey(instance, "sha256:" + "0" * 64, 1), b"")
    objects.put(paths.report(instance, "sha256:" + "1" * 64, "01J00000000000000000000000"), b"")
    objects.delete(shelf.record(digest).report)
    found = sorted((one.kind, one.subject) for one in Fsck(shelf.stack).run())
    assert [kind for kind, _ in found] == ["leak", "leak", "lost"]
    assert found[-1] == ("lost", digest)
    assert shelf.api.get(shelf.library.path(f"/manifests/{digest}/vulnerabilities")).status == 404


def test_fsck_loses_nothing_of_an_image_that_is_scanned_meanwhile(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.import_database()
    shelf.push(DEBIAN)
    shelf.scan()
    shelf.import_database({**DATABASE, "debian 12": {}})

    def meanwhile(load: Any) -> Any:
        monkeypatch.setattr(made_by_scans, "every", every)
        shelf.scan()
        return every(load)

    monkeypatch.setattr(made_by_scans, "every", meanwhile)
    assert list(Fsck(shelf.stack).run()) == []


def test_nothing_of_scans_outlives_its_instance(shelf: Shelf, clock: FrozenClock) -> None:
    shelf.import_database()
    shelf.push(DEBIAN)
    shelf.scan()
    answer = shelf.api.delete("/instances/ci", confirm="ci")
    assert answer.status == 202, answer.text
    for _ in range(3):
        clock.advance(DAY)
        run_background(shelf.stack)
    objects = shelf.stack.objects(shelf.instance.bucket)
    assert objects.list(f"{shelf.instance.id}/").items == ()
    assert shelf.stack.table.query(f"SCANS#{shelf.instance.id}").items == ()
