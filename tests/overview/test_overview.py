"""An instance at a glance (I7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict
from chalicelib.kernel.roles import Role
from chalicelib.overview.rules import begin_of, points
from chalicelib.ports.stack import Stack
from chalicelib.registry.series import Hour, Series
from chalicelib.tasks.models import Step, Task
from chalicelib.tasks.service import Tasks
from tests.management import Api
from tests.registry.images import push_image
from tests.registry.library import Library
from tests.stacks import FrozenClock, make_instance, make_namespace

DAY_S = 86_400


def test_used_and_total_of_each_quota_and_both_addresses_are_shown(stack: Stack) -> None:
    """I7."""
    instance = make_instance(stack, edition="personal")
    make_namespace(stack, instance)
    shown = Api.signed_in(stack).get("/instances/ci/overview").json()
    assert shown["namespaces"] == {"used": 1, "limit": 3}
    assert shown["repositories"] == {"used": 0, "limit": 100}
    assert shown["storage"] == {"used": 0, "limit": 10 * 1024**3, "binned": 0}
    assert (shown["id"], shown["edition"], shown["state"]) == (instance.id, "personal", "running")
    assert shown["public_address"] == Instances(stack).public_address(instance)
    assert shown["internal_address"] is None
    assert shown["series"] == []


def test_pulls_and_pushes_are_shown_by_the_hour_and_beyond_a_week_by_the_day(stack: Stack, clock: FrozenClock) -> None:
    """I7."""
    instance = make_instance(stack)
    series = Series(stack)
    for hour in range(3):
        series.add(instance.id, pulls=hour, pushes=1)
        clock.advance(3600)
    api = Api.signed_in(stack)
    hourly = api.get("/instances/ci/overview").json()["series"]
    assert [(point["pulls"], point["pushes"]) for point in hourly] == [(0, 1), (1, 1), (2, 1)]
    assert hourly[0] == {"time": "2026-01-31T08:00:00.000000Z", "storage": 0, "pulls": 0, "pushes": 1}
    (daily,) = api.get("/instances/ci/overview", days=30).json()["series"]
    assert (daily["time"], daily["pulls"], daily["pushes"]) == ("2026-01-31T00:00:00.000000Z", 3, 3)


def test_what_is_older_than_asked_for_is_left_out(stack: Stack, clock: FrozenClock) -> None:
    Series(stack).add(make_instance(stack).id, pushes=1)
    clock.advance(25 * 3600)
    api = Api.signed_in(stack)
    assert api.get("/instances/ci/overview", days=1).json()["series"] == []
    assert len(api.get("/instances/ci/overview", days=2).json()["series"]) == 1


@pytest.mark.parametrize("days", ["0", "93", "-1", "many"])
def test_days_beyond_reason_are_refused(stack: Stack, days: str) -> None:
    make_instance(stack)
    answer = Api.signed_in(stack).get("/instances/ci/overview", days=days)
    assert answer.status == 400
    assert answer.json()["errors"][0]["field"] == "days"


def test_storage_stays_as_it_was_noted_last_until_it_is_noted_again() -> None:
    at = [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in range(4)]
    storages = [None, 100, None, 50]
    hours = [Hour(time, 0, 0, storage) for time, storage in zip(at, storages, strict=True)]
    assert [point.storage for point in points(hours, 7)] == [None, 100, 100, 50]
    assert [point.storage for point in points(hours, 30)] == [50]


def test_a_series_of_days_begins_with_a_whole_day() -> None:
    now = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)
    assert begin_of(now, 7) == datetime(2026, 1, 24, 8, tzinfo=UTC)
    assert begin_of(now, 8) == datetime(2026, 1, 23, tzinfo=UTC)


def test_what_failed_lately_is_shown_and_nothing_older(stack: Stack, clock: FrozenClock) -> None:
    """I7, C1."""
    instance, tasks = make_instance(stack), Tasks(stack)
    for reason in ("long ago", "the other end does not answer"):
        task, creation = tasks.create(instance.id, "retention", {"namespace": "library"}, "owner")
        stack.table.transact([creation])

        def refuse(_stack: Stack, _task: Task, reason: str = reason) -> Step:
            raise Conflict(reason)

        tasks.carry_out(instance.id, task.id, {"retention": refuse})
        clock.advance(8 * DAY_S if reason == "long ago" else 0)
    shown = Api.signed_in(stack).get("/instances/ci/overview").json()
    assert [failure["error"] for failure in shown["failures"]] == ["the other end does not answer"]
    assert shown["under_way"] == 0


def test_what_comes_by_itself_is_shown_the_next_first(stack: Stack) -> None:
    """I7, I6, P4."""
    instance = make_instance(stack, expires_at=stack.clock.now() + timedelta(days=10))
    api = Api.signed_in(stack)
    for name in ("library", "quiet"):
        make_namespace(stack, instance, name)
    schedule = {"cron": "30 9 * * *", "timezone": "UTC"}
    at = "/instances/ci/namespaces/library/retention"
    assert api.put(at, {"schedule": schedule, "acknowledged": True}).status == 200
    runs = api.get("/instances/ci/overview").json()["next_runs"]
    assert [(run["kind"], run["namespace"], run["time"][:16]) for run in runs] == [
        ("retention", "library", "2026-01-31T09:30"),
        ("expiry", "", "2026-02-10T08:00"),
    ]


def test_of_a_frozen_instance_only_the_end_of_its_data_comes(stack: Stack, clock: FrozenClock) -> None:
    """I6, I7."""
    make_instance(stack, expires_at=stack.clock.now() + timedelta(days=1), auto_renew=True)
    clock.advance(2 * DAY_S)
    (run,) = Api.signed_in(stack).get("/instances/ci/overview").json()["next_runs"]
    assert (run["kind"], run["time"][:10]) == ("deletion", "2026-02-16")


def test_the_latest_pushes_are_shown_with_who_pushed(stack: Stack) -> None:
    """I7, C1."""
    library = Library.opened(stack)
    client = replace(library.owner, request_id="01JDE0000000000000000000AB")
    digest = push_image(library.registry, client, tag="v1").digest
    library.handle_events()
    (push,) = library.api(Role.READER).get("/instances/ci/overview").json()["recent_pushes"]
    assert (push["repository"], push["tags"], push["digest"]) == ("library/app", ["v1"], str(digest))
