"""Content that somebody made to be hard to count, to delete, to copy and to bring back."""

from __future__ import annotations

import json

import pytest

from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.ports import keys
from chalicelib.registry.rules import MOST_CONTENT_BYTES
from tests.background import run_background
from tests.registry.images import NAME, descriptor, image, push_blob, push_manifest
from tests.registry.library import Library
from tests.stacks import make_namespace

from .bin import delete_digest, delete_tag, listed, pulled, restore

pytestmark = pytest.mark.campaign

# More than Python lets functions call themselves.
FLOORS = 1100
SPARSE = RepositoryName("sparse/app")


def _index(*below: bytes, **annotations: str) -> bytes:
    kinds = [json.loads(body)["mediaType"] for body in below]
    children = [descriptor(body, kind) for body, kind in zip(below, kinds, strict=True)]
    document = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": children, "annotations": annotations}
    return json.dumps(document).encode()


def _pushed(library: Library, body: bytes, *tags: str, name: RepositoryName = NAME) -> Digest:
    return push_manifest(library.registry, library.owner, body, *tags, name=name).digest


def _image(library: Library) -> bytes:
    for data in (b"{}", b"one"):
        push_blob(library.registry, library.owner, data)
    return image(b"one")


def _tower(library: Library) -> list[Digest]:
    """An image in an index in an index …, the lowest first; the highest is tagged `tower`."""
    body = _image(library)
    digests = [_pushed(library, body)]
    for floor in range(1, FLOORS + 1):
        body = _index(body)
        digests.append(_pushed(library, body, *(["tower"] if floor == FLOORS else [])))
    return digests


def test_a_tower_of_indexes_that_was_deleted_from_its_top_comes_back_whole(library: Library) -> None:
    """X1: and the sweep, which looks once more, gets through it too"""
    digests = _tower(library)
    for digest in reversed(digests):
        delete_digest(library, digest)
    (entry,) = listed(library.api(), search=digests[-1])
    answer = restore(library.api(), entry)
    assert (answer.status, answer.json()["tags"]) == (200, ["tower"])
    run_background(library.stack)
    assert pulled(library, digests[0]) == digests[0]


def test_a_tower_of_indexes_is_too_much_for_a_copy(library: Library) -> None:
    """N5"""
    _tower(library)
    order = {"namespace": "library", "repository": "other", "tag": "tower"}
    answer = library.api().post(library.path("/tags/tower/copies"), order)
    assert (answer.status, answer.code) == (409, "CONFLICT")


def test_indexes_that_list_the_same_ones_again_and_again_have_a_size_that_can_be_written(library: Library) -> None:
    """N4, X1: each floor holds a hundred times what the one below does"""
    floor = [_image(library)]
    _pushed(library, floor[0])
    for _ in range(12):
        floor = [_index(*floor, number=str(number)) for number in range(20)]
        for body in floor:
            _pushed(library, body)
        library.handle_events()
    body = _index(*floor)
    _pushed(library, body, "v1")
    library.handle_events()
    (shown,) = library.api().get(library.path("/tags")).json()["items"]
    assert shown["size"] == MOST_CONTENT_BYTES
    delete_tag(library, "v1")
    assert listed(library.api())[0]["size"] == MOST_CONTENT_BYTES


def test_sizes_that_nobody_checked_stop_no_push_and_no_deletion(library: Library) -> None:
    """R1, X1: a sparse index says of what is not here what it likes"""
    make_namespace(library.stack, library.instance, "sparse", allow_sparse_indexes=True)
    for number in range(4):
        missing = [Digest.of(f"{number} {child}".encode()) for child in range(4)]
        children = [{"mediaType": media.OCI_MANIFEST, "digest": digest, "size": 2**63 - 1} for digest in missing]
        body = json.dumps({"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": children}).encode()
        _pushed(library, body, f"v{number}", name=SPARSE)
    library.handle_events()
    for number in range(4):
        delete_tag(library, f"v{number}", SPARSE)
    assert len(listed(library.api())) == 4


def test_a_manifest_of_three_thousand_long_tags_goes_and_comes_back(library: Library) -> None:
    """R7, X1: each of its entries is an event, of its own tags"""
    digest, tags = library.push("v1"), [f"{number:0128d}" for number in range(3000)]
    body = library.registry.pull(library.owner, NAME, digest).body
    for start in range(0, len(tags), 15):
        _pushed(library, body, *tags[start : start + 15])
    delete_digest(library, digest)
    entries = listed(library.api())
    assert [entry["kind"] for entry in entries] == ["manifest"] * 5
    assert sum(entry["tag_count"] for entry in entries) == 3001
    untold = [row for shard in keys.untold_partitions() for row in library.stack.table.query(shard, index="i2").items]
    assert {row["id"] for row in untold} == {entry["id"] for entry in entries}
    for entry in entries:
        assert restore(library.api(), entry).status == 200
    assert {pulled(library, tag) for tag in (*tags, "v1")} == {digest}
