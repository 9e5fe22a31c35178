"""A1: companions are deleted and restored with their originals, whichever way these go and come back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.kernel.errors import ManifestUnknown
from chalicelib.namespaces.models import NamespaceEdit
from chalicelib.namespaces.service import Namespaces
from chalicelib.registry.companions import BY, names
from chalicelib.registry.models import Acceleration, TagRecord
from chalicelib.registry.restoration import Restoration
from chalicelib.registry.retirement import TAGS_PER_TRANSACTION
from tests.background import run_background, run_tasks
from tests.faults.ports import faulty
from tests.faults.turns import CRASH_AFTER, Crashed, Worker
from tests.management import Reply
from tests.registry.companions import accelerate, original, push_same
from tests.registry.images import NAME
from tests.registry.library import DAY, Library, gone_for_good
from tests.stacks import FrozenClock

from .bin import delete_digest, delete_namespace, delete_repository, delete_tag, entries, free, listed, pulled, restore

WAYS: dict[str, Callable[[Library], object]] = {
    "tag": lambda library: delete_tag(library, "v1"),
    "through the API": lambda library: library.api().delete(library.path("/tags/v1")),
    "named": lambda library: tags_deleted(library, tags=["v1"]),
    "both named": lambda library: tags_deleted(library, tags=["v1-accelerated", "v1"]),
    "all that match": lambda library: tags_deleted(library, all_matching={"search": "v1"}),
    "digest": lambda library: delete_digest(library, original(library).digest),
    "repository": delete_repository,
    "namespace": delete_namespace,
}


def tags_deleted(library: Library, **order: object) -> Reply:
    return library.api().post(library.path("/tag-deletions"), order)


def standing(library: Library) -> dict[str, TagRecord]:
    names = library.registry.tags(library.owner, NAME).items
    return {name: original(library, name) for name in names}


def named(library: Library, name: str) -> dict[str, Any]:
    (entry,) = [entry for entry in listed(library.api()) if entry["name"] == name]
    return entry


@pytest.mark.parametrize("way", WAYS)
def test_a_companion_goes_and_comes_back_with_its_original(library: Library, way: str) -> None:
    """A1: and is again what the original's row says that it is."""
    library.push("v1", "other")
    digest = accelerate(library)
    before = standing(library)
    WAYS[way](library)
    if way not in ("repository", "namespace"):
        assert "v1-accelerated" not in standing(library)
        with pytest.raises(ManifestUnknown):
            pulled(library, "v1-accelerated")
    whole = [entry for entry in listed(library.api()) if entry["name"] != "v1-accelerated"]
    assert restore(library.api(), whole[0]).status in (200, 202)
    run_tasks(library.stack)
    after = standing(library)
    assert {name: tag.digest for name, tag in after.items()} == {name: tag.digest for name, tag in before.items()}
    assert (after["v1-accelerated"].pushed_by, after["v1-accelerated"].digest) == (BY, digest)
    assert after["v1"].acceleration == before["v1"].acceleration
    assert listed(library.api()) == []
    rows = library.api().get(library.path("/tags")).json()["items"]
    assert {row["tag"]: (row["accelerated"], row["acceleration"]["state"]) for row in rows} == {
        "other": (False, "none"),
        "v1": (False, "succeeded"),
        "v1-accelerated": (True, "none"),
    }


def test_what_goes_is_told_before_and_after(library: Library) -> None:
    """A1, N5: of a dry run, at once and of a task; the bytes are those of both."""
    library.push("v1", layers=(b"ten bytes.",))
    lazy = accelerate(library, layer=b"as lazily loadable")
    told = [tags_deleted(library, tags=["v1"], dry_run=dry_run).json() for dry_run in (True, False)]
    for answer in told:
        assert [tag["tag"] for tag in answer["tags"]] == ["v1", "v1-accelerated"]
        assert lazy in [going["digest"] for going in answer["digests"]]
        assert answer["bytes"] > len(b"ten bytes.") + len(b"as lazily loadable")


@pytest.mark.parametrize("by_name", [True, False])
def test_a_task_tells_of_each_companion_once(library: Library, by_name: bool) -> None:
    """A1, N5: named or not, before or after its original."""
    tags = [f"t{number:03d}" for number in range(102)]
    for start in range(0, len(tags), 15):
        library.push(*tags[start : start + 15])
    for tag in ("t000", "t060", "t101"):
        accelerate(library, tag)
    order: dict[str, Any] = {"tags": ["t101-accelerated", *tags, "t000-accelerated"]}
    answer = tags_deleted(library, **(order if by_name else {"all_matching": {"prefix": "t"}}))
    assert answer.status == 202
    run_tasks(library.stack)
    task = library.api().get(f"/instances/ci/tasks/{answer.json()['id']}").json()
    assert (task["state"], task["counts"]) == ("succeeded", {"deleted": 105})
    assert standing(library) == {}
    if by_name:
        assert task["progress"]["done"] == task["progress"]["total"] == 104


def test_as_many_companions_as_there_are_go_in_transactions_that_have_room(library: Library) -> None:
    """A1: each pair into two entries, which one transaction takes nine of; a manifest's page the same."""
    tags = [f"t{number:02d}" for number in range(24)]
    for tag in tags:
        library.push(tag, layers=(tag.encode(),))
        accelerate(library, tag, layer=b"lazy " + tag.encode())
    assert len(tags_deleted(library, tags=tags).json()["tags"]) == 48
    for start in range(0, len(tags), 12):
        digest = library.push(*tags[start : start + 12])
    for tag in tags:
        accelerate(library, tag, layer=b"lazy " + tag.encode())
    delete_digest(library, digest)
    assert standing(library) == {}
    (whole,) = listed(library.api(), kind="manifest")
    assert restore(library.api(), whole).status == 200
    assert len(standing(library)) == 48


def test_a_companion_that_is_deleted_alone_leaves_its_original(library: Library) -> None:
    """A1, A3: whose row then shows none; it comes back by itself beside the version that it was made of."""
    library.push("v1")
    digest = accelerate(library)
    delete_tag(library, "v1-accelerated")
    (row,) = library.api().get(library.path("/tags")).json()["items"]
    assert row["acceleration"]["state"] == "none"
    assert restore(library.api(), named(library, "v1-accelerated")).status == 200
    assert standing(library)["v1-accelerated"].digest == digest
    rows = library.api().get(library.path("/tags")).json()["items"]
    assert [row["acceleration"]["state"] for row in rows] == ["succeeded", "none"]


@pytest.mark.parametrize("now", ["gone", "moved"])
def test_a_companion_does_not_come_back_without_its_original(library: Library, now: str) -> None:
    """A1: the refusal says what to do; under another name it is a tag like any other."""
    library.push("v1")
    accelerate(library)
    delete_tag(library, "v1")
    if now == "moved":
        library.push("v1", layers=(b"two",))
    answer = restore(library.api(), named(library, "v1-accelerated"))
    assert answer.status == 409
    assert "restore v1, or restore this one under another name" in answer.json()["detail"]
    assert restore(library.api(), named(library, "v1-accelerated"), name="mine").status == 200
    assert standing(library)["mine"].pushed_by != BY


def test_an_original_under_another_name_comes_without_its_companion(library: Library) -> None:
    """A1"""
    library.push("v1")
    accelerate(library)
    delete_tag(library, "v1")
    assert restore(library.api(), named(library, "v1"), name="v2").status == 200
    after = standing(library)
    assert (list(after), after["v2"].acceleration) == (["v2"], None)


def test_a_name_that_acceleration_may_need_is_refused_to_what_comes_back(library: Library) -> None:
    """A1: also to a tag that had it before; of a manifest it can be left."""
    digest = library.push("v1-accelerated", "v2")
    delete_tag(library, "v2")
    delete_digest(library, digest)
    Namespaces(library.stack).edit(library.instance, "library", NamespaceEdit(acceleration=True))
    answer = restore(library.api(), named(library, "v2"), name="v3-accelerated")
    assert (answer.status, answer.code) == (409, "TAG_RESERVED")
    whole = listed(library.api(), kind="manifest")[0]
    answer = restore(library.api(), whole)
    assert (answer.status, answer.code) == (409, "TAG_RESERVED")
    answer = restore(library.api(), whole, leave_taken=True)
    assert (answer.status, answer.json()["left"]) == (200, ["v1-accelerated"])
    assert standing(library) == {}


def test_somebodys_own_tag_at_the_companions_name_stays(library: Library) -> None:
    """A1: the original comes back without, and says so."""
    library.push("v1")
    accelerate(library)
    delete_tag(library, "v1")
    mine = library.push("v1-accelerated", layers=(b"mine",))
    assert restore(library.api(), named(library, "v1")).status == 200
    after = standing(library)
    assert (after["v1-accelerated"].digest, after["v1"].acceleration) == (mine, None)


def test_a_digest_goes_though_somebodys_tag_in_the_way_of_a_companion_is_another_of_it(library: Library) -> None:
    """A1: the two are deleted by different pages, and the first one looks for no companion there."""
    before = [f"a{number:02}" for number in range(TAGS_PER_TRANSACTION - 2)]
    digest = library.push("v1", "v1-accelerated")
    for name in before:
        assert library.push(name) == digest
    mark = Acceleration(state="failed", reason="name_taken")
    assert library.registry.mark_tag(original(library), mark)
    delete_digest(library, digest)
    assert standing(library) == {}


def test_of_several_deletions_the_newest_companion_comes_back(library: Library) -> None:
    """A1: one of the digest that the original's entry names."""
    for layer in (b"lazy", b"lazier", b"lazy"):
        library.push("v1")
        digest = accelerate(library, layer=layer)
        delete_tag(library, "v1")
    newest = listed(library.api(), search="v1")
    back = next(entry for entry in newest if entry["name"] == "v1")
    assert restore(library.api(), back).json()["tags"] == ["v1", "v1-accelerated"]
    assert standing(library)["v1-accelerated"].digest == digest
    assert sorted(entry["name"] for entry in listed(library.api())) == ["v1", "v1", "v1-accelerated", "v1-accelerated"]


def test_an_entry_that_is_freed_takes_its_companions_along(library: Library, clock: FrozenClock) -> None:
    """A1, X1: the confirmation says so."""
    library.push("v1")
    accelerate(library)
    delete_tag(library, "v1")
    clock.advance(DAY)
    entry = named(library, "v1")
    asked = library.api().delete(f"/instances/ci/recycle-bin/{entry['id']}")
    assert "with 1 accelerated version" in asked.json()["detail"]
    assert free(library.api(), entry).status == 204
    assert listed(library.api()) == []
    gone_for_good(library, clock)


def test_a_companion_of_an_image_that_is_lazy_already_is_another_tag_of_it(library: Library) -> None:
    """A1, A3: where the converted image is the image itself both tags come and go with the digest."""
    library.push("v1")
    lazy = accelerate(library)
    copied = library.api().post(library.path("/tags/v1-accelerated/copies"), {"tag": "v2"})
    assert (copied.status, copied.json()["accelerated"]) == (201, False)
    body = library.registry.pull(library.owner, NAME, lazy).body
    assert push_same(library, original(library, "v2"), body) == lazy
    delete_digest(library, lazy)
    assert standing(library).keys() == {"v1"}
    (whole,) = listed(library.api())
    assert restore(library.api(), whole).status == 200
    after = standing(library)
    assert {name for name, tag in after.items() if tag.pushed_by == BY} == {"v1-accelerated", "v2-accelerated"}
    assert after["v2"].acceleration is not None


def test_a_restoration_that_dies_between_the_two_is_finished_by_the_sweep(library: Library, clock: FrozenClock) -> None:
    """A1, X1: at each of its writes; nobody asks again, and acceleration is off."""
    places = [0]
    while places:
        library.push("v1")
        accelerate(library)
        delete_tag(library, "v1")
        worker = Worker(plan={place: CRASH_AFTER} if (place := places.pop()) else {})
        back = next(entry for entry in entries(library.stack, library.instance) if entry.name == "v1")
        with contextlib.suppress(Crashed):
            Restoration(faulty(library.stack, worker)).restore(library.instance, back, "ann")
        if not place:
            places = [
                number for number, name in enumerate(worker.calls, 1) if name in ("table.transact", "objects.put")
            ]
            assert len(places) == 4
        assert worker.dead is bool(place)
        clock.advance(60)
        run_background(library.stack)
        after = standing(library)
        assert after.keys() == {"v1", "v1-accelerated"}
        assert names(after["v1"], after["v1-accelerated"].digest)
