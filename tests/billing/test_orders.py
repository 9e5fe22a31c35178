"""Quotes, balances, orders, renewals and quota packs through the API."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.billing.lives import Lives
from chalicelib.billing.service import Billing
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import BalanceTooLow, Refused
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.stacks import FrozenClock, make_instance

DAY_S = 86_400


@pytest.fixture
def api(stack: Stack) -> Api:
    return Api.signed_in(stack)


def paid(stack: Stack, name: str = "ci", days: float = 31, **more: Any) -> Instance:
    return make_instance(stack, name, expires_at=stack.clock.now() + timedelta(days=days), **more)


def orders(api: Api) -> list[dict[str, Any]]:
    return list(api.get("/account/orders").json()["items"])


def balance(api: Api) -> float:
    return float(api.get("/account").json()["balance"])


def all_at_once(deeds: list[Callable[[], object]]) -> int:
    """How many were not refused."""

    def tried(deed: Callable[[], object]) -> bool:
        try:
            deed()
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        return sum(threads.map(tried, deeds))


def test_a_quote_says_what_each_part_costs(api: Api) -> None:
    """I4"""
    quote = api.get("/quotes", edition="enterprise", months=3, namespace_packs=2, repository_packs=1).json()
    assert (quote["amount"], quote["currency"]) == (2790.0, "CNY")
    assert quote["lines"][1] == {
        "item": "namespace_pack",
        "quantity": 2,
        "unit_price": 25.0,
        "months": 3.0,
        "amount": 150.0,
    }
    assert api.get("/quotes", edition="personal").json()["amount"] == 0
    assert api.get("/quotes", edition="personal", namespace_packs=1).code == "EDITION_REQUIRED"
    refused = api.get("/quotes", edition="gold", months=0, namespace_packs=-1, packs=1)
    assert {one["field"] for one in refused.json()["errors"]} == {"edition", "months", "namespace_packs", "packs"}


def test_money_comes_in_and_is_counted_to_the_cent(api: Api) -> None:
    """I4"""
    assert balance(api) == 0
    for amount in (0.1, 0.2, "100"):
        assert api.post("/account/top-ups", {"amount": amount}).status == 201
    assert balance(api) == 100.3
    listed = api.get("/account/top-ups").json()["items"]
    assert sorted(one["amount"] for one in listed) == [0.1, 0.2, 100.0]
    assert listed[0]["created_by"] == "owner"


@pytest.mark.parametrize("amount", [0, -1, 0.001, 10_000_001, 1e300, True, None, "x", [], "NaN", "Infinity"])
def test_no_other_amount_comes_in(api: Api, amount: object) -> None:
    """I4"""
    refused = api.post("/account/top-ups", {"amount": amount})
    assert (refused.status, refused.json()["errors"][0]["field"]) == (400, "amount")
    assert balance(api) == 0


def test_money_is_the_owners_and_auditors_look_on(stack: Stack) -> None:
    """I4, G5"""
    paid(stack)
    auditor = Api.signed_in(stack, Role.AUDITOR)
    assert auditor.get("/account").status == 200
    for role in (Role.AUDITOR, Role.DEVELOPER, Role.READER):
        api = Api.signed_in(stack, role)
        assert api.post("/account/top-ups", {"amount": 1}).status == 403
        assert api.post("/instances/ci/renewals", {"months": 1}).status == 403
        assert api.post("/instances/ci/quota-packs", {"namespace_packs": 1}).status == 403


def test_a_renewal_prolongs_from_the_expiry_and_is_paid_with_its_packs(api: Api, stack: Stack) -> None:
    """I5: opened on 31 January until 3 March; two months from then end on 3 May."""
    paid(stack, namespace_packs=2)
    api.post("/account/top-ups", {"amount": 2000})
    renewed = api.post("/instances/ci/renewals", {"months": 2})
    assert renewed.status == 201
    assert renewed.json()["expires_at"] == "2026-05-03T08:00:00.000000Z"
    assert renewed.json()["order"]["amount"] == 2 * (780 + 2 * 25)
    assert balance(api) == 2000 - 1660
    (order,) = orders(api)
    assert order == renewed.json()["order"]
    assert (order["kind"], order["created_by"], order["automatic"]) == ("renewal", "owner", False)


def test_what_the_balance_does_not_cover_is_refused_and_changes_nothing(api: Api, stack: Stack) -> None:
    """I4"""
    instance = paid(stack)
    api.post("/account/top-ups", {"amount": 779.99})
    refused = api.post("/instances/ci/renewals", {"months": 1})
    assert (refused.status, refused.code) == (409, "BALANCE_TOO_LOW")
    assert refused.json()["context"] == {"amount": 780.0, "balance": 779.99}
    assert "780.00" in refused.json()["detail"] and "779.99" in refused.json()["detail"]
    assert (balance(api), orders(api)) == (779.99, [])
    assert Instances(stack).load(instance.id) == instance


def test_packs_are_paid_for_the_rest_of_the_period_and_raise_the_quotas_at_once(
    api: Api, stack: Stack, clock: FrozenClock
) -> None:
    """I4: of 1 March to 1 May, from 16 March on, one month and 15 of 30 days are left."""
    clock.advance(29 * DAY_S)
    paid(stack, days=61)
    clock.advance(15 * DAY_S)
    api = Api.signed_in(stack)
    api.post("/account/top-ups", {"amount": 1000})
    bought = api.post("/instances/ci/quota-packs", {"namespace_packs": 2, "repository_packs": 1}).json()
    assert [line["months"] for line in bought["order"]["lines"]] == [1.5, 1.5]
    assert [line["amount"] for line in bought["order"]["lines"]] == [75.0, 150.0]
    assert balance(api) == 775.0
    instance = Instances(stack).named("default", "ci")
    assert (instance.namespace_limit, instance.repository_limit) == (25, 2000)
    assert (bought["namespace_packs"], bought["repository_packs"]) == (2, 1)


def test_packs_are_for_enterprise_instances_and_at_least_one(api: Api, stack: Stack) -> None:
    """I3"""
    make_instance(stack, "small", "personal")
    paid(stack)
    assert api.post("/instances/small/quota-packs", {"namespace_packs": 1}).code == "EDITION_REQUIRED"
    refused = api.post("/instances/ci/quota-packs", {})
    assert {one["field"] for one in refused.json()["errors"]} == {"namespace_packs", "repository_packs"}
    full = paid(stack, "full", namespace_packs=200)
    refused = api.post(f"/instances/{full.id}/quota-packs", {"namespace_packs": 1})
    assert (refused.status, refused.json()["errors"][0]["field"]) == (400, "namespace_packs")


def test_what_never_expires_is_not_renewed_and_nobody_pays_ten_years_ahead(api: Api, stack: Stack) -> None:
    """I5"""
    make_instance(stack, "small", "personal")
    paid(stack)
    assert api.post("/instances/small/renewals", {"months": 1}).status == 409
    api.post("/account/top-ups", {"amount": 10_000_000})
    answers = [api.post("/instances/ci/renewals", {"months": 36}) for _ in range(4)]
    assert [one.status for one in answers] == [201, 201, 201, 400]
    assert answers[-1].json()["errors"][0]["field"] == "months"


def test_a_repeated_order_with_its_key_is_paid_once(api: Api, stack: Stack) -> None:
    """I4"""
    paid(stack)
    api.post("/account/top-ups", {"amount": 2000})
    send = {"idempotency-key": "one"}
    first, again = (api.send("POST", "/instances/ci/renewals", {"months": 1}, None, **send) for _ in range(2))
    assert (first.status, first.json()) == (again.status, again.json())
    assert balance(api) == 1220


def test_of_many_orders_at_once_just_those_are_carried_out_that_the_balance_covers(api: Api, stack: Stack) -> None:
    """I4"""
    instance = paid(stack)
    api.post("/account/top-ups", {"amount": 3 * 780 + 779})
    billing = Billing(stack)
    assert all_at_once([lambda: billing.renew(instance, 1, "owner")] * 8) == 3
    assert (balance(api), len(orders(api))) == (779, 3)
    assert Instances(stack).view(Instances(stack).load(instance.id)).expires_at is not None
    assert orders(api)[0]["currency"] == "CNY"
    renewed = Instances(stack).load(instance.id)
    assert renewed.expires_at is not None and (renewed.expires_at.month, renewed.version) == (6, 4)


def test_an_auto_renewal_and_an_order_at_once_cost_what_both_bought(api: Api, stack: Stack, clock: FrozenClock) -> None:
    """I5: in whatever order they come, each month that was gained is paid, and once."""
    for number in range(4):
        instance = paid(stack, f"ci-{number}", days=1.5, auto_renew=True)
        before = Billing(stack).balance_cents("default")
        Billing(stack).top_up("default", _money(5000), "owner")
        clock.advance(DAY_S)
        lives = [Lives(stack) for _ in range(3)]
        deeds: list[Callable[[], object]] = [one.advance for one in lives]
        all_at_once([*deeds, lambda one=instance: Billing(stack).renew(one, 2, "owner")])  # type: ignore[misc]
        Lives(stack).advance()
        spent = before + 500_000 - Billing(stack).balance_cents("default")
        expires_at = Instances(stack).load(instance.id).expires_at
        assert expires_at is not None and instance.expires_at is not None
        months = (expires_at.year - instance.expires_at.year) * 12 + expires_at.month - instance.expires_at.month
        assert (months, spent) in ((2, 2 * 78_000), (3, 3 * 78_000))


def _money(amount: int) -> Any:
    from chalicelib.billing.models import NewTopUp

    return NewTopUp.model_validate({"amount": amount})


def test_a_balance_never_goes_below_nothing(stack: Stack) -> None:
    """I4"""
    instance = paid(stack)
    with pytest.raises(BalanceTooLow):
        Billing(stack).renew(instance, 36, "owner")
    assert Billing(stack).balance_cents("default") == 0


def test_a_renewal_is_quoted_as_it_is_then_paid(api: Api, stack: Stack) -> None:
    """I4, I5"""
    paid(stack, namespace_packs=2)
    api.post("/account/top-ups", {"amount": 10_000})
    quote = api.get("/instances/ci/quotes/renewal", months=3).json()
    bought = api.post("/instances/ci/renewals", {"months": 3}).json()
    assert quote["amount"] == bought["order"]["amount"] == 3 * (780 + 2 * 25)
    assert quote["expires_at"] == bought["expires_at"]


def test_packs_are_quoted_for_the_rest_of_the_period(api: Api, stack: Stack) -> None:
    """I4"""
    paid(stack, days=31)
    quote = api.get("/instances/ci/quotes/quota-packs", namespace_packs=2).json()
    assert 0 < quote["amount"] <= 2 * 25 * 1.11
    assert api.get("/instances/ci/quotes/quota-packs", namespace_packs=201).status == 400
    assert balance(api) == 0


def test_orders_are_searched_sorted_and_paged(api: Api, stack: Stack, clock: FrozenClock) -> None:
    """I4, C1"""
    api.post("/account/top-ups", {"amount": 100_000})
    for name in ("blue", "green"):
        paid(stack, name)
        for months in (1, 2):
            assert api.post(f"/instances/{name}/renewals", {"months": months}).status == 201
            clock.advance(1)
    page = api.get("/account/orders", search="GREEN", sort="created_at", limit=1).json()
    following = api.get("/account/orders", search="green", sort="created_at", limit=1, cursor=page["next"]).json()
    assert [order["amount"] for order in (*page["items"], *following["items"])] == [780, 1560]
    assert api.get("/account/orders", kind="opening").json()["items"] == []
    assert api.get("/account/top-ups", search="owner").json()["items"][0]["amount"] == 100_000
    assert api.get("/account/orders", cursor="made up").status == 400
