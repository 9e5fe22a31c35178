"""What `ports.queues` promises, on every adapter."""

from __future__ import annotations

import pytest

from chalicelib.kernel.errors import TooLarge
from chalicelib.ports.queues import Delivery, Queues

from .conftest import HandClock


def one(queues: Queues, queue: str = "work", visibility_s: int = 60) -> Delivery:
    """The one message that can be received."""
    (delivery,) = queues.receive(queue, visibility_s=visibility_s)
    return delivery


def test_what_was_sent_is_received_once_while_it_is_hidden(queues: Queues) -> None:
    queues.send("work", ["hallo, grüße \U0001f40b"])

    delivery = one(queues)

    assert (delivery.queue, delivery.body, delivery.attempt) == ("work", "hallo, grüße \U0001f40b", 1)
    assert queues.receive("work") == []


def test_many_messages_come_each_once(queues: Queues) -> None:
    bodies = [f"body {number}" for number in range(25)]
    queues.send("work", bodies)
    queues.send("work", [])

    received: list[str] = []
    while deliveries := queues.receive("work", most=10):
        assert len(deliveries) <= 10
        received += [delivery.body for delivery in deliveries]
        queues.complete(deliveries)

    assert sorted(received) == sorted(bodies)


def test_no_more_than_asked_for_are_received(queues: Queues) -> None:
    queues.send("work", ["a", "b", "c"])

    assert len(queues.receive("work", most=1)) == 1


def test_a_message_comes_again_when_its_visibility_ends(queues: Queues, clock: HandClock) -> None:
    queues.send("work", ["x"])
    first = one(queues, visibility_s=1)

    clock.advance(1.1)
    second = one(queues)

    assert (second.id, second.attempt) == (first.id, 2)
    assert second.receipt != first.receipt


def test_an_extended_message_stays_hidden(queues: Queues, clock: HandClock) -> None:
    queues.send("work", ["x"])
    delivery = one(queues, visibility_s=1)

    queues.extend(delivery, 60)
    clock.advance(1.1)

    assert queues.receive("work") == []


def test_a_completed_message_never_comes_again(queues: Queues, clock: HandClock) -> None:
    queues.send("work", ["x"])
    delivery = one(queues, visibility_s=1)

    queues.complete([delivery])
    queues.complete([delivery])
    queues.complete([])
    clock.advance(1.1)

    assert queues.receive("work") == []


def test_a_message_may_be_completed_after_its_visibility_ended(queues: Queues, clock: HandClock) -> None:
    queues.send("work", ["x"])
    delivery = one(queues, visibility_s=1)
    clock.advance(1.1)

    queues.complete([delivery])

    assert queues.receive("work") == []


def test_a_delayed_message_comes_later(queues: Queues, clock: HandClock) -> None:
    queues.send("work", ["x"], delay_s=1)
    assert queues.receive("work") == []

    clock.advance(1.1)

    assert one(queues).attempt == 1


def test_a_failed_message_comes_back_after_its_delay(queues: Queues, clock: HandClock) -> None:
    queues.send("work", ["x"])

    queues.fail(one(queues), delay_s=1)
    assert queues.receive("work") == []
    clock.advance(1.1)

    assert one(queues).attempt == 2


def test_the_fifth_failure_makes_a_dead_letter(queues: Queues) -> None:
    queues.send("work", ["poison"])
    queues.send("other", ["fine"])

    for attempt in range(1, 6):
        delivery = one(queues)
        assert delivery.attempt == attempt
        queues.fail(delivery, delay_s=0)

    assert queues.receive("work") == []
    assert one(queues, "work-dead").body == "poison"
    assert one(queues, "other").body == "fine"


def test_five_receivers_that_vanish_make_a_dead_letter(queues: Queues, clock: HandClock) -> None:
    queues.send("work", ["kills its receiver"])

    for _ in range(5):
        one(queues, visibility_s=0)
        clock.advance(0.1)

    assert queues.receive("work") == []
    assert one(queues, "work-dead").body == "kills its receiver"


def test_a_dead_letter_stays_however_often_it_is_looked_at(queues: Queues) -> None:
    queues.send("work-dead", ["x"])

    for _ in range(7):
        queues.fail(one(queues, "work-dead"), delay_s=0)

    assert one(queues, "work-dead").body == "x"


def test_waiting_ends_when_nothing_comes(queues: Queues) -> None:
    assert queues.receive("work", wait_s=0.1) == []


def test_a_message_has_at_most_256_kib(queues: Queues) -> None:
    queues.send("work", ["x" * 256 * 1024])
    with pytest.raises(TooLarge):
        queues.send("work", ["fits", "ü" * 128 * 1024 + "x"])

    assert len(one(queues).body) == 256 * 1024


def test_a_queue_says_how_many_messages_it_has_also_those_that_are_hidden(queues: Queues) -> None:
    assert queues.depth("work") == 0
    queues.send("work", ["a", "b", "c"])
    queues.send("other", ["d"])
    first = one_of(queues)
    assert queues.depth("work") == 3

    queues.complete([first])
    assert queues.depth("work") == 2


def one_of(queues: Queues) -> Delivery:
    (delivery,) = queues.receive("work", most=1)
    return delivery


def test_a_dead_letter_keeps_the_moment_it_was_sent(queues: Queues, clock: HandClock) -> None:
    queues.send("work", ["poison"])
    sent_at = None
    for _ in range(5):
        delivery = one(queues)
        sent_at = sent_at or delivery.sent_at
        clock.advance(0.1)
        queues.fail(delivery, delay_s=0)
    queues.send("other", ["later"])

    assert queues.receive("work") == []
    assert one(queues, "work-dead").sent_at == sent_at
    assert sent_at is not None
    assert one(queues, "other").sent_at > sent_at
    assert queues.depth("work-dead") == 1
