"""I4: the screens of the account's money."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
from tests.management import Api
from tests.stacks import make_instance


def test_a_top_up_stands_in_the_list_and_on_the_balance(stack: Stack) -> None:
    """I4"""
    seen = Browser.signed_in(stack).post("/billing/top-ups", amount="1250.50")
    assert (seen.status, seen.path) == (200, "/billing/top-ups")
    assert "CN¥1,250.50 received" in seen.words
    assert "Balance CN¥1,250.50" in seen.words
    assert Api.signed_in(stack).get("/account").json()["balance"] == 1250.5


def test_an_amount_that_is_none_is_complained_of_with_what_was_typed(stack: Stack) -> None:
    """I4"""
    seen = Browser.signed_in(stack).post("/billing/top-ups", amount="1,000 <i>")
    assert (seen.status, 'id="amount-wrong"' in seen.html) == (400, True)
    assert 'value="1,000 &lt;i&gt;"' in seen.html


def test_orders_tell_line_by_line_what_was_bought_and_are_searched(stack: Stack) -> None:
    """I4, C1"""
    api = Api.signed_in(stack)
    api.post("/account/top-ups", {"amount": 10_000})
    for name in ("shop", "blog"):
        make_instance(stack, name, expires_at=stack.clock.now() + timedelta(days=9), namespace_packs=2)
        api.post(f"/instances/{name}/renewals", {"months": 3})
    seen = Browser(stack, api.token).get("/billing")
    assert "Instance, 3 months 2 × Pack of 5 namespaces, 3 months CN¥2,490.00" in seen.words
    part = Browser(stack, api.token).part("/billing?search=shop&sort=created_at", "list")
    assert ("shop" in part.words, "blog" in part.words, "<main" in part.html) == (True, False, False)


def test_auditors_look_on_and_readers_do_not(stack: Stack) -> None:
    """G5"""
    auditor = Browser.signed_in(stack, Role.AUDITOR)
    assert 'name="amount"' not in auditor.get("/billing/top-ups").html
    assert auditor.post("/billing/top-ups", amount="1").status == 403
    assert Browser.signed_in(stack, Role.READER).get("/billing").status == 403
