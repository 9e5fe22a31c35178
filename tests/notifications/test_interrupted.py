"""Every call of the stores that telling makes, failed before, failed after, or the last one of its process (X5)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import handle
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.messages import AnnounceUntold, DeliverWebhook
from chalicelib.notifications.courier import CLAIM
from chalicelib.notifications.handlers import tell_of_push
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from tests.faults.ports import FAIL_AFTER, FAIL_BEFORE, Fault, Faults, faulty, hook_after, lagging_indexes
from tests.management import Api
from tests.stacks import FrozenClock, with_table

from .receiver import Receiver
from .story import PATH, make_webhook, push_of, put_entry, tell

# More than telling takes, message by message.
MOST_CALLS = 40


class Killed(BaseException):
    """What a process that is killed raises, as far as anybody can tell."""


def _kill() -> None:
    raise Killed


KILLED = hook_after(_kill)


def telling_of_a_push(stack: Stack, instance_id: str) -> Callable[[Stack], None]:
    pushed = push_of(stack, instance_id, "v1")

    def act(at: Stack) -> None:
        for message in tell_of_push(at, pushed):
            handle(at, message, CHAIN)

    return act


def telling_of_a_deletion(stack: Stack, instance_id: str) -> Callable[[Stack], None]:
    entry = put_entry(stack, instance_id)
    partition = keys.untold(entry.deleted_at, entry.id)["i2pk"]

    def act(at: Stack) -> None:
        handle(at, AnnounceUntold(partition=partition), CHAIN)
        for delivery in at.queues.receive(DeliverWebhook.queue):
            handle(at, DeliverWebhook.model_validate_json(delivery.body), CHAIN)
            at.queues.complete([delivery])

    return act


@pytest.mark.parametrize("fault", [FAIL_BEFORE, FAIL_AFTER, KILLED], ids=["before", "after", "killed"])
@pytest.mark.parametrize("story", [telling_of_a_push, telling_of_a_deletion])
def test_whatever_call_fails_the_event_is_told_and_noted_once(
    embedded: Stack,
    instance_of_embedded: Instance,
    clock: FrozenClock,
    receiver: Receiver,
    story: Callable[[Stack, str], Callable[[Stack], None]],
    fault: Fault,
) -> None:
    """X5: what the failed call was part of is repeated, as push objects, untold rows and messages are."""
    webhook = make_webhook(Api.signed_in(embedded), receiver.url)
    interrupted = 0
    for number in range(1, MOST_CALLS):
        receiver.received.clear()
        act, faults = story(embedded, instance_of_embedded.id), Faults({number: fault})
        with suppress(Unavailable, Killed):
            act(faulty(embedded, faults))
        if len(faults.calls) < number:
            break
        interrupted += 1
        for _ in range(3):
            clock.advance(CLAIM.total_seconds() + 1)
            act(embedded)
            tell(embedded)
        assert 1 <= len(receiver.received) <= 2, f"call {number}, {faults.calls[-1]}: at least once"
        assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    else:
        raise AssertionError("the story has more calls than were tried")
    assert interrupted > 8
    listed = Api.signed_in(embedded).get(f"{PATH}/{webhook['id']}/deliveries", limit=200).json()["items"]
    assert len(listed) == number, "one an event, that of the story which nothing interrupted among them"
    assert {(one["state"], one["tries"]) for one in listed} == {("delivered", 1)}


def test_indexes_that_lag_only_delay(
    embedded: Stack, instance_of_embedded: Instance, clock: FrozenClock, receiver: Receiver
) -> None:
    """X5"""
    owner = Api.signed_in(embedded)
    make_webhook(owner, receiver.url)
    lagging = with_table(embedded, lagging_indexes(embedded.table))
    for number in range(5):
        telling_of_a_push(embedded, instance_of_embedded.id)(lagging)
        put_entry(embedded, instance_of_embedded.id, name=f"v{number}")
    for _ in range(12):
        clock.advance(20)
        for _ in range(4):  # Each question is answered as it would have been the time before.
            tell(lagging)
    assert sorted(receiver.types) == ["image.deleted"] * 5 + ["image.pushed"] * 5
