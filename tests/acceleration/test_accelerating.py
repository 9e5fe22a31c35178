"""Images pushed and accelerated: what is made, what it is made of, and what is told of it."""

from __future__ import annotations

import gzip
import json

import pytest

from chalicelib.acceleration.models import SOURCE
from chalicelib.collection.service import Fsck
from chalicelib.estargz.models import TOC_DIGEST
from chalicelib.kernel import media
from chalicelib.kernel.errors import TagReserved
from chalicelib.kernel.names import TagName
from chalicelib.layers.zstandard import zstd
from chalicelib.ports.stack import Stack
from chalicelib.registry.companions import BY
from tests.acceleration.shelf import APP, BASE, FOREIGN, PLAIN, ZSTD, Shelf, names_in
from tests.packages.rebuild import tar
from tests.stacks import FrozenClock


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    return Shelf.opened(stack, acceleration=True)


def test_pushed_image_gets_an_accelerated_one_beside_it(shelf: Shelf) -> None:
    """A1, A2: the original is as it was; the other has the same files, config and history."""
    digest = shelf.push(BASE, APP)
    shelf.work()
    original, companion = shelf.tag("v1"), shelf.tag("v1-accelerated")
    assert original is not None
    assert companion is not None
    assert (original.digest, companion.pushed_by) == (digest, BY)
    assert [names_in(layer)[:3] for layer in shelf.layers("v1-accelerated")] == [list(BASE), list(APP)]
    manifest = shelf.document("v1-accelerated")
    assert manifest["annotations"]["org.example.kept"] == "yes"
    assert manifest["annotations"][SOURCE] == digest
    config = json.loads(shelf.blob(manifest["config"]["digest"]))
    before = json.loads(shelf.blob(shelf.document("v1")["config"]["digest"]))
    assert (config["history"], config["config"]) == (before["history"], before["config"])


def test_list_task_and_audit_record_tell_what_came_of_it(shelf: Shelf) -> None:
    """A3: the state in the tag list, the task and its item, the entry."""
    digest = shelf.push(BASE, APP)
    shelf.work()
    mark, task, companion = shelf.mark(), shelf.task(), shelf.tag("v1-accelerated")
    assert mark is not None
    assert companion is not None
    assert (mark.state, mark.digest, mark.task) == ("succeeded", companion.digest, "")
    assert (task.state, task.trigger, task.done, task.total) == ("succeeded", "push", 2, 2)
    assert task.counts == {"accelerated": 1}
    assert shelf.items(task) == {"v1": ("accelerated", "")}
    listed = {row["tag"]: row for row in shelf.api.get(shelf.library.path("/tags")).json()["items"]}
    assert listed["v1"]["acceleration"]["state"] == "succeeded"
    assert (listed["v1"]["accelerated"], listed["v1-accelerated"]["accelerated"]) == (False, True)
    entries = shelf.api.get("/instances/ci/audit-events", object_type="acceleration").json()["items"]
    assert [(entry["object"], entry["result"]) for entry in entries] == [(f"v1@{digest}", "succeeded")]


def test_nothing_is_made_where_the_switch_is_off(stack: Stack) -> None:
    """A1: images that are there already are not converted."""
    shelf = Shelf.opened(stack)
    shelf.push(BASE)
    shelf.work()
    assert (shelf.tag("v1-accelerated"), shelf.tasks(), shelf.mark()) == (None, [], None)


def test_repository_has_a_switch_of_its_own(stack: Stack) -> None:
    """A1."""
    shelf = Shelf.opened(stack)
    shelf.push(BASE, tag="before")
    shelf.work()
    assert shelf.api.patch(shelf.library.path(), {"acceleration": True}).status == 200
    shelf.push(BASE, tag="after")
    shelf.work()
    assert shelf.tag("before-accelerated") is None
    assert shelf.tag("after-accelerated") is not None


def test_index_is_accelerated_whole_and_its_attestations_are_left_out(shelf: Shelf) -> None:
    """A3: order, platforms and annotations stay."""
    amd = shelf.push(BASE, APP, tag="", platform="linux/amd64")
    arm = shelf.push(BASE, {"srv/app.py": "arm"}, tag="", platform="linux/arm64")
    attested = shelf.push({"in-toto": "{}"}, tag="", platform="unknown/unknown")
    platform = {"os": "linux", "architecture": "arm64"}
    shelf.push_index(
        "v1",
        (arm, {"platform": platform, "annotations": {"org.example.child": "arm"}}),
        (amd, {"platform": {"os": "linux", "architecture": "amd64"}}),
        (
            attested,
            {
                "platform": {"os": "unknown", "architecture": "unknown"},
                "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
            },
        ),
    )
    shelf.work()
    index = shelf.document("v1-accelerated")
    assert index["mediaType"] == media.OCI_INDEX
    assert index["annotations"]["org.example.kept"] == "index"
    assert [child["platform"]["architecture"] for child in index["manifests"]] == ["arm64", "amd64"]
    assert index["manifests"][0]["annotations"] == {"org.example.child": "arm"}
    for child, source in zip(index["manifests"], (arm, amd), strict=True):
        assert shelf.document(child["digest"])["annotations"][SOURCE] == source
        assert len(shelf.layers(child["digest"])) == 2
    # The layer that both have was converted once.
    assert len(shelf.rows()) == 3
    assert shelf.task().total == 3


def test_index_inside_an_index_stays_one(shelf: Shelf) -> None:
    """A3."""
    amd = shelf.push(BASE, tag="", platform="linux/amd64")
    inner = shelf.push_index("", (amd, {"platform": {"os": "linux", "architecture": "amd64"}}))
    arm = shelf.push(APP, tag="", platform="linux/arm64")
    shelf.push_index("v1", (arm, {"platform": {"os": "linux", "architecture": "arm64"}}), nested=inner)
    shelf.work()
    outer = shelf.document("v1-accelerated")
    assert [child["mediaType"] for child in outer["manifests"]] == [media.OCI_MANIFEST, media.OCI_INDEX]
    nested = shelf.document(outer["manifests"][1]["digest"])
    assert shelf.document(nested["manifests"][0]["digest"])["annotations"][SOURCE] == amd


def test_docker_image_becomes_an_oci_image(shelf: Shelf) -> None:
    """A2: annotations of layers, without which nothing loads lazily, are known to OCI alone."""
    shelf.push(BASE, APP, docker=True)
    shelf.work()
    manifest = shelf.document("v1-accelerated")
    assert (manifest["mediaType"], manifest["config"]["mediaType"]) == (media.OCI_MANIFEST, media.OCI_CONFIG)
    assert all(TOC_DIGEST in layer["annotations"] for layer in manifest["layers"])
    assert len(shelf.layers("v1-accelerated")) == 2


@pytest.mark.parametrize("kind", [ZSTD, PLAIN])
def test_layers_of_every_compression_are_converted(shelf: Shelf, kind: str) -> None:
    """A1."""
    packed = tar(BASE) if kind == PLAIN else zstd.compress(tar(BASE))
    shelf.push(packed, layer_type=kind)
    shelf.work()
    (layer,) = shelf.layers("v1-accelerated")
    assert names_in(layer)[:3] == list(BASE)


def test_layer_that_an_image_names_twice_is_converted_once(shelf: Shelf) -> None:
    shelf.push(BASE, APP, BASE)
    shelf.work()
    assert len(shelf.layers("v1-accelerated")) == 3
    assert shelf.task().total == 2


def test_image_of_no_layers_is_accelerated_too(shelf: Shelf) -> None:
    shelf.push()
    shelf.work()
    assert shelf.layers("v1-accelerated") == []


def test_image_with_a_layer_that_its_author_keeps_elsewhere_is_refused_whole(shelf: Shelf) -> None:
    """A3: with its reason, before any layer is converted."""
    document = shelf.document(shelf.push(BASE, tag=""))
    document["layers"].append(
        {"mediaType": FOREIGN, "digest": f"sha256:{'1' * 64}", "size": 9, "urls": ["https://example.com/layer"]}
    )
    shelf.push_document(document, "v1")
    shelf.work()
    mark = shelf.mark()
    assert mark is not None
    assert (mark.state, mark.reason) == ("failed", "foreign_layer")
    assert shelf.rows() == []
    task = shelf.task()
    assert (task.state, task.error.partition(":")[0]) == ("failed", "foreign_layer")
    shown = shelf.api.get(shelf.library.path("/tags/v1")).json()["acceleration"]
    assert (shown["state"], shown["reason"]) == ("failed", "foreign_layer")


def test_broken_layer_fails_the_image_with_its_reason(shelf: Shelf) -> None:
    """A3."""
    shelf.push(BASE, gzip.compress(tar(APP))[:-30])
    shelf.work()
    mark = shelf.mark()
    assert mark is not None
    assert (mark.state, mark.reason) == ("failed", "truncated")
    assert shelf.tag("v1-accelerated") is None


def test_charts_and_signatures_are_passed_over(shelf: Shelf) -> None:
    """A1: what runs nowhere has nothing to be accelerated."""
    document = shelf.document(shelf.push(BASE, tag=""))
    document["config"]["mediaType"] = media.HELM_CONFIG
    shelf.push_document(document, "chart")
    shelf.work()
    assert (shelf.tasks(), shelf.mark("chart")) == ([], None)


def test_second_image_reuses_what_was_converted_for_the_first(shelf: Shelf) -> None:
    """A3: the layer they share has one conversion, and both images name its blob."""
    shelf.push(BASE, {"srv/one": "1"}, tag="one")
    shelf.work()
    shelf.push(BASE, {"srv/two": "2"}, tag="two")
    shelf.work()
    assert len(shelf.rows()) == 3
    one, two = shelf.document("one-accelerated"), shelf.document("two-accelerated")
    assert one["layers"][0]["digest"] == two["layers"][0]["digest"]


def test_accelerated_layers_of_a_base_image_are_reused_as_they_are(shelf: Shelf) -> None:
    """A3: whoever builds on an accelerated image has the same layer below, and not one converted twice."""
    shelf.push(BASE, tag="base")
    shelf.work()
    (below,) = shelf.layers("base-accelerated")
    shelf.push(below, {"srv/mine": "x"}, tag="mine")
    shelf.work()
    reused = [row for row in shelf.rows() if row.reused]
    assert len(reused) == 1
    assert shelf.layers("mine-accelerated")[0] == below


def test_same_image_becomes_the_same_bytes_elsewhere_and_later(shelf: Shelf, clock: FrozenClock) -> None:
    """A2: in another repository, days after, nothing in what is made says when or where."""
    from chalicelib.kernel.names import RepositoryName

    shelf.push(BASE, APP)
    shelf.work()
    first = shelf.tag("v1-accelerated")
    clock.advance(5 * 86_400)
    other = RepositoryName("library/other")
    shelf.push(BASE, APP, tag="v9", name=other)
    shelf.work()
    second = shelf.tag("v9-accelerated", other)
    assert first is not None
    assert second is not None
    assert first.digest == second.digest
    assert len(shelf.rows()) == 2


def test_every_tag_of_a_push_has_one_beside_it(shelf: Shelf) -> None:
    """A1."""
    document = shelf.document(shelf.push(BASE, tag=""))
    shelf.push_document(document, "v1", "latest")
    shelf.work()
    assert len(shelf.tasks()) == 1
    assert shelf.items(shelf.task()) == {"v1": ("accelerated", ""), "latest": ("accelerated", "")}
    for name in ("v1-accelerated", "latest-accelerated"):
        assert shelf.tag(name) is not None


def test_tag_pushed_anew_moves_its_accelerated_image_along(shelf: Shelf) -> None:
    """A1."""
    shelf.push(BASE)
    shelf.work()
    before = shelf.tag("v1-accelerated")
    second = shelf.push(APP)
    shelf.work()
    after = shelf.tag("v1-accelerated")
    assert before is not None
    assert after is not None
    assert before.digest != after.digest
    assert shelf.document("v1-accelerated")["annotations"][SOURCE] == second


def test_name_of_an_accelerated_image_is_nobody_elses(shelf: Shelf) -> None:
    shelf.push(BASE)
    shelf.work()
    with pytest.raises(TagReserved):
        shelf.push(APP, tag=TagName("v1").accelerated)


def test_nothing_is_leaked_or_lost(shelf: Shelf) -> None:
    shelf.push(BASE, APP)
    shelf.push(BASE, gzip.compress(tar(APP))[:-30], tag="broken")
    shelf.work()
    assert list(Fsck(shelf.stack, deep=True).run()) == []
