"""N4, I7: when tags were pulled last, how often, and how much an instance does by the hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.edge.tally import flush_tallies
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Update
from chalicelib.registry import handlers
from chalicelib.registry.models import TagRecord
from chalicelib.registry.pulls import Pull, Pulls
from chalicelib.registry.series import Hour, Series
from chalicelib.registry.service import Registry
from chalicelib.repositories.service import Repositories
from tests.stacks import FrozenClock

from .images import push_image
from .library import Library
from .wire import Wire, sha256

PATH = "/v2/library/app/manifests"


def tag(wire: Wire, name: str = "v1") -> TagRecord:
    repository = Repositories(wire.stack).get(wire.instance.id, RepositoryName.parse("library/app"), fresh=True)
    return Registry(wire.stack).tag(repository, TagName(name))


def test_a_pull_by_tag_is_noted_at_the_next_flush_and_not_before(wire: Wire) -> None:
    """N4: never per pull."""
    wire.push_image("library/app", "v1")
    wire.push_image("library/app", "v2", b"other")
    for _ in range(3):
        assert wire.ask("GET", f"{PATH}/v1").status_code == 200
    assert (tag(wire).pulls, tag(wire).pulled_at) == (0, "")
    wire.clock.advance(30)
    flush_tallies(wire.stack)
    assert (tag(wire).pulls, tag(wire).pulled_at) == (3, to_text(wire.clock.now()))
    assert tag(wire, "v2").pulls == 0
    flush_tallies(wire.stack)
    assert tag(wire).pulls == 3


def test_a_head_pulls_nothing_and_a_refusal_neither(wire: Wire) -> None:
    """N4"""
    wire.push_image("library/app", "v1")
    assert wire.ask("HEAD", f"{PATH}/v1").status_code == 200
    assert wire.ask("GET", f"{PATH}/none").status_code == 404
    assert wire.ask("GET", f"{PATH}/v1", login=None).status_code == 401
    flush_tallies(wire.stack)
    assert tag(wire).pulls == 0


def test_a_pull_by_digest_counts_for_the_tags_that_point_there(wire: Wire) -> None:
    """N4: docker asks for the tag's digest by HEAD and pulls by digest."""
    body = wire.push_image("library/app", "v1")
    wire.push_image("library/app", "latest")
    wire.push_image("library/app", "v2", b"other")
    assert wire.ask("GET", f"{PATH}/{sha256(body)}").status_code == 200
    flush_tallies(wire.stack)
    assert [tag(wire, name).pulls for name in ("v1", "latest", "v2")] == [1, 1, 0]


def test_the_next_push_of_a_tag_keeps_when_it_was_pulled(wire: Wire) -> None:
    """N4"""
    wire.push_image("library/app", "v1")
    wire.ask("GET", f"{PATH}/v1")
    flush_tallies(wire.stack)
    pulled_at = tag(wire).pulled_at
    wire.clock.advance(60)
    wire.push_image("library/app", "v1", b"other")
    assert (tag(wire).pulls, tag(wire).pulled_at, tag(wire).version) == (1, pulled_at, 2)
    assert tag(wire).pushed_at == to_text(wire.clock.now())


def test_a_tag_that_is_gone_is_not_made_by_its_pulls(wire: Wire) -> None:
    wire.push_image("library/app", "v1")
    wire.ask("GET", f"{PATH}/v1")
    assert wire.ask("DELETE", f"{PATH}/v1").status_code == 202
    flush_tallies(wire.stack)
    assert wire.ask("GET", "/v2/library/app/tags/list").json()["tags"] == []


def test_an_instance_counts_pulls_pushes_and_bytes_by_the_hour(stack: Stack, clock: FrozenClock) -> None:
    """I7"""
    library = Library.opened(stack)
    library.push("v1")
    repository = library.repository()
    library.handle_events()
    pull = Pull(library.instance.id, repository.id, "v1", "")
    clock.advance(3600)
    Pulls(stack).write({pull: 5})
    clock.advance(120)
    Pulls(stack).write({pull: 2})
    now = clock.now()
    first, second = Series(stack).hours(library.instance.id, now - timedelta(days=1), now)
    assert (first.pulls, first.pushes, second.pulls, second.pushes) == (0, 1, 7, 0)
    assert first.storage == second.storage
    assert first.storage is not None
    assert first.storage > 6
    assert first.time == datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert Series(stack).hours(library.instance.id, now, now) == (second,)


def test_a_push_counts_once_though_its_event_comes_twice(stack: Stack, clock: FrozenClock) -> None:
    """I7"""
    library = Library.opened(stack)
    push_image(library.registry, library.owner, b"x")
    (push,) = stack.objects(library.instance.bucket).list(f"{library.instance.id}/pushes/").items
    for _ in range(2):
        handlers.object_settled(stack, library.instance.bucket, push.key)
    (hour,) = Series(stack).hours(library.instance.id, clock.now(), clock.now())
    assert hour.pushes == 1


def test_a_quarter_of_hours_comes_whole(stack: Stack, clock: FrozenClock) -> None:
    library = Library.opened(stack)
    series = Series(stack)
    begun = clock.now()
    for _ in range(1100):
        series.add(library.instance.id, pulls=1)
        clock.advance(3600)
    found = series.hours(library.instance.id, begun, clock.now())
    assert len(found) == 1100
    assert [hour.time for hour in found] == sorted(hour.time for hour in found)
    assert isinstance(found[0], Hour)


def test_counting_writes_nothing_while_pulls_go_on(wire: Wire) -> None:
    """N4"""
    wire.push_image("library/app", "v1")
    before = wire.stack.table.epoch()
    for _ in range(50):
        wire.ask("GET", f"{PATH}/v1")
    assert wire.stack.table.epoch() == before


@pytest.mark.parametrize("fate", ["releasing", "gone"])
def test_pulls_written_late_leave_nothing_of_a_deleted_instance(stack: Stack, clock: FrozenClock, fate: str) -> None:
    """I6: what an instance held is gone for good."""
    library = Library.opened(stack)
    key = keys.instance(library.instance.id)
    if fate == "gone":
        stack.table.delete(key)
    else:
        stack.table.update(Update(key, set={"state": "releasing"}))
    Pulls(stack).write({Pull(library.instance.id, "none", "v1", ""): 1})
    assert stack.table.query(keys.series_partition(library.instance.id)).items == ()
