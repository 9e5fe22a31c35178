"""The registry's lists, notes and counters on DynamoDB's own words, in process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from chalicelib.registry.pulls import Pull, Pulls
from chalicelib.registry.series import Series
from tests.ports_aws.adapters import open_moto_table
from tests.stacks import FrozenClock, embedded_stack, with_table

from .companions import accelerate, running
from .images import NAME
from .library import Library

pytestmark = pytest.mark.campaign


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened, open_moto_table(tmp_path) as table:
        yield with_table(opened, table)


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


def walk(library: Library, **query: object) -> list[str]:
    """The tags of all pages, two to a page."""
    api, found, cursor = library.api(Role.READER), list[str](), ""
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = api.get(library.path("/tags"), limit=2, **query, **more).json()
        found.extend(row["tag"] for row in page["items"])
        if not page["next"]:
            return found
        cursor = page["next"]


def test_every_order_of_tags_comes_whole(library: Library, clock: FrozenClock) -> None:
    """N4"""
    for tag, layer in (("v2", b"a"), ("v1", b"bb"), ("w1", b"ccc"), ("v3", b"dddd")):
        library.push(tag, layers=(layer,))
        clock.advance(1)
    assert walk(library) == ["v1", "v2", "v3", "w1"]
    assert walk(library, sort="-name", prefix="v") == ["v3", "v2", "v1"]
    assert walk(library, sort="-pushed_at") == ["v3", "w1", "v1", "v2"]
    assert walk(library, sort="pushed_at", prefix="v") == ["v2", "v1", "v3"]
    assert walk(library, search="1") == ["v1", "w1"]
    assert walk(library, sort="-size") == ["v3", "w1", "v1", "v2"]


def test_notes_stay_through_a_push_and_hours_add_up(library: Library, clock: FrozenClock) -> None:
    """N4, I7"""
    digest = library.push("v1")
    library.handle_events()
    repository = library.repository()
    by_tag, by_digest = (Pull(library.instance.id, repository.id, tag, digest) for tag in ("v1", ""))
    Pulls(library.stack).write({by_tag: 2, by_digest: 3})
    library.push("v1", layers=(b"new",))
    library.handle_events()
    row = library.registry.tag(repository, TagName("v1"))
    assert (row.pulls, row.version) == (5, 2)
    assert library.repository().kind == "image"
    clock.advance(3600)
    Pulls(library.stack).write({by_tag: 1})
    hours = Series(library.stack).hours(library.instance.id, clock.now() - timedelta(hours=1), clock.now())
    assert [(hour.pulls, hour.pushes) for hour in hours] == [(5, 2), (1, 0)]


def test_manifests_are_shown_and_tags_copied(library: Library) -> None:
    """N5, N6"""
    digest = library.push("v1")
    answer = library.api().post(library.path("/tags/v1/copies"), {"repository": "other", "tag": "v2"})
    assert answer.status == 201, answer.text
    path = library.path(f"/manifests/{digest}", RepositoryName.parse("library/other"))
    found = library.api().get(path).json()
    assert (found["tags"], found["platforms"], len(found["layers"])) == (["v2"], ["linux/amd64"], 2)


@pytest.mark.parametrize("count", [2, pytest.param(10, marks=pytest.mark.campaign)])
def test_a_companion_is_pushed_deleted_and_restored(library: Library, count: int) -> None:
    """A1: what one transaction writes and checks of both is what DynamoDB takes; of ten, as many as it has room for."""
    tags = [f"v{number}" for number in range(count)]
    for tag in tags:
        library.push(tag, layers=(tag.encode(),))
        running(library, tag)
        accelerate(library, tag, layer=b"lazy " + tag.encode())
    library.push("v0", layers=(b"moved",))
    assert library.registry.retire_companion(library.instance, library.repository(), TagName("v0"))
    running(library, "v0")
    answer = library.api().post(library.path("/tag-deletions"), {"tags": tags})
    assert len(answer.json()["tags"]) == 2 * count - 1
    digest = library.push("v1", "w1", layers=(b"v1",))
    accelerate(library, "w1", layer=b"lazy v1")
    library.registry.delete(library.owner, NAME, digest)
    assert library.registry.tags(library.owner, NAME).items == ()
    for kind in ("manifest", "tag"):
        entries = library.api().get("/instances/ci/recycle-bin", kind=kind, limit=100).json()["items"]
        for entry in entries:
            if not entry["name"].endswith("-accelerated"):
                library.api().post(f"/instances/ci/recycle-bin/{entry['id']}/restore", {})
    rows = library.api().get(library.path("/tags"), limit=100).json()["items"]
    states = {row["tag"]: row["acceleration"]["state"] for row in rows if not row["accelerated"]}
    assert states == dict.fromkeys([*tags, "w1"], "succeeded") | {"v0": "none", "v1": "none"}
