"""How deliveries are made: signed, tried again, held back while a server is down, and noted once (X5)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.notifications import rules, store
from chalicelib.notifications.courier import CLAIM, FROZEN_WAIT, MOST_A_STEP, Courier
from chalicelib.notifications.models import Attempt, Delivery, Webhook
from chalicelib.ports import keys
from chalicelib.ports.outbound import Answer, Outbound
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Table
from tests.management import Api
from tests.stacks import FrozenClock, with_table

from .receiver import Receiver
from .story import PATH, bring, make_webhook, push, tell

AN_HOUR = timedelta(hours=1).total_seconds()


def log_of(owner: Api, webhook: Any, **query: str) -> list[Any]:
    return list(owner.get(f"{PATH}/{webhook['id']}/deliveries", **query).json()["items"])


def test_a_delivery_is_signed_with_the_secret_and_for_a_day_with_the_one_before(
    stack: Stack, clock: FrozenClock, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    webhook = make_webhook(owner, receiver.url)
    push(stack, instance.id, "v1")
    bring(stack)
    rotated = owner.post(f"{PATH}/{webhook['id']}/secret").json()
    assert rotated["secret"] != webhook["secret"]
    push(stack, instance.id, "v2")
    bring(stack)
    clock.advance(24 * AN_HOUR + 1)
    push(stack, instance.id, "v3")
    bring(stack)
    signed_by = [
        [name for name, made in (("old", webhook), ("new", rotated)) if genuine(made["secret"], one)]
        for one in receiver.received
    ]
    assert signed_by == [["old"], ["old", "new"], ["new"]]


def genuine(secret: str, one: Any) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{one.headers['webhook-id']}.{one.headers['webhook-timestamp']}.".encode() + one.body
    wanted = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return wanted in one.headers["webhook-signature"].split(" ")


def test_no_table_holds_a_secret(stack: Stack, instance: Instance, owner: Api, receiver: Receiver) -> None:
    """X5, DESIGN §7"""
    webhook = make_webhook(owner, receiver.url)
    push(stack, instance.id, "v1")
    bring(stack)
    key = webhook["secret"].removeprefix("whsec_")
    rows = [
        *stack.table.query(keys.webhooks_partition(instance.id)).items,
        *stack.table.query(keys.deliveries_partition(webhook["id"])).items,
    ]
    assert len(rows) == 2
    assert not any(key in str(row) or receiver.received[0].headers["webhook-signature"] in str(row) for row in rows)
    assert "secret" not in owner.get(f"{PATH}/{webhook['id']}").json()


def test_what_fails_is_tried_again_under_the_same_id_until_it_arrives(
    stack: Stack, clock: FrozenClock, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    webhook = make_webhook(owner, receiver.url)
    receiver.statuses, receiver.body = [500, 302], b"no" * 1000
    receiver.headers = {"Location": receiver.url}
    push(stack, instance.id, "v1")
    for wait_s in (0, 4, 2, 360):
        clock.advance(wait_s)
        tell(stack)
    assert len(receiver.received) == 3, "at once, after five seconds, after five minutes; redirects are not followed"
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    assert len({one.body for one in receiver.received}) == 1
    (listed,) = log_of(owner, webhook)
    assert (listed["state"], listed["tries"], listed["next_attempt_at"]) == ("delivered", 3, None)
    shown = owner.get(f"{PATH}/{webhook['id']}/deliveries/{listed['id']}").json()
    assert [attempt["status"] for attempt in shown["attempts"]] == [500, 302, 204]
    assert shown["attempts"][0]["answer"] == "no" * 512
    assert shown["event"] == receiver.events[0]
    assert shown["headers"]["webhook-id"] == listed["id"]
    assert "webhook-signature" not in shown["headers"]
    assert owner.get(f"{PATH}/{webhook['id']}").json()["state"] == "working"


def test_ten_attempts_in_three_days_and_then_it_has_failed(
    embedded: Stack, instance_of_embedded: Instance, clock: FrozenClock
) -> None:
    """X5"""
    delivery, began = a_delivery(clock), clock.now()
    for _ in range(10):
        assert delivery.state == "pending"
        delivery = rules.after_attempt(delivery, Attempt(time=delivery.due, duration_ms=1, status=500))
    assert delivery.state == "failed"
    assert timedelta(days=2.8) < delivery.attempts[-1].time - began < timedelta(days=3.6)


def a_delivery(clock: FrozenClock, **more: Any) -> Delivery:
    now = clock.now()
    fields = {"id": "D", "webhook_id": "W", "instance_id": "I", "event_id": "E", "subject": "s", "body": "{}"}
    return Delivery.model_validate({**fields, "type": "image.pushed", "due": now, "created_at": now, **more})


def test_retries_are_spread_so_that_what_failed_together_does_not_come_back_together(clock: FrozenClock) -> None:
    """X5"""
    failed = Attempt(time=clock.now(), duration_ms=1)
    waits = {
        (rules.after_attempt(a_delivery(clock, id=f"D{number}", tries=1), failed).due - clock.now()).total_seconds()
        for number in range(100)
    }
    assert len(waits) > 90
    assert 270 <= min(waits) < 280 < 320 < max(waits) <= 330


def test_410_switches_a_webhook_off_and_switching_it_on_sends_what_waited(
    stack: Stack, clock: FrozenClock, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    webhook = make_webhook(owner, receiver.url)
    push(stack, instance.id, "v1")
    clock.advance(1)
    push(stack, instance.id, "v2")
    receiver.statuses = [410]
    tell(stack)
    off = owner.get(f"{PATH}/{webhook['id']}").json()
    assert (off["enabled"], off["state"]) == (False, "disabled")
    assert "410" in off["reason"]
    push(stack, instance.id, "missed")
    tell(stack)
    assert len(receiver.received) == 1
    on = owner.patch(f"{PATH}/{webhook['id']}", {"enabled": True}).json()
    assert (on["state"], on["reason"]) == ("working", "")
    bring(stack)
    assert [event["data"]["tags"] for event in receiver.events[1:]] == [["v2"]]
    assert [one["state"] for one in log_of(owner, webhook)].count("failed") == 1


def test_a_server_that_is_down_is_asked_now_and_then_and_gets_everything_once_it_is_back(
    stack: Stack, clock: FrozenClock, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    webhook = make_webhook(owner, receiver.url)
    receiver.status = 503
    for number in range(8):
        push(stack, instance.id, f"v{number}")
    tell(stack)
    assert len(receiver.received) == rules.HOLD_AFTER
    shown = owner.get(f"{PATH}/{webhook['id']}").json()
    assert shown["state"] == "failing"
    assert shown["failing_since"] is not None
    for _ in range(15):
        clock.advance(60)
        tell(stack)
    assert len(receiver.received) <= rules.HOLD_AFTER + 4, "one after 1, 5 and 15 minutes"
    receiver.status = 204
    clock.advance(2 * AN_HOUR)
    tell(stack)
    for _ in range(5):
        clock.advance(AN_HOUR)
        tell(stack)
    assert {one["state"] for one in log_of(owner, webhook)} == {"delivered"}
    assert {tuple(event["data"]["tags"]) for event in receiver.events} == {(f"v{number}",) for number in range(8)}
    assert owner.get(f"{PATH}/{webhook['id']}").json()["failing_since"] is None


def test_a_webhook_that_failed_for_days_is_switched_off_and_says_so(
    stack: Stack, clock: FrozenClock, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    webhook = make_webhook(owner, receiver.url)
    receiver.status = 500
    for day in range(6):
        push(stack, instance.id, f"v{day}")
        tell(stack)
        clock.advance(24 * AN_HOUR)
    shown = Api.signed_in(stack).get(f"{PATH}/{webhook['id']}").json()
    assert shown["state"] == "disabled"
    assert shown["failing_since"] in shown["reason"]


def test_a_dead_server_holds_up_nobody_elses_deliveries(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5: each step is of one webhook, and bounded."""
    dead = make_webhook(owner, "http://127.0.0.1:9/")
    make_webhook(owner, receiver.url)
    for number in range(8):
        push(stack, instance.id, f"v{number}")
    tell(stack)
    assert len(receiver.received) == 8
    assert [one["tries"] for one in log_of(owner, dead)].count(1) == rules.HOLD_AFTER
    errors = {one["last_error"] for one in log_of(owner, dead)}
    assert errors == {"", "127.0.0.1 takes no connection"}


class Rival(Outbound):
    """A server that is so slow that, while it answers, another worker comes by: that one is answered at once."""

    def __init__(self, stack: Stack, instance_id: str, webhook_id: str, wait_s: float) -> None:
        super().__init__(allow_private=True)
        self.posts = 0
        self._about, self._stack, self._wait_s = (instance_id, webhook_id), stack, wait_s

    def post(self, url: str, body: bytes, headers: Any) -> Answer:
        self.posts += 1
        if self.posts > 1:
            return Answer(204, b"")
        clock = self._stack.clock
        assert isinstance(clock, FrozenClock)
        clock.advance(self._wait_s)
        Courier(self._stack, self).deliver(*self._about)
        return Answer(504, b"")


@pytest.mark.parametrize(
    ("wait_s", "posts", "state"),
    [(0, 1, "pending"), (CLAIM.total_seconds() + 1, 2, "delivered")],
    ids=["claimed", "run out"],
)
def test_two_workers_never_both_count_an_attempt(
    stack: Stack, instance: Instance, owner: Api, wait_s: float, posts: int, state: str
) -> None:
    """X5: whose claim ran out does not undo what the other one found."""
    webhook = make_webhook(owner, "http://127.0.0.1:9/")
    push(stack, instance.id, "v1")
    rival = Rival(stack, instance.id, webhook["id"], wait_s)
    Courier(stack, rival).deliver(instance.id, webhook["id"])
    assert rival.posts == posts, "what was sent and not noted is sent again"
    (listed,) = log_of(owner, webhook)
    shown = owner.get(f"{PATH}/{webhook['id']}/deliveries/{listed['id']}").json()
    assert (shown["state"], shown["tries"], len(shown["attempts"])) == (state, 1, 1)
    assert owner.get(f"{PATH}/{webhook['id']}").json()["state"] == ("working" if posts == 2 else "failing")


class Dying(Outbound):
    def post(self, url: str, body: bytes, headers: Any) -> Answer:
        raise KeyboardInterrupt


def test_a_worker_that_dies_leaves_a_claim_that_runs_out(
    stack: Stack, clock: FrozenClock, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    webhook = make_webhook(owner, receiver.url)
    push(stack, instance.id, "v1")
    with pytest.raises(KeyboardInterrupt):
        Courier(stack, Dying()).deliver(instance.id, webhook["id"])
    tell(stack)
    assert receiver.received == []
    clock.advance(CLAIM.total_seconds() + 1)
    tell(stack)
    assert receiver.types == ["image.pushed"]


class Late:
    """A table where something happens just after a worker saw that nothing is left to do."""

    def __init__(self, table: Table, happens: Callable[[], object]) -> None:
        self._table, self._happens = table, happens
        self._looks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def query(self, pk: str, **asked: Any) -> Any:
        found = self._table.query(pk, **asked)
        if asked.get("index") == "i2" and asked["limit"] == 1:
            self._looks += 1
            if self._looks == 1:
                self._happens()
        return found


def test_an_event_that_comes_as_a_worker_leaves_is_not_forgotten(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5: its message finds the webhook claimed; whoever claimed it notices that it was woken."""
    webhook = make_webhook(owner, receiver.url)
    push(stack, instance.id, "v1")
    late = with_table(stack, Late(stack.table, lambda: push(stack, instance.id, "late")))
    following = Courier(late).deliver(instance.id, webhook["id"])
    assert [message.webhook_id for message in following] == [webhook["id"]], "there is more to do"
    assert store.due_webhooks(stack.table, stack.clock.now(), 10) == [(instance.id, webhook["id"])]
    Courier(stack).deliver(instance.id, webhook["id"])
    assert [event["data"]["tags"] for event in receiver.events] == [["v1"], ["late"]]


def test_many_deliveries_are_made_in_bounded_steps(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    webhook = make_webhook(owner, receiver.url)
    for number in range(MOST_A_STEP + 5):
        push(stack, instance.id, f"v{number}")
    following = Courier(stack).deliver(instance.id, webhook["id"])
    assert len(receiver.received) == MOST_A_STEP
    assert [message.webhook_id for message in following] == [webhook["id"]]
    assert Courier(stack).deliver(instance.id, webhook["id"]) == []
    assert len(receiver.received) == MOST_A_STEP + 5


class _Slow(Outbound):
    """Servers that answer well, and late."""

    now = 0.0

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.now += 7.9
        return Answer(200, b"")


def test_a_server_that_answers_late_and_well_gets_one_delivery_a_turn(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5: twenty webhooks of somebody's do not keep all workers from everybody else's"""
    webhook = make_webhook(owner, receiver.url)
    for number in range(3):
        push(stack, instance.id, f"v{number}")
    slow = _Slow()
    for left in (2, 1, 0):
        following = Courier(stack, slow, lambda: slow.now).deliver(instance.id, webhook["id"])
        assert len(log_of(owner, webhook, state="pending")) == left
        assert len(following) == (1 if left else 0)


def test_a_webhook_with_nothing_to_do_comes_to_rest(
    stack: Stack, clock: FrozenClock, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5: it is looked at once more, as index reads may lag, and then no more."""
    make_webhook(owner, receiver.url)
    push(stack, instance.id, "v1")
    tell(stack)
    clock.advance(61)
    assert len(store.due_webhooks(stack.table, clock.now(), 10)) == 1
    tell(stack)
    clock.advance(24 * AN_HOUR)
    assert store.due_webhooks(stack.table, clock.now(), 10) == []


def test_a_frozen_instance_sends_nothing_until_it_is_renewed(
    stack: Stack, clock: FrozenClock, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """I6, X5"""
    make_webhook(owner, receiver.url)
    instances = Instances(stack)
    frozen = instances.change(instance, expires_at=clock.now())
    push(stack, instance.id, "v1")
    tell(stack)
    clock.advance(AN_HOUR)
    tell(stack)
    assert receiver.received == []
    instances.change(frozen, expires_at=clock.now() + timedelta(days=30))
    clock.advance(FROZEN_WAIT.total_seconds())
    tell(stack)
    assert receiver.types == ["image.pushed"]


def test_health_of_a_webhook_that_works_costs_no_write(clock: FrozenClock) -> None:
    webhook = Webhook(
        id="W", instance_id="I", url="https://x", events=("image.pushed",), created_at=clock.now(), created_by="ada"
    )
    assert rules.health_after(webhook, Attempt(time=clock.now(), duration_ms=1, status=204)) == {}
