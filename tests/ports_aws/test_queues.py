"""What the contract of queues cannot see: batches that SQS takes in part."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.kernel.errors import TooLarge, Unavailable
from chalicelib.ports.aws.queues import BODY_LIMIT_BYTES, SqsQueues

from .conftest import Faults


def received(queues: SqsQueues) -> list[str]:
    bodies: list[str] = []
    while some := queues.receive("work"):
        bodies.extend(delivery.body for delivery in some)
    return sorted(bodies)


def test_more_messages_than_a_batch_holds_all_arrive(queues: SqsQueues) -> None:
    queues.send("work", [f"{number:02d}" for number in range(23)])
    assert received(queues) == [f"{number:02d}" for number in range(23)]


def test_bodies_that_together_are_too_large_for_a_batch_go_in_several(queues: SqsQueues, faults: Faults) -> None:
    batches: list[list[str]] = []
    faults.watch(
        "provide-client-params.sqs.SendMessageBatch",
        lambda params, **_: batches.append([entry["MessageBody"] for entry in params["Entries"]]),
    )
    large = ["a" * BODY_LIMIT_BYTES, "é" * (BODY_LIMIT_BYTES // 2)]
    queues.send("work", [*large, "c", "d"])
    assert batches == [[large[0]], [large[1]], ["c", "d"]]
    assert received(queues) == [large[0], "c", "d", large[1]]


def test_a_body_over_the_limit_is_refused_before_anything_is_sent(queues: SqsQueues) -> None:
    with pytest.raises(TooLarge):
        queues.send("work", ["first", "é" * (BODY_LIMIT_BYTES // 2) + "x"])
    assert received(queues) == []


def failed(identifier: str) -> dict[str, Any]:
    entry = {"Id": identifier, "SenderFault": False, "Code": "InternalError", "Message": "again"}
    return {"Successful": [], "Failed": [entry]}


def test_what_a_batch_left_out_is_sent_again_and_only_that(queues: SqsQueues, faults: Faults) -> None:
    faults.answer("sqs.SendMessageBatch", 200, failed("1"), times=2)
    queues.send("work", ["a", "b"])
    assert received(queues) == ["b"]


def test_a_batch_left_out_without_end_is_unavailability(queues: SqsQueues, faults: Faults) -> None:
    faults.answer("sqs.SendMessageBatch", 200, failed("0"), times=4)
    with pytest.raises(Unavailable):
        queues.send("work", ["a"])


def test_many_messages_are_completed_at_once(queues: SqsQueues) -> None:
    queues.send("work", [str(number) for number in range(12)])
    deliveries = queues.receive("work") + queues.receive("work")
    queues.complete(deliveries)
    for delivery in deliveries:
        queues.fail(delivery, delay_s=0)  # too late, and harmless
    assert received(queues) == []


def test_a_message_joins_the_dead_letters_after_its_fifth_attempt(queues: SqsQueues) -> None:
    queues.send("work", ["poison"])
    attempts = []
    while deliveries := queues.receive("work"):
        attempts.append(deliveries[0].attempt)
        queues.fail(deliveries[0], delay_s=0)
    assert attempts == [1, 2, 3, 4, 5]
    assert [dead.body for dead in queues.receive("work-dead")] == ["poison"]


def test_a_queue_that_nobody_made_is_unavailability(queues: SqsQueues) -> None:
    with pytest.raises(Unavailable):
        queues.send("nobody", ["a"])
