"""The steps of an instance's life as time passes: auto-renewal, freezing, giving up; lost answers, crashes, doubles."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client

import app
from chalicelib.audit.models import Entry, Filter
from chalicelib.audit.service import Audit
from chalicelib.billing.lives import Lives
from chalicelib.billing.models import NewTopUp, OrderQuery
from chalicelib.billing.rules import months_later
from chalicelib.billing.service import Billing
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import InstanceFrozen, Unavailable
from chalicelib.kernel.messages import ReleaseInstance
from chalicelib.ports.stack import Stack
from tests.faults.ports import FAIL_AFTER, FAIL_BEFORE, Fault, Faults, faulty
from tests.management import Api
from tests.stacks import FrozenClock, embedded_stack, make_instance

DAY_S = 86_400
MINUTES_5_S = 300


def opened(stack: Stack, days: float = 31, **more: Any) -> Instance:
    return make_instance(stack, "ci", expires_at=stack.clock.now() + timedelta(days=days), **more)


def topped_up(stack: Stack, amount: int) -> None:
    Billing(stack).top_up("default", NewTopUp.model_validate({"amount": amount}), "owner")


def now(stack: Stack, instance: Instance) -> Instance:
    return Instances(stack).load(instance.id)


def told(stack: Stack, instance: Instance) -> list[tuple[str, str, str]]:
    """Who did what to the instance with which result, oldest first."""
    entries: tuple[Entry, ...] = Audit(stack).search(instance.id, Filter(), None, 100).items
    return [(one.user, one.action, one.result) for one in reversed(entries)]


def test_auto_renewal_prolongs_by_a_month_on_the_last_day(stack: Stack, clock: FrozenClock) -> None:
    """I5: from 31 January to 3 March, and a month from then."""
    instance = opened(stack, auto_renew=True)
    topped_up(stack, 1000)
    clock.advance(30 * DAY_S - 1)
    assert Lives(stack).advance() == []
    assert now(stack, instance) == instance
    clock.advance(1)
    Lives(stack).advance()
    renewed = now(stack, instance)
    assert renewed.expires_at is not None and renewed.expires_at.isoformat() == "2026-04-03T08:00:00+00:00"
    assert Billing(stack).balance_cents("default") == 22_000
    (order,) = Billing(stack).orders("default", OrderQuery()).items
    assert (order.kind, order.automatic, order.created_by) == ("renewal", True, "system")
    assert told(stack, instance) == [("system", "renew", "succeeded")]
    Lives(stack).advance()
    assert now(stack, instance) == renewed


def test_a_balance_that_lacks_is_told_once_and_tried_until_expiry(stack: Stack, clock: FrozenClock) -> None:
    """I5, I6"""
    instance = opened(stack, auto_renew=True)
    clock.advance(30 * DAY_S)
    for _ in range(4):
        Lives(stack).advance()
        clock.advance(MINUTES_5_S)
    assert told(stack, instance) == [("system", "renew", "BALANCE_TOO_LOW")]
    assert Api.signed_in(stack).get("/instances/ci").json()["unpaid_since"] == "2026-03-02T08:00:00.000000Z"
    topped_up(stack, 780)
    Lives(stack).advance()
    assert now(stack, instance).unpaid_since is None
    assert Billing(stack).balance_cents("default") == 0
    assert told(stack, instance)[1:] == [("system", "renew", "succeeded")]


def test_an_unpaid_instance_freezes_at_expiry_and_is_given_up_15_days_later(stack: Stack, clock: FrozenClock) -> None:
    """I6"""
    instance = opened(stack, auto_renew=True)
    clock.advance(31 * DAY_S - 60)
    Lives(stack).advance()
    assert now(stack, instance).state == "running"
    clock.advance(60)
    assert Lives(stack).advance() == []
    assert now(stack, instance).state == "frozen"
    clock.advance(15 * DAY_S - 1)
    assert Lives(stack).advance() == []
    clock.advance(1)
    assert [message.instance_id for message in released(stack)] == [instance.id]
    assert now(stack, instance).state == "releasing"
    assert [action for _, action, _ in told(stack, instance)] == ["renew", "freeze", "release"]


def released(stack: Stack) -> list[ReleaseInstance]:
    return [message for message in Lives(stack).advance() if isinstance(message, ReleaseInstance)]


def test_a_deletion_whose_message_was_lost_is_asked_for_again(stack: Stack, clock: FrozenClock) -> None:
    """I6"""
    instance = opened(stack, days=1)
    clock.advance(16 * DAY_S)
    assert len(released(stack)) == 1
    assert released(stack) == []
    clock.advance(3600)
    assert [message.instance_id for message in released(stack)] == [instance.id]


def test_renewed_within_15_days_it_runs_from_now_on(stack: Stack, clock: FrozenClock) -> None:
    """I6"""
    instance = opened(stack, days=1)
    clock.advance(1 * DAY_S)
    Lives(stack).advance()
    clock.advance(14 * DAY_S)
    topped_up(stack, 780)
    api = Api.signed_in(stack)
    renewed = api.post("/instances/ci/renewals", {"months": 1}).json()
    assert (renewed["state"], renewed["expires_at"]) == ("running", "2026-03-15T08:00:00.000000Z")
    assert now(stack, instance).stood_still_s == 14 * DAY_S
    Instances(stack).require_running(now(stack, instance))
    assert released(stack) == []


def test_after_15_days_nobody_renews_any_more(stack: Stack, clock: FrozenClock) -> None:
    """I6: whether or not a schedule has given it up already."""
    instance = opened(stack, days=1)
    topped_up(stack, 780)
    clock.advance(16 * DAY_S)
    api = Api.signed_in(stack)
    assert api.post("/instances/ci/renewals", {"months": 1}).code == "CONFLICT"
    Lives(stack).advance()
    assert api.post("/instances/ci/renewals", {"months": 1}).code == "CONFLICT"
    assert now(stack, instance).state == "releasing"
    assert Billing(stack).balance_cents("default") == 78_000


def test_a_service_that_stood_still_itself_takes_nobodys_data(stack: Stack, clock: FrozenClock) -> None:
    """I6: what auto-renewal would have paid in time is renewed when the schedule runs again."""
    instance = opened(stack, auto_renew=True)
    topped_up(stack, 780)
    clock.advance(60 * DAY_S)
    assert Lives(stack).advance() == []
    Instances(stack).require_running(now(stack, instance))
    assert now(stack, instance).stood_still_s == 29 * DAY_S


def test_frozen_content_is_not_managed_but_money_is(stack: Stack, clock: FrozenClock) -> None:
    """I6"""
    instance = opened(stack, days=1)
    clock.advance(2 * DAY_S)
    api = Api.signed_in(stack)
    assert api.get("/instances/ci/namespaces").code == "INSTANCE_FROZEN"
    assert api.post("/instances/ci/namespaces", {"name": "library"}).code == "INSTANCE_FROZEN"
    assert api.post("/instances/ci/quota-packs", {"namespace_packs": 1}).code == "INSTANCE_FROZEN"
    assert api.get("/instances/ci").json()["state"] == "frozen"
    assert api.post("/account/top-ups", {"amount": 780}).status == 201
    assert api.post("/instances/ci/renewals", {"months": 1}).status == 201
    assert api.get("/instances/ci/namespaces").status == 200
    with pytest.raises(InstanceFrozen):
        Instances(stack).require_running(instance)


def test_many_schedules_at_once_take_each_step_once(stack: Stack, clock: FrozenClock) -> None:
    """I5, I6"""
    instance = opened(stack, auto_renew=True)
    topped_up(stack, 10_000)
    clock.advance(30 * DAY_S)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: Lives(stack).advance(), range(16)))
    assert Billing(stack).balance_cents("default") == 1_000_000 - 78_000
    assert len(Billing(stack).orders("default", OrderQuery()).items) == 1
    assert now(stack, instance).expires_at == (instance.expires_at or clock.now()) + timedelta(days=31)


def test_the_schedule_takes_the_steps_and_has_the_deletion_begun(
    stack: Stack, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I6: the app's own schedule, as Lambda calls it."""
    monkeypatch.setattr(app, "stack", lambda: stack)
    client = Client(app.app)
    event = client.events.generate_cw_event("aws.events", "Scheduled Event", {}, [])
    instance = opened(stack, days=1)
    clock.advance(1 * DAY_S)
    client.lambda_.invoke("life", event)
    assert now(stack, instance).state == "frozen"
    assert stack.queues.receive(ReleaseInstance.queue) == []
    clock.advance(15 * DAY_S)
    client.lambda_.invoke("life", event)
    (delivery,) = stack.queues.receive(ReleaseInstance.queue)
    assert instance.id in delivery.body


def steps(stack: Stack, faults: Faults) -> None:
    """A run of the schedule on ports with these faults, the audit's table among them."""
    broken = faulty(stack, faults)
    Lives(replace(broken, audit=faulty(replace(stack, table=stack.audit), faults).table)).advance()


@pytest.mark.parametrize("fault", [FAIL_BEFORE, FAIL_AFTER], ids=["before", "after"])
@pytest.mark.parametrize("step", ["renew", "unpaid", "freeze", "release"])
def test_a_step_that_breaks_off_anywhere_is_finished_by_the_next_run(tmp_path: Path, step: str, fault: Fault) -> None:
    """I5, I6: every call of each step fails in turn; nothing is paid twice, and every step is in the audit."""
    days, auto_renew, money = {"renew": (0.5, True, 780), "unpaid": (0.5, True, 0)}.get(step, (-0.5, False, 780))
    days = -15.5 if step == "release" else days
    counted = Faults()
    with embedded_stack(tmp_path / "whole", FrozenClock()) as stack:
        opened(stack, days, auto_renew=auto_renew)
        topped_up(stack, max(money, 1))
        steps(stack, counted)
    assert len(counted.calls) > 5
    for number in range(1, len(counted.calls) + 1):
        with embedded_stack(tmp_path / str(number), FrozenClock()) as stack:
            instance = opened(stack, days, auto_renew=auto_renew)
            if money:
                topped_up(stack, money)
            with suppress(Unavailable):
                steps(stack, Faults({number: fault}))
            Lives(stack).advance()
            Lives(stack).advance()
            state, expires_at = now(stack, instance).state, now(stack, instance).expires_at
            renewed = months_later(instance.expires_at, 1, instance.expires_at.day) if instance.expires_at else None
            assert state == {"freeze": "frozen", "release": "releasing"}.get(step, "running")
            assert expires_at == (renewed if step == "renew" else instance.expires_at)
            assert Billing(stack).balance_cents("default") == (0 if step == "renew" else money * 100)
            assert ("renew" if step == "unpaid" else step) in [action for _, action, _ in told(stack, instance)]
            assert now(stack, instance).untold == ""
