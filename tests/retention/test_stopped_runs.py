"""P5: a run that was stopped and is retried deletes by nothing that was changed since."""

from __future__ import annotations

import pytest

from chalicelib.kernel.errors import NotFound
from chalicelib.ports import keys
from chalicelib.retention.models import RetentionOrder
from chalicelib.retention.service import Retention
from tests.background import run_background, run_tasks
from tests.recycling.bin import delete_namespace, free, listed
from tests.registry.library import DAY
from tests.stacks import FrozenClock

from .shelf import Shelf

TAGS = ("v1", "v2", "v3")


def _stopped(shelf: Shelf) -> str:
    """A run that was to keep one tag, and was cancelled before its first step."""
    for tag in TAGS:
        shelf.push(tag)
    run = shelf.begin()
    assert shelf.api().post(f"/instances/ci/tasks/{run}/cancel").status == 200
    return run


def _retried(shelf: Shelf, run: str) -> None:
    assert shelf.api().post(f"/instances/ci/tasks/{run}/retry").status == 200
    run_tasks(shelf.stack)


def test_a_run_that_is_retried_goes_on_where_nothing_was_changed(shelf: Shelf) -> None:
    """P5"""
    shelf.rule("v*", 1)
    run = _stopped(shelf)
    shelf.run(dry_run=True)
    _retried(shelf, run)
    assert (shelf.shown(run)["state"], shelf.tags()) == ("succeeded", {"v3"})


def test_a_run_that_is_retried_after_its_rules_were_changed_deletes_nothing(shelf: Shelf) -> None:
    """P5"""
    rule = shelf.rule("v*", 1)
    run = _stopped(shelf)
    assert shelf.api().patch(f"{shelf.path}/rules/{rule.id}", {"keep_last": 3}).status == 200
    _retried(shelf, run)
    shown = shelf.shown(run)
    assert (shown["state"], shelf.tags()) == ("failed", set(TAGS))
    assert shown["error"] == "the rules were changed after this run had stopped; begin a new one"


def test_a_run_that_is_retried_after_another_began_deletes_nothing(shelf: Shelf) -> None:
    """P5: one run that deletes at a time"""
    rule = shelf.rule("v*", 1)
    first = _stopped(shelf)
    assert shelf.api().patch(f"{shelf.path}/rules/{rule.id}", {"keep_last": 2}).status == 200
    second = shelf.begin()
    _retried(shelf, first)
    assert (shelf.shown(second)["state"], shelf.tags()) == ("succeeded", {"v2", "v3"})
    shown = shelf.shown(first)
    assert (shown["state"], shown["error"][:17]) == ("failed", "another run began")


def test_rules_that_are_changed_amid_a_run_do_not_stop_it(shelf: Shelf) -> None:
    """P5: it goes by the rules it began with"""
    rule = shelf.rule("v*", 1)
    for tag in TAGS:
        shelf.push(tag)
    run = shelf.begin()
    assert shelf.api().patch(f"{shelf.path}/rules/{rule.id}", {"keep_last": 3}).status == 200
    run_tasks(shelf.stack)
    assert (shelf.shown(run)["state"], shelf.tags()) == ("succeeded", {"v3"})


def test_a_schedule_for_a_namespace_that_went_this_moment_leaves_no_row(shelf: Shelf, clock: FrozenClock) -> None:
    """P4: it would be due for ever"""
    shelf.push("v1")
    shelf.rule("v*", 1)
    namespace = shelf.namespace
    delete_namespace(shelf.library)
    free(shelf.api(), listed(shelf.api())[0])
    for _ in range(3):
        clock.advance(2 * DAY)
        run_background(shelf.stack)
    schedule = {"schedule": {"cron": "* * * * *", "timezone": "UTC"}, "acknowledged": True}
    with pytest.raises(NotFound):
        Retention(shelf.stack).set_schedule(namespace, RetentionOrder.model_validate(schedule), "ann")
    assert shelf.stack.table.query(keys.policies_partition(namespace.id)).items == ()
