"""Y5, A1: an accelerated tag goes with its original, and the target converts only if none came."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.acceleration.models import SOURCE
from chalicelib.collection.service import Fsck
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.ports.stack import Stack
from chalicelib.registry.companions import BY
from chalicelib.tasks.service import Tasks
from tests.acceleration.shelf import APP, BASE, Shelf
from tests.background import run_background
from tests.registry.library import Library
from tests.stacks import FrozenClock, make_instance, make_namespace

from .served import House, house
from .shops import COPY, NAME, Route, Shop


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    return Shelf.opened(stack, acceleration=True)


@pytest.fixture
def far(stack: Stack) -> Shelf:
    """Another instance, whose namespace `shelf` converts what is pushed too."""
    instance = make_instance(stack, "far")
    make_namespace(stack, instance, "shelf", acceleration=True)
    return Shelf(Library(stack, instance))


def shop(shelf: Shelf, name: RepositoryName = NAME) -> Shop:
    return Shop(shelf.stack, shelf.instance, name)


def test_an_accelerated_image_comes_with_its_original_and_is_not_made_again(
    shelf: Shelf, far: Shelf, clock: FrozenClock
) -> None:
    shelf.push(BASE, APP)
    shelf.work()
    route = Route(shop(shelf).source(), shop(far, COPY).target())
    outcome = route.copy()
    assert (outcome.verdict, outcome.moved) == ("copied", 0)
    original, companion = far.tag("v1", COPY), far.tag("v1-accelerated", COPY)
    assert original is not None
    assert original.acceleration is not None
    assert companion is not None
    assert (companion.pushed_by, original.acceleration.state) == (BY, "succeeded")
    assert companion.digest == original.acceleration.digest == shop(shelf).digest("v1-accelerated")
    far.work()
    clock.advance(120)
    run_background(far.stack)
    assert [task.counts for task in far.tasks()] == []
    assert route.copy().verdict == "unchanged"
    assert list(Fsck(far.stack, deep=True).run()) == []


def test_a_companion_that_comes_late_makes_the_conversion_needless(
    shelf: Shelf, far: Shelf, clock: FrozenClock
) -> None:
    """The target waits a minute before it converts what was brought."""
    shelf.push(BASE, APP)
    route = Route(shop(shelf).source(), shop(far, COPY).target())
    route.copy()
    far.work()
    assert [task.state for task in far.tasks()] == ["queued"]
    shelf.work()
    assert route.copy().verdict == "copied"
    clock.advance(120)
    run_background(far.stack)
    task = far.task()
    assert (task.state, far.items(task)) == ("succeeded", {"v1": ("skipped", "it has its accelerated image by now")})
    assert far.rows() == []


def test_the_target_converts_where_none_came(stack: Stack, far: Shelf, clock: FrozenClock) -> None:
    plain = Shelf.opened(stack)
    plain.push(BASE, APP)
    Route(shop(plain).source(), shop(far, COPY).target()).copy()
    far.work()
    assert far.tag("v1-accelerated", COPY) is None
    clock.advance(120)
    run_background(far.stack)
    far.work()
    assert far.tag("v1-accelerated", COPY) is not None
    assert Tasks(stack).list(plain.instance.id, "acceleration", None, None, 10).items == ()


def test_a_companion_is_no_image_of_its_own(shelf: Shelf, far: Shelf) -> None:
    shelf.push(BASE)
    shelf.work()
    source = shop(shelf).source()
    assert list(source.tags()) == ["v1"]
    outcome = Route(source, shop(far, COPY).target()).copy("v1-accelerated")
    assert (outcome.verdict, outcome.reason) == ("left", "companion")


def test_a_companion_of_another_image_than_the_targets_stays_away(shelf: Shelf, far: Shelf) -> None:
    there = shop(far, COPY)
    shelf.push(BASE)
    Route(shop(shelf).source(), there.target()).copy()
    shelf.push(APP)
    shelf.work()
    assert Route(shop(shelf).source(), there.target()).copy().verdict == "left"
    assert far.tag("v1-accelerated", COPY) is None


# Elsewhere


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "plain") as opened:
        yield opened


def test_elsewhere_it_is_a_tag_that_follows_its_original(shelf: Shelf, plain: House) -> None:
    shelf.push(BASE)
    shelf.work()
    route = Route(shop(shelf).source(), plain.end())
    assert route.copy().verdict == "copied"
    assert plain.shop().digest("v1-accelerated") == shop(shelf).digest("v1-accelerated")
    assert route.copy().verdict == "unchanged"
    shelf.push(APP)
    shelf.work()
    assert route.copy(override=True).verdict == "copied"
    assert plain.shop().digest("v1-accelerated") == shop(shelf).digest("v1-accelerated")
    assert SOURCE.encode() in plain.shop().body("v1-accelerated")


def test_elsewhere_a_tag_of_that_name_that_is_nobodys_companion_stays(shelf: Shelf, plain: House) -> None:
    plain.shop().push("v1-accelerated", layers=(b"somebody's",))
    shelf.push(BASE)
    shelf.work()
    assert Route(shop(shelf).source(), plain.end()).copy(override=True).verdict == "copied"
    assert plain.shop().layers("v1-accelerated") == [b"somebody's"]


def test_a_service_elsewhere_that_keeps_the_name_makes_its_own(shelf: Shelf, tmp_path: Path) -> None:
    shelf.push(BASE)
    shelf.work()
    with house(tmp_path / "keeps", acceleration=True) as keeps:
        assert Route(shop(shelf).source(), keeps.end()).copy().verdict == "copied"
        assert keeps.shop().target().standing("v1-accelerated") is None
        assert isinstance(keeps.shop().digest("v1"), Digest)


def test_a_name_that_a_service_elsewhere_keeps_is_left_to_it(stack: Stack, tmp_path: Path) -> None:
    """Somebody's own tag, which happens to be called so."""
    plain = Shelf.opened(stack)
    plain.push(BASE, tag="v1-accelerated")
    with house(tmp_path / "keeps", acceleration=True) as keeps:
        outcome = Route(shop(plain).source(), keeps.end()).copy("v1-accelerated")
    assert (outcome.verdict, outcome.reason) == ("left", "tag_reserved")
