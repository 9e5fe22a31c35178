"""The embedded host brings handlers what AWS would bring them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice, CloudWatchEvent, Rate, SQSEvent

from chalicelib.host.consumers import every_s, pumps_of
from chalicelib.host.pumps import IDLE_S, MOST_ATTEMPTS, VISIBILITY_S, EventPump, Pumping, QueuePump, SchedulePump
from chalicelib.kernel.settings import Settings
from chalicelib.ports.embedded.spool import Spool
from tests.stacks import FrozenClock, embedded_stack

CLOCK = FrozenClock()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "events")


def test_push_object_arrives_as_an_event_and_only_once(spool: Spool) -> None:
    """R6."""
    events: list[dict[str, Any]] = []
    spool.add("crs", "I1/pushes/R1/N1")
    pump = EventPump("object_created", lambda event, context: events.append(event), spool, CLOCK)
    assert pump.step() == 0
    assert pump.step() == IDLE_S
    assert [event["detail"] for event in events] == [{"bucket": {"name": "crs"}, "object": {"key": "I1/pushes/R1/N1"}}]
    assert (events[0]["source"], events[0]["detail-type"]) == ("aws.s3", "Object Created")


def test_failing_event_comes_again_holds_up_no_other_and_is_given_up_at_last(spool: Spool) -> None:
    seen: list[str] = []

    def handler(event: dict[str, Any], context: Any) -> None:
        key = event["detail"]["object"]["key"]
        seen.append(key)
        if key.endswith("bad"):
            raise RuntimeError("this one always fails")

    spool.add("crs", "I1/pushes/R1/bad")
    spool.add("crs", "I1/pushes/R1/good")
    pump = EventPump("object_created", handler, spool, CLOCK)
    for _ in range(MOST_ATTEMPTS + 2):
        pump.step()
    assert seen.count("I1/pushes/R1/good") == 1
    assert seen.count("I1/pushes/R1/bad") == MOST_ATTEMPTS


def test_messages_that_failed_and_no_others_come_again(tmp_path: Path) -> None:
    batches: list[list[str]] = []

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        batches.append(sorted(record["body"] for record in event["Records"]))
        failed = [record["messageId"] for record in event["Records"] if record["body"] == "bad"]
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}

    clock = FrozenClock()
    with embedded_stack(tmp_path, clock) as stack:
        stack.queues.send("collection", ["good", "bad"])
        pump = QueuePump("collection", handler, stack.queues, "collection", 10)
        assert pump.step() == 0
        assert batches == [["bad", "good"]]
        assert pump.step() == IDLE_S  # the failed one waits for its delay
        clock.advance(VISIBILITY_S + 1)
        pump.step()
        assert batches[1:] == [["bad"]]


def test_batch_whose_handler_raises_is_not_completed(tmp_path: Path) -> None:
    def handler(event: dict[str, Any], context: Any) -> None:
        raise RuntimeError("the function crashed")

    clock = FrozenClock()
    with embedded_stack(tmp_path, clock) as stack:
        stack.queues.send("collection", ["one"])
        pump = QueuePump("collection", handler, stack.queues, "collection", 10)
        with pytest.raises(RuntimeError):
            pump.step()
        assert stack.queues.receive("collection") == []
        clock.advance(VISIBILITY_S + 1)
        assert [delivery.body for delivery in stack.queues.receive("collection")] == ["one"]


def test_schedule_runs_at_once_and_says_when_to_come_back() -> None:
    events: list[dict[str, Any]] = []
    pump = SchedulePump("sweep", lambda event, context: events.append(event), 10.0, CLOCK)
    assert 9 < pump.step() <= 10
    assert events[0]["detail-type"] == "Scheduled Event"


def test_minutely_schedules_follow_the_sweep_interval_and_others_their_rate(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, sweep_interval_s=3)
    assert every_s("rate(1 minute)", settings) == 3
    assert every_s("rate(2 hours)", settings) == 7200
    with pytest.raises(ValueError, match="cron"):
        every_s("cron(0 0 * * ? *)", settings)


def test_every_source_that_an_app_declares_gets_its_pump(tmp_path: Path) -> None:
    app = Chalice("crs", configure_logs=False)

    @app.on_cw_event({"source": ["aws.s3"]})
    def created(event: CloudWatchEvent) -> None: ...

    @app.on_sqs_message(queue="crs-collection", batch_size=7)
    def collection(event: SQSEvent) -> None: ...

    @app.schedule(Rate(1, unit=Rate.MINUTES))
    def sweep(event: CloudWatchEvent) -> None: ...

    with embedded_stack(tmp_path) as stack:
        event, queue, schedule = pumps_of(app, stack)
    assert isinstance(event, EventPump)
    assert isinstance(queue, QueuePump)
    assert (queue.queue, queue.batch_size) == ("collection", 7)
    assert isinstance(schedule, SchedulePump)


def test_step_that_fails_is_repeated() -> None:
    ending = threading.Event()

    class Faulty:
        name = "faulty"
        steps = 0

        def step(self) -> float:
            self.steps += 1
            if self.steps == 1:
                raise RuntimeError("once")
            ending.set()
            return 60

    pump = Faulty()
    thread = Pumping(pump, ending)
    thread.start()
    thread.join(10)
    assert pump.steps == 2
