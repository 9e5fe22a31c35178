"""I7: an instance at a glance, as a page; and what is drawn there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chalicelib.audit.models import Deed
from chalicelib.audit.service import Audit
from chalicelib.console.plots import HEIGHT, WIDTH, Span, counts, level
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from chalicelib.registry.series import Series
from tests.console.browsing import Browser
from tests.management import Api
from tests.stacks import make_instance

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)


def test_quotas_addresses_and_plots_are_there_for_who_does_not_see_them_too(stack: Stack) -> None:
    """I7, C1"""
    instance = make_instance(stack, expires_at=stack.clock.now() + timedelta(days=9))
    Series(stack).add(instance.id, pulls=1234, pushes=7)
    seen = Browser.signed_in(stack).get("/instances/ci?days=30")
    address = Api.signed_in(stack).get("/instances/ci").json()["public_address"]
    for text in (f"docker login {address}", "0 / 15", "0 / 1,000", "1,234 in all", "The instance expires"):
        assert text in seen.words
    assert 'aria-label="Pulls: 1,234 in all"' in seen.html
    assert "2026-01-31" in Browser.signed_in(stack).part("/instances/ci?days=30", "plots").words


def test_texts_of_others_do_nothing_there(stack: Stack) -> None:
    """C1"""
    hostile = "<script>alert(1)</script>"
    instance = make_instance(stack)
    Api.signed_in(stack).post("/instances/ci/namespaces", {"name": "library"})
    deed = Deed(
        time=stack.clock.now(),
        user=hostile,
        object_type="tag",
        repository="library/app",
        object=f"{hostile}@sha256:00",
        action="push",
    )
    Audit(stack).record(instance.id, deed)
    seen = Browser.signed_in(stack).get("/instances/ci")
    assert hostile in seen.words
    assert hostile not in seen.html


def test_an_owner_who_is_not_on_the_allowlist_is_told_how_to_get_in(stack: Stack) -> None:
    """G2, I7"""
    make_instance(stack)
    api = Api.signed_in(stack)
    api.post("/instances/ci/allowlist", {"cidr": "203.0.113.0/24"})
    seen = Browser(stack, api.token, address="192.0.2.7").get("/instances/ci")
    assert seen.status == 200
    assert "Let 192.0.2.7 in" in seen.words
    assert 'href="/console/instances/ci/allowlist"' in seen.html


def test_a_frozen_instance_says_until_when_its_data_is_kept_and_offers_to_renew(stack: Stack) -> None:
    """I6"""
    make_instance(stack, expires_at=stack.clock.now() - timedelta(days=1))
    seen = Browser.signed_in(stack).get("/instances/ci")
    assert "This instance is frozen" in seen.words
    assert "Everything in the instance is deleted 2026-02-14" in seen.words
    assert 'href="/console/instances/ci/renew"' in seen.html
    assert "/renew" not in Browser.signed_in(stack, Role.READER).get("/instances/ci").html


def test_bars_stand_where_their_hour_is_below_a_round_number() -> None:
    plot = counts(Span.until(NOW, 1), [(NOW - timedelta(hours=12), 13), (NOW - timedelta(hours=6), 0)])
    (bar,) = plot.bars
    assert (plot.top, plot.total, bar.x, bar.height) == (20, 13, WIDTH / 2, HEIGHT * 13 / 20)


def test_a_level_stays_until_the_next_and_until_now() -> None:
    told = [(NOW - timedelta(days=4), None), (NOW - timedelta(days=2), 1024), (NOW - timedelta(days=1), 3072)]
    plot = level(Span.until(NOW, 4), told)
    assert plot.line == "500.0,66.7 750.0,66.7 750.0,0.0 1000.0,0.0"
    assert (plot.top, plot.last) == (3072, 3072)


def test_where_nothing_is_known_nothing_is_drawn() -> None:
    span = Span.until(NOW, 7)
    assert (level(span, []).line, counts(span, []).bars) == ("", ())
