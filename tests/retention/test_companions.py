"""A1, P3: companions go and stay with their originals, and the run tells what became of each."""

from __future__ import annotations

from chalicelib.chain import WORKERS
from chalicelib.collection.service import Fsck
from chalicelib.tasks.service import Tasks
from tests.background import run_background, run_tasks
from tests.faults.turns import CRASH_AFTER
from tests.recycling.bin import listed, restore
from tests.registry.companions import accelerate, original

from .shelf import Shelf
from .test_interrupted import begun


def shelved(shelf: Shelf) -> dict[str, str]:
    """v1 to v3, each with its companion; the digest of each of these."""
    lazy = {}
    for number in (1, 2, 3):
        shelf.push(f"v{number}", layer=b"%d" % number * 1000)
        lazy[f"v{number}"] = str(accelerate(shelf.library, f"v{number}", layer=b"lazy %d" % number * 100))
    return lazy


def test_a_run_deletes_companions_with_their_originals_and_tells_of_both(shelf: Shelf) -> None:
    """A1, P3: a dry run says the same beforehand, bytes included."""
    shelved(shelf)
    rule = shelf.rule("v*", 1).id
    dry = shelf.run(dry_run=True)
    run = shelf.run()
    wanted = {
        ("app", "v3"): ("kept", "among_newest", rule),
        ("app", "v3-accelerated"): ("kept", "follows_original", rule),
        **{("app", f"v{n}"): ("deleted", "not_among_newest", rule) for n in (1, 2)},
        **{("app", f"v{n}-accelerated"): ("deleted", "follows_original", rule) for n in (1, 2)},
    }
    assert shelf.told(dry) == shelf.told(run) == wanted
    assert shelf.tags() == {"v3", "v3-accelerated"}
    shown = shelf.shown(run)
    assert (shown["kept"], shown["deleted"]) == (2, 4)
    assert shown["bytes"] == shelf.shown(dry)["bytes"] >= 2 * (1000 + 600)
    assert list(Fsck(shelf.stack, deep=True).run()) == []


def test_what_a_run_deleted_comes_back_whole(shelf: Shelf) -> None:
    """A1, X1"""
    lazy = shelved(shelf)
    shelf.rule("v*", 1)
    shelf.run()
    (entry,) = [one for one in listed(shelf.api()) if one["name"] == "v1"]
    assert restore(shelf.api(), entry).json()["tags"] == ["v1", "v1-accelerated"]
    assert original(shelf.library, "v1-accelerated").digest == lazy["v1"]


def test_a_companion_made_while_the_run_goes_on_goes_with_its_original(shelf: Shelf) -> None:
    """A1: though it was pushed after the run began."""
    shelf.push("v1")
    shelf.push("v2")
    rule = shelf.rule("v*", 1).id
    run = shelf.begin()
    Tasks(shelf.stack).carry_out(shelf.library.instance.id, run, WORKERS)
    shelf.clock.advance(1)
    accelerate(shelf.library, "v1")
    assert shelf.tags() == {"v1", "v1-accelerated", "v2"}
    run_tasks(shelf.stack)
    assert shelf.tags() == {"v2"}
    assert shelf.told(run)["app", "v1-accelerated"] == ("deleted", "follows_original", rule)


def test_a_run_that_is_interrupted_at_a_write_tells_of_companions_just_the_same(shelf: Shelf) -> None:
    """A1, P5: the deletion was written and nobody learned of it, or the step's end was."""
    shelved(shelf)
    shelf.rule("v*", 1)
    dry = shelf.run(dry_run=True)
    calls = begun(shelf, None, 0, shelf.begin()).calls
    places = [place for place, name in enumerate(calls, 1) if name == "table.transact"]
    assert len(places) >= 3
    for place in places:
        shelved(shelf)
        run = shelf.begin()
        begun(shelf, CRASH_AFTER, place, run)
        for _ in range(2):
            shelf.clock.advance(301)
            run_background(shelf.stack)
        assert shelf.told(run) == shelf.told(dry)
        assert shelf.shown(run)["bytes"] == shelf.shown(dry)["bytes"]
        assert shelf.tags() == {"v3", "v3-accelerated"}
