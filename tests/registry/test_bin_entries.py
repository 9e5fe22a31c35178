"""I4, X1: what lies in the recycle bin is counted as it comes and goes, and told of unless a task put it there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.instances.service import Instances
from chalicelib.kernel.names import TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, Table, Update
from chalicelib.registry.models import BinEntry
from chalicelib.registry.retirement import TAGS_PER_TRANSACTION, Deletion, Retirement
from chalicelib.registry.rules import TAGS_PER_PUSH
from tests.background import run_background, run_tasks
from tests.stacks import FrozenClock, with_table

from .images import NAME
from .library import CONFIG, DAY, OTHER, Library, gone_for_good


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


@pytest.fixture(autouse=True)
def whole_afterwards(stack: Stack) -> Iterator[None]:
    """Nothing is lost, leaked or miscounted at the end of any test."""
    yield
    assert list(Fsck(stack, deep=True).run()) == []


def entries(library: Library) -> list[Any]:
    return list(library.stack.table.query(keys.bin_partition(library.instance.id), limit=1000).items)


def binned(library: Library) -> int:
    shown = library.api().get("/instances/ci/overview").json()["storage"]["binned"]
    assert shown == Instances(library.stack).usage(library.instance).storage.binned
    return int(shown)


def size_of(library: Library, tag: str) -> int:
    return int(library.api().get(library.path(f"/tags/{tag}")).json()["size"])


def test_each_entry_counts_with_all_it_holds_until_it_expires(library: Library, clock: FrozenClock) -> None:
    """X1: content that two entries share counts with both."""
    library.push("v1", "v2", "v3", layers=(b"base", b"app"))
    size = size_of(library, "v1")
    assert size == len(b"baseapp") + len(json.dumps(CONFIG))
    library.registry.delete(library.owner, NAME, TagName("v1"))
    assert binned(library) == size
    clock.advance(DAY)
    library.api().post(library.path("/tag-deletions"), {"tags": ["v2", "v3"]})
    assert binned(library) == 3 * size == sum(entry["size"] for entry in entries(library))
    clock.advance(6 * DAY + 60)
    run_background(library.stack)
    assert binned(library) == 2 * size
    gone_for_good(library, clock)
    assert binned(library) == 0


def test_a_manifest_of_many_pages_of_tags_counts_once(library: Library, clock: FrozenClock) -> None:
    """R7, X1"""
    tags = [f"t{number:03d}" for number in range(2 * TAGS_PER_TRANSACTION + TAGS_PER_PUSH)]
    for start in range(0, len(tags), TAGS_PER_PUSH):
        digest = library.push(*tags[start : start + TAGS_PER_PUSH])
    size = size_of(library, tags[0])
    library.registry.delete(library.owner, NAME, digest)
    (entry,) = entries(library)
    assert (len(entry["tags"]), entry["size"], binned(library)) == (len(tags), size, size)
    assert entry["i2pk"] in keys.untold_partitions()
    gone_for_good(library, clock)
    assert binned(library) == 0


class Silent:
    """A table that carries every transaction out and does not say so, as often as it is told."""

    def __init__(self, table: Table, times: int) -> None:
        self._table = table
        self.times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def transact(self, writes: Any, *, relaxed: bool = False) -> None:
        self._table.transact(writes, relaxed=relaxed)
        self.times -= 1
        if self.times >= 0:
            raise OutcomeUnknown


@pytest.mark.parametrize("way", ["tag", "digest", "tags"])
def test_a_deletion_that_nobody_answered_for_is_made_and_counted_once(library: Library, way: str) -> None:
    """R1, X1"""
    tags = [f"t{number:03d}" for number in range(TAGS_PER_TRANSACTION + TAGS_PER_PUSH)]
    for start in range(0, len(tags), TAGS_PER_PUSH):
        digest = library.push(*tags[start : start + TAGS_PER_PUSH])
    size, stack = size_of(library, tags[0]), with_table(library.stack, Silent(library.stack.table, 4))
    deletion = Deletion(library.instance, library.repository(), "ann")
    if way == "tag":
        Retirement(stack).delete_tag(deletion, TagName(tags[0]))
    elif way == "digest":
        Retirement(stack).delete_manifest(deletion, digest, sparse=False)
    else:
        records = [library.registry.tag(deletion.repository, TagName(tag)) for tag in tags]
        assert set(Retirement(stack).delete_tags(deletion, records).values()) == {None}
    assert len(entries(library)) == (len(tags) if way == "tags" else 1)
    assert binned(library) == size * len(entries(library))


def test_a_repository_and_a_namespace_count_once_with_all_they_take_along(library: Library, clock: FrozenClock) -> None:
    """N2, N3, X1: and what lay in the bin of them already goes with them."""
    library.push("v1", "v2")
    library.push("v1", name=OTHER)
    one = size_of(library, "v1")
    library.registry.delete(library.owner, NAME, TagName("v2"))
    library.api().delete(library.path(), confirm="app")
    library.api().delete("/instances/ci/namespaces/library", confirm="library")
    run_tasks(library.stack)
    sizes = {entry["kind"]: entry["size"] for entry in entries(library) if not entry["parent"]}
    (part,) = [entry for entry in entries(library) if entry["parent"]]
    assert (sizes, part["size"], part["counted"]) == ({"tag": one, "repository": one, "namespace": one}, 0, False)
    assert binned(library) == 3 * one
    gone_for_good(library, clock)
    assert (binned(library), entries(library)) == (0, [])


def test_an_entry_of_before_there_was_a_counter_takes_nothing_off_it(library: Library, clock: FrozenClock) -> None:
    """X1"""
    library.push("v1", "v2")
    library.registry.delete(library.owner, NAME, TagName("v1"))
    (entry,) = entries(library)
    key = keys.bin_entry(library.instance.id, entry["id"])
    library.stack.table.update(Update(key, remove=("counted",)))
    (uncount,) = Instances(library.stack).binned_changes(library.instance.id, {entry["id"]: -entry["size"]})
    library.stack.table.update(uncount)
    assert not BinEntry.model_validate(library.stack.table.get(key)).counted
    clock.advance(DAY)
    library.registry.delete(library.owner, NAME, TagName("v2"))
    clock.advance(6 * DAY + 60)
    run_background(library.stack)
    assert binned(library) == entry["size"]
    gone_for_good(library, clock)
    assert binned(library) == 0


def test_fsck_tells_of_a_counter_that_differs_from_a_recount(library: Library) -> None:
    """X1"""
    library.push("v1", "v2")
    library.registry.delete(library.owner, NAME, TagName("v1"))
    (wrong,) = Instances(library.stack).binned_changes(library.instance.id, {"x": 1})
    library.stack.table.update(wrong)
    (found,) = Fsck(library.stack).run()
    assert (found.kind, found.subject) == ("count", library.instance.id)
    assert found.message.startswith("binned: the counter says")
    (right,) = Instances(library.stack).binned_changes(library.instance.id, {"x": -1})
    library.stack.table.update(right)


def test_what_people_and_clients_delete_is_an_event_and_what_a_task_does_is_not(library: Library) -> None:
    """X5: of a namespace the whole is told of, and none of its parts."""
    for start in range(0, 105, TAGS_PER_PUSH):
        library.push(*[f"t{number}" for number in range(start, start + TAGS_PER_PUSH)])
    library.push("v1", "v2", "v3", layers=(b"other",))
    library.registry.delete(library.owner, NAME, TagName("v1"))
    library.api().delete(library.path("/tags/v2"))
    library.api().post(library.path("/tag-deletions"), {"all_matching": {"prefix": "t"}})
    run_tasks(library.stack)
    untold = {entry["name"]: "i2sk" in entry for entry in entries(library)}
    assert {name for name, told in untold.items() if told} == {"v1", "v2"}
    assert len(untold) == 107
    library.push("v1", name=OTHER)
    library.api().delete(library.path(), confirm="app")
    library.api().delete("/instances/ci/namespaces/library", confirm="library")
    run_tasks(library.stack)
    shown = {(entry["kind"], bool(entry["parent"])): entry.get("i2sk") for entry in entries(library)}
    assert shown["repository", False]
    assert shown["namespace", False]
    assert shown["repository", True] is None
