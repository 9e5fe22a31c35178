"""I4, I5: the screens on which an instance is renewed, grown and deleted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
from tests.management import ADDRESS, Api
from tests.stacks import FrozenClock, embedded_stack, make_instance


@pytest.fixture
def api(stack: Stack) -> Api:
    """Of an account with money, whose instance `ci` runs for another 31 days."""
    make_instance(stack, expires_at=stack.clock.now() + timedelta(days=31))
    owner = Api.signed_in(stack)
    owner.post("/account/top-ups", {"amount": 5000})
    return owner


def test_auto_renewal_is_turned_on_and_off(api: Api) -> None:
    """I5"""
    browser = Browser(api.stack, api.token)
    assert "It renews itself now" in browser.post("/instances/ci/settings", auto_renew="yes").words
    assert api.get("/instances/ci").json()["auto_renew"] is True
    browser.post("/instances/ci/settings")
    assert api.get("/instances/ci").json()["auto_renew"] is False


def test_packs_show_their_price_before_they_are_ordered(api: Api) -> None:
    """I4"""
    browser = Browser(api.stack, api.token)
    quoted = api.get("/instances/ci/quotes/quota-packs", namespace_packs=2).json()["amount"]
    assert f"CN¥{quoted:.2f}" in browser.get("/instances/ci/settings?namespace_packs=2").words
    assert api.get("/account").json()["balance"] == 5000
    seen = browser.post("/instances/ci/settings/packs", namespace_packs="2")
    assert f"CN¥{quoted:.2f} paid" in seen.words
    assert api.get("/instances/ci/overview").json()["namespaces"]["limit"] == 25


def test_packs_that_are_no_number_are_complained_of_at_their_field(api: Api) -> None:
    """I4"""
    seen = Browser(api.stack, api.token).post("/instances/ci/settings/packs", namespace_packs="many")
    assert (seen.status, 'id="namespace_packs-wrong"' in seen.html) == (400, True)
    assert 'value="many"' in seen.html


def test_a_renewal_shows_its_price_and_until_when_and_is_then_paid(api: Api) -> None:
    """I5"""
    browser = Browser(api.stack, api.token)
    part = browser.part("/instances/ci/renew?months=3", "price")
    assert "CN¥2,340.00" in part.words
    assert "2026-06-03" in part.words
    seen = browser.post("/instances/ci/renew", months="3")
    assert "ci runs until 2026-06-03" in seen.words
    refused = browser.post("/instances/ci/renew", months="12")
    assert (refused.status, "The balance is too low" in refused.words) == (409, True)


def test_deleting_an_instance_says_what_goes_and_asks_for_its_name(api: Api) -> None:
    """I6, C1"""
    browser = Browser(api.stack, api.token)
    api.post("/instances/ci/namespaces", {"name": "library"})
    asked = browser.get("/instances/ci/delete")
    assert "1 namespace, 0 repositories" in asked.words
    assert "paid until 2026-03-03" in asked.words
    mistyped = browser.post("/instances/ci/delete", confirm="c1")
    assert (mistyped.status, "This is not its name" in mistyped.words) == (400, True)
    assert api.get("/instances/ci").json()["state"] == "running"
    seen = browser.post("/instances/ci/delete", confirm="ci")
    assert "ci is being deleted" in seen.words
    assert api.get("/instances/ci").json()["state"] == "releasing"


def test_who_does_not_pay_is_offered_nothing_and_refused(api: Api) -> None:
    """G5"""
    auditor = Browser.signed_in(api.stack, Role.AUDITOR)
    seen = auditor.get("/instances/ci/settings")
    assert (seen.status, "<form method" in seen.html.partition("<main")[2]) == (200, False)
    for path in ("settings", "settings/packs", "renew", "delete"):
        assert auditor.post(f"/instances/ci/{path}", months="1", namespace_packs="1", confirm="ci").status == 403


def test_where_an_instance_stands_still_its_pages_say_how_it_goes_on(tmp_path: Path) -> None:
    """I5, G2, C1: frozen, or closed to the reader's address; to whoever can do something about it."""
    renew, allowlist = "/console/instances/ci/renew", "/console/instances/ci/allowlist"
    clock = FrozenClock()
    with embedded_stack(tmp_path, clock) as stack:
        make_instance(stack, expires_at=clock.now() + timedelta(hours=1))
        owner, reader = Api.signed_in(stack), Browser.signed_in(stack, Role.READER)
        owner.post("/instances/ci/allowlist", {"cidr": ADDRESS})
        outside = Browser(stack, owner.token, address="198.51.100.9").get("/instances/ci/namespaces")
        assert (outside.status, f'href="{allowlist}"' in outside.html) == (403, True)
        clock.advance(2 * 3600)
        inside = [browser.get("/instances/ci/namespaces") for browser in (Browser(stack, owner.token), reader)]
        assert [f'href="{renew}"' in seen.html for seen in inside] == [True, False]
