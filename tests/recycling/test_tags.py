"""X1: tags and manifests come back from the recycle bin whole, and count as pushed now."""

from __future__ import annotations

import pytest

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import ManifestUnknown, NotFound
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports import keys
from tests.background import run_background
from tests.registry.images import NAME, image, index, push_blob, push_manifest
from tests.registry.library import DAY, OTHER, Library, gone_for_good
from tests.stacks import FrozenClock

from .bin import delete_digest, delete_repository, delete_tag, listed, pulled, restore


def test_a_deleted_tag_comes_back_and_counts_as_pushed_now(library: Library, clock: FrozenClock) -> None:
    """X1: with an event, as any push"""
    digest = library.push("v1")
    library.handle_events()
    clock.advance(60)
    delete_tag(library, "v1")
    clock.advance(6 * DAY)
    api = library.api()
    (entry,) = listed(api)
    assert (entry["kind"], entry["name"], entry["tags"], entry["restorable"]) == ("tag", "v1", ["v1"], True)
    answer = restore(api, entry)
    assert (answer.status, answer.json()["tags"], answer.json()["repository"]) == (200, ["v1"], NAME)
    assert pulled(library, "v1") == digest
    tag = api.get(library.path("/tags/v1")).json()
    assert tag["pushed_at"] == "2026-02-06T08:01:00.000000Z"
    pushes = library.stack.objects(library.instance.bucket).list(f"{library.instance.id}/pushes/").items
    assert len(pushes) == 1
    assert listed(api) == []
    assert restore(api, entry).status == 404


def test_restored_content_outlives_the_end_of_its_old_grace_period(library: Library, clock: FrozenClock) -> None:
    """X1"""
    digest = library.push("v1")
    delete_tag(library, "v1")
    assert restore(library.api(), listed(library.api())[0]).status == 200
    clock.advance(9 * DAY)
    run_background(library.stack)
    assert pulled(library, "v1") == digest


def test_a_tag_whose_name_is_taken_comes_back_under_the_name_that_is_offered(library: Library) -> None:
    """X1: restoring never moves a tag"""
    old = library.push("v1")
    delete_tag(library, "v1")
    new = library.push("v1", layers=(b"new",))
    api = library.api()
    (entry,) = listed(api)
    refused = restore(api, entry)
    assert (refused.status, refused.json()["context"]["tags"]) == (409, ["v1"])
    offered = refused.json()["context"]["free_name"]
    assert restore(api, entry, name=offered).json()["tags"] == [offered]
    assert (pulled(library, "v1"), pulled(library, offered)) == (new, old)


def test_a_tag_that_points_there_again_only_leaves_the_bin(library: Library) -> None:
    """X1"""
    library.push("v1")
    delete_tag(library, "v1")
    digest = library.push("v1")
    before = library.stack.table.get(keys.tag(library.repository().id, "v1"))
    assert restore(library.api(), listed(library.api())[0]).json()["tags"] == []
    assert library.stack.table.get(keys.tag(library.repository().id, "v1")) == before
    assert (pulled(library, "v1"), listed(library.api())) == (digest, [])


def test_a_manifest_comes_back_with_its_hundred_tags_page_by_page(library: Library) -> None:
    """R7, X1"""
    tags = [f"v{number:03}" for number in range(110)]
    for start in range(0, len(tags), 20):
        digest = library.push(*tags[start : start + 20])
    delete_digest(library, digest)
    api = library.api()
    (entry,) = listed(api)
    assert (entry["kind"], entry["tag_count"], len(entry["tags"])) == ("manifest", 110, 100)
    answer = restore(api, entry)
    assert sorted(answer.json()["tags"]) == tags
    assert {pulled(library, tag) for tag in tags} == {digest}


def test_taken_tags_of_a_manifest_are_named_and_left_if_that_is_said(library: Library) -> None:
    """X1"""
    digest = library.push("v1", "v2")
    delete_digest(library, digest)
    new = library.push("v2", layers=(b"new",))
    api = library.api()
    (entry,) = listed(api)
    refused = restore(api, entry)
    assert (refused.status, refused.json()["context"]["tags"]) == (409, ["v2"])
    with pytest.raises(ManifestUnknown):
        pulled(library, "v1")
    answer = restore(api, entry, leave_taken=True).json()
    assert (answer["tags"], answer["left"]) == (["v1"], ["v2"])
    assert (pulled(library, "v1"), pulled(library, "v2")) == (digest, new)


def test_a_manifest_without_tags_stays_through_a_new_grace_period(library: Library, clock: FrozenClock) -> None:
    """R7: what lost its last tag, and then came back without it"""
    digest = library.push("v1")
    delete_digest(library, digest)
    library.push("v1", layers=(b"new",))
    clock.advance(5 * DAY)
    assert restore(library.api(), listed(library.api())[0], leave_taken=True).status == 200
    clock.advance(6 * DAY)
    run_background(library.stack)
    assert pulled(library, digest) == digest
    clock.advance(2 * DAY)
    run_background(library.stack)
    with pytest.raises(ManifestUnknown):
        pulled(library, digest)


def test_a_restored_index_pulls_whole_though_its_children_were_deleted_alone(library: Library) -> None:
    """X1, R7: also an index below it, and a child that refers to something"""
    registry, owner = library.registry, library.owner
    for data in (b"{}", b"one", b"two"):
        push_blob(registry, owner, data)
    one, two = image(b"one"), image(b"two")
    inner = index(two)
    for body in (one, two, inner, index(one, inner)):
        push_manifest(registry, owner, body, *(["both"] if body == index(one, inner) else []))
    delete_digest(library, Digest.of(index(one, inner)))
    delete_digest(library, Digest.of(inner))
    for child in (one, two):
        delete_digest(library, Digest.of(child))
    api = library.api()
    for blob in (b"one", b"two"):
        registry.delete_blob(owner, NAME, Digest.of(blob))
    (entry,) = [entry for entry in listed(api) if entry["tags"] == ["both"]]
    assert restore(api, entry).status == 200
    assert pulled(library, "both") == Digest.of(index(one, inner))
    for body in (one, two, inner):
        assert pulled(library, Digest.of(body)) == Digest.of(body)
    for blob in (b"one", b"two"):
        assert registry.blob(owner, NAME, Digest.of(blob)).size == 3


def test_a_restored_signature_is_listed_with_its_subject_again(library: Library) -> None:
    """X1"""
    registry, owner = library.registry, library.owner
    subject = library.push("v1")
    body = registry.pull(owner, NAME, subject).body
    described = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": len(body)}
    push_blob(registry, owner, b"{}")
    push_blob(registry, owner, b"signature")
    signature = image(b"signature", subject=described, annotations={"by": "ann"})
    push_manifest(registry, owner, signature)
    delete_digest(library, Digest.of(signature))
    assert registry.referrers(owner, NAME, subject).items == ()
    assert restore(library.api(), listed(library.api())[0]).status == 200
    (referrer,) = registry.referrers(owner, NAME, subject).items
    assert (referrer.digest, referrer.annotations) == (Digest.of(signature), {"by": "ann"})


def test_what_was_in_a_deleted_repository_waits_for_it(library: Library) -> None:
    """X1"""
    digest = library.push("v1", "v2")
    delete_tag(library, "v1")
    delete_repository(library)
    api = library.api()
    repository, tag = (listed(api, kind=kind)[0] for kind in ("repository", "tag"))
    assert (tag["restorable"], repository["restorable"]) == (False, True)
    refused = restore(api, tag)
    assert (refused.status, "restore it first" in refused.json()["detail"]) == (409, True)
    assert restore(api, repository, name="moved").status == 200
    (tag,) = listed(api)
    assert (tag["restorable"], tag["repository"]) == (True, "library/moved")
    assert restore(api, tag).json()["repository"] == "library/moved"
    assert pulled(library, "v1", type(NAME)("library/moved")) == digest


def test_a_history_tells_of_the_restoring(library: Library, clock: FrozenClock) -> None:
    """X2"""
    digest = library.push("v1")
    delete_tag(library, "v1")
    clock.advance(5)
    restore(library.api(), listed(library.api())[0])
    rows = library.stack.table.query(keys.repository_partition(library.repository().id), prefix="HISTORY#v1#").items
    assert [(row["digest"], row["previous"], row["pushed_by"], row["how"]) for row in rows] == [
        (digest, "", "admin", "push"),
        (digest, "", "owner", "restore"),
    ]


def test_a_frozen_instance_restores_nothing(library: Library) -> None:
    """I6"""
    library.push("v1")
    delete_tag(library, "v1")
    api = library.api()
    (entry,) = listed(api)
    instances = Instances(library.stack)
    frozen = instances.change(library.instance, expires_at=library.stack.clock.now())
    assert restore(api, entry).code == "INSTANCE_FROZEN"
    instances.change(frozen, expires_at=None)
    assert restore(api, entry).status == 200


def test_bad_orders_are_refused_naming_the_field(library: Library) -> None:
    digest = library.push("v1", "v2")
    delete_tag(library, "v1")
    delete_digest(library, digest)
    api = library.api()
    manifest, tag = (listed(api, kind=kind)[0] for kind in ("manifest", "tag"))
    for entry, order, field in (
        (tag, {"name": "no:tag"}, "name"),
        (tag, {"leave_taken": True}, "leave_taken"),
        (manifest, {"name": "v3"}, "name"),
        (tag, {"other": 1}, "other"),
    ):
        refused = restore(api, entry, **order)
        assert (refused.status, refused.json()["errors"][0]["field"]) == (400, field)


def test_restored_and_deleted_again_everything_goes_for_good(library: Library, clock: FrozenClock) -> None:
    """X1"""
    library.push("v1")
    delete_tag(library, "v1")
    restore(library.api(), listed(library.api())[0])
    delete_tag(library, "v1")
    gone_for_good(library, clock)
    with pytest.raises(NotFound):
        library.registry.tag(library.repository(), TagName("v1"))


def test_a_shared_layer_stays_for_the_other_repository(library: Library, clock: FrozenClock) -> None:
    """X1, X3"""
    library.push("v1")
    library.push("v1", name=OTHER)
    delete_tag(library, "v1")
    clock.advance(8 * DAY)
    run_background(library.stack)
    clock.advance(2 * DAY)
    run_background(library.stack)
    assert listed(library.api()) == []
    assert library.registry.blob(library.owner, OTHER, Digest.of(b"one")).size == 3
