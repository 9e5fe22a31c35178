"""R6, R7, N5, X3: what a push answers for stays; what nothing needs goes, and only that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.collection.service import Fsck, Sweeper
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import BlobUnknown, InUse, ManifestBlobUnknown, ManifestUnknown, SizeInvalid
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry
from tests.stacks import FrozenClock, make_namespace

from .images import NAME, image, index, push_blob, push_image, push_manifest

OTHER = RepositoryName("library/other")
DAY = 86_400
BASE, TOP = b"base layer" * 100, b"top layer" * 50


def read(registry: Registry, caller: Caller, data: bytes, name: RepositoryName = NAME) -> bytes:
    reading = registry.read_blob(registry.blob(caller, name, Digest.of(data)))
    try:
        return b"".join(reading.chunks())
    finally:
        reading.close()


@pytest.fixture(autouse=True)
def whole_afterwards(stack: Stack, instance: Instance) -> Iterator[None]:
    """Whatever a test does, nothing is lost, leaked or miscounted at its end."""
    yield
    assert list(Fsck(stack, deep=True).run()) == []


def stored(stack: Stack, instance: Instance) -> int:
    return Instances(stack).usage(instance).storage.used


def test_what_was_pushed_is_pulled_byte_for_byte(registry: Registry, caller: Caller) -> None:
    """R6"""
    pushed = push_image(registry, caller, BASE, TOP)
    assert registry.pull(caller, NAME, TagName("v1")).body == image(BASE, TOP)
    assert registry.pull(caller, NAME, pushed.digest).body == image(BASE, TOP)
    assert read(registry, caller, BASE) == BASE


def test_a_manifest_without_its_blobs_is_refused_and_leaves_nothing(
    registry: Registry, caller: Caller, stack: Stack
) -> None:
    """R6"""
    push_blob(registry, caller, b"{}")
    with pytest.raises(ManifestBlobUnknown):
        push_manifest(registry, caller, image(BASE), "v1")
    with pytest.raises(ManifestUnknown):
        registry.pull(caller, NAME, TagName("v1"))
    assert Sweeper(stack).overdue() == []


def test_a_manifest_that_lies_about_a_size_is_refused(registry: Registry, caller: Caller) -> None:
    """R1"""
    push_blob(registry, caller, b"{}")
    push_blob(registry, caller, BASE)
    with pytest.raises(SizeInvalid):
        push_manifest(registry, caller, image(BASE).replace(b'"size": 1000', b'"size": 999'), "v1")


def test_a_deleted_tag_keeps_its_content_for_the_grace_period_and_not_longer(
    registry: Registry, caller: Caller, stack: Stack, instance: Instance, clock: FrozenClock
) -> None:
    """N5, X1, X3"""
    pushed = push_image(registry, caller, BASE)
    registry.delete(caller, NAME, TagName("v1"))
    with pytest.raises(ManifestUnknown):
        registry.pull(caller, NAME, TagName("v1"))
    clock.advance(6 * DAY)
    Sweeper(stack).run()
    assert registry.pull(caller, NAME, pushed.digest).digest == pushed.digest
    assert read(registry, caller, BASE) == BASE
    clock.advance(2 * DAY)
    Sweeper(stack).run()
    with pytest.raises(ManifestUnknown):
        registry.pull(caller, NAME, pushed.digest)
    with pytest.raises(BlobUnknown):
        registry.blob(caller, NAME, Digest.of(BASE))
    assert stored(stack, instance) == 0
    clock.advance(2 * DAY)
    Sweeper(stack).run()
    assert stack.objects(instance.bucket).list(f"{instance.id}/blobs/").items == ()


def test_deleting_one_tag_leaves_its_siblings(
    registry: Registry, caller: Caller, stack: Stack, clock: FrozenClock
) -> None:
    """N5"""
    push_image(registry, caller, BASE, tag="v1")
    push_image(registry, caller, BASE, tag="v2")
    registry.delete(caller, NAME, TagName("v1"))
    clock.advance(30 * DAY)
    Sweeper(stack).run()
    assert registry.pull(caller, NAME, TagName("v2")).body == image(BASE)
    assert read(registry, caller, BASE) == BASE


def test_a_shared_blob_outlives_the_repository_that_lost_it(
    registry: Registry, caller: Caller, stack: Stack, clock: FrozenClock
) -> None:
    """X3: and the repository that lost it can no longer read it."""
    push_image(registry, caller, BASE, tag="v1")
    push_image(registry, caller, BASE, TOP, tag="v1", name=OTHER)
    registry.delete(caller, NAME, TagName("v1"))
    clock.advance(30 * DAY)
    Sweeper(stack).run()
    assert read(registry, caller, BASE, OTHER) == BASE
    with pytest.raises(BlobUnknown):
        registry.blob(caller, NAME, Digest.of(BASE))


def test_an_overwritten_manifest_stays_by_digest_until_the_grace_period_ends(
    registry: Registry, caller: Caller, stack: Stack, clock: FrozenClock
) -> None:
    """R7"""
    first = push_image(registry, caller, BASE)
    push_image(registry, caller, TOP)
    clock.advance(6 * DAY)
    Sweeper(stack).run()
    assert registry.pull(caller, NAME, first.digest).body == image(BASE)
    clock.advance(2 * DAY)
    Sweeper(stack).run()
    with pytest.raises(ManifestUnknown):
        registry.pull(caller, NAME, first.digest)
    assert registry.pull(caller, NAME, TagName("v1")).body == image(TOP)


def test_a_manifest_never_tagged_stays(registry: Registry, caller: Caller, stack: Stack, clock: FrozenClock) -> None:
    """R7"""
    for data in (b"{}", BASE):
        push_blob(registry, caller, data)
    pushed = push_manifest(registry, caller, image(BASE))
    clock.advance(400 * DAY)
    Sweeper(stack).run()
    assert registry.pull(caller, NAME, pushed.digest).body == image(BASE)
    assert read(registry, caller, BASE) == BASE


def test_an_index_keeps_its_children_and_takes_them_with_it(
    registry: Registry, caller: Caller, stack: Stack, clock: FrozenClock
) -> None:
    """R7, X3"""
    for data in (b"{}", BASE, TOP):
        push_blob(registry, caller, data)
    amd64, arm64 = image(BASE), image(TOP)
    for child in (amd64, arm64):
        push_manifest(registry, caller, child)
    push_manifest(registry, caller, index(amd64, arm64), "v1")
    with pytest.raises(InUse):
        registry.delete(caller, NAME, Digest.of(amd64))
    registry.delete(caller, NAME, TagName("v1"))
    clock.advance(8 * DAY)
    Sweeper(stack).run()
    for body in (amd64, arm64, index(amd64, arm64)):
        with pytest.raises(ManifestUnknown):
            registry.pull(caller, NAME, Digest.of(body))
    with pytest.raises(BlobUnknown):
        registry.blob(caller, NAME, Digest.of(TOP))


def test_an_index_with_an_absent_child_is_refused_and_harms_no_present_one(
    registry: Registry, caller: Caller, stack: Stack, clock: FrozenClock
) -> None:
    """R1, R7: the child that was there stays, though the index that named it never came to be."""
    for data in (b"{}", BASE):
        push_blob(registry, caller, data)
    push_manifest(registry, caller, image(BASE))
    with pytest.raises(ManifestBlobUnknown):
        push_manifest(registry, caller, index(image(BASE), image(TOP)), "v1")
    clock.advance(30 * DAY)
    Sweeper(stack).run()
    assert registry.pull(caller, NAME, Digest.of(image(BASE))).body == image(BASE)


def test_referrers_die_with_their_subject(registry: Registry, caller: Caller, stack: Stack, clock: FrozenClock) -> None:
    """R7"""
    pushed = push_image(registry, caller, BASE)
    subject = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": pushed.digest,
        "size": len(image(BASE)),
    }
    signature = image(subject=subject, artifactType="application/vnd.example.signature")
    push_manifest(registry, caller, signature)
    listed = registry.referrers(caller, NAME, pushed.digest)
    assert [(one.digest, one.artifact_type) for one in listed.items] == [
        (Digest.of(signature), "application/vnd.example.signature")
    ]
    registry.delete(caller, NAME, TagName("v1"))
    clock.advance(8 * DAY)
    Sweeper(stack).run()
    with pytest.raises(ManifestUnknown):
        registry.pull(caller, NAME, Digest.of(signature))


def test_deleting_by_digest_takes_every_tag_into_one_bin_entry(
    registry: Registry, caller: Caller, stack: Stack, instance: Instance
) -> None:
    """R7"""
    for data in (b"{}", BASE):
        push_blob(registry, caller, data)
    for n in range(0, 95, 15):
        push_manifest(registry, caller, image(BASE), *[f"v{n + m}" for m in range(15)])
    registry.delete(caller, NAME, Digest.of(image(BASE)))
    assert registry.tags(caller, NAME).items == ()
    entries = stack.table.query(f"BIN#{instance.id}").items
    assert len(entries) == 1
    assert len(entries[0]["tags"]) == 105


def test_a_manifest_pushed_again_from_the_bin_is_whole(
    registry: Registry, caller: Caller, stack: Stack, clock: FrozenClock
) -> None:
    """R6, X1: also after somebody deleted its blobs meanwhile."""
    push_image(registry, caller, BASE)
    registry.delete(caller, NAME, Digest.of(image(BASE)))
    registry.delete_blob(caller, NAME, Digest.of(BASE))
    with pytest.raises(BlobUnknown):
        registry.blob(caller, NAME, Digest.of(BASE))
    push_manifest(registry, caller, image(BASE), "v1")
    clock.advance(30 * DAY)
    Sweeper(stack).run()
    assert registry.pull(caller, NAME, TagName("v1")).body == image(BASE)
    assert read(registry, caller, BASE) == BASE


def test_a_blob_that_a_live_manifest_needs_cannot_be_deleted(registry: Registry, caller: Caller) -> None:
    """R7"""
    push_image(registry, caller, BASE)
    with pytest.raises(InUse):
        registry.delete_blob(caller, NAME, Digest.of(BASE))
    assert read(registry, caller, BASE) == BASE


def test_an_upload_that_no_manifest_names_goes_after_a_day(
    registry: Registry, caller: Caller, stack: Stack, instance: Instance, clock: FrozenClock
) -> None:
    """X3"""
    push_blob(registry, caller, BASE)
    assert stored(stack, instance) == len(BASE)
    clock.advance(DAY + 60)
    Sweeper(stack).run()
    with pytest.raises(BlobUnknown):
        registry.blob(caller, NAME, Digest.of(BASE))
    assert stored(stack, instance) == 0


def test_a_large_manifest_is_kept_and_collected_like_a_blob(
    registry: Registry, caller: Caller, stack: Stack, instance: Instance, clock: FrozenClock
) -> None:
    """R1: 3.9 MB manifests"""
    push_blob(registry, caller, b"{}")
    body = image(annotations={"note": "x" * 3_900_000})
    push_manifest(registry, caller, body, "v1")
    assert registry.pull(caller, NAME, TagName("v1")).body == body
    assert stored(stack, instance) == len(b"{}") + len(body)
    registry.delete(caller, NAME, TagName("v1"))
    clock.advance(8 * DAY)
    Sweeper(stack).run()
    assert stored(stack, instance) == 0


def test_a_blob_uploaded_again_after_its_death_lives(
    registry: Registry, caller: Caller, stack: Stack, instance: Instance, clock: FrozenClock
) -> None:
    """X3: the dead generation's bytes go, the new one's stay."""
    push_blob(registry, caller, BASE)
    clock.advance(DAY + 60)
    Sweeper(stack).run()
    push_image(registry, caller, BASE)
    clock.advance(3 * DAY)
    Sweeper(stack).run()
    assert read(registry, caller, BASE) == BASE
    blobs = stack.objects(instance.bucket).list(f"{instance.id}/blobs/").items
    assert sorted(blob.size for blob in blobs) == [2, len(BASE)]


def test_where_sparse_content_is_allowed_absent_parts_are_no_obstacle(
    registry: Registry, caller: Caller, stack: Stack, instance: Instance
) -> None:
    """R1, N1: what is there is held all the same."""
    make_namespace(stack, instance, "sparse", allow_sparse_indexes=True)
    name = RepositoryName("sparse/app")
    push_blob(registry, caller, b"{}", name)
    push_manifest(registry, caller, image(BASE), "image", name=name)
    push_manifest(registry, caller, index(image(TOP)), "index", name=name)
    assert registry.pull(caller, name, TagName("image")).body == image(BASE)
    assert registry.pull(caller, name, TagName("index")).body == index(image(TOP))


def test_children_of_a_deleted_index_can_be_deleted_and_an_index_in_use_keeps_them(
    registry: Registry, caller: Caller, stack: Stack, clock: FrozenClock
) -> None:
    """R7: and the deleted index does not come back without them."""
    for data in (b"{}", BASE):
        push_blob(registry, caller, data)
    push_manifest(registry, caller, image(BASE))
    both = index(image(BASE))
    push_manifest(registry, caller, both, "v1")
    with pytest.raises(InUse, match="index") as refused:
        registry.delete(caller, NAME, Digest.of(image(BASE)))
    assert refused.value.detail["needed_by"] == Digest.of(both)
    registry.delete(caller, NAME, Digest.of(both))
    registry.delete(caller, NAME, Digest.of(image(BASE)))
    with pytest.raises(ManifestBlobUnknown):
        push_manifest(registry, caller, both, "v1")
    push_manifest(registry, caller, image(BASE))
    push_manifest(registry, caller, both, "v1")
    clock.advance(30 * DAY)
    Sweeper(stack).run()
    assert registry.pull(caller, NAME, Digest.of(image(BASE))).body == image(BASE)
