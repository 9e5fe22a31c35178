"""Months and money, without a table."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.billing.rules import lines, months_between, months_later, total_cents
from chalicelib.kernel.settings import Settings

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("begins", "months", "ends"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2026-01-31", 2, "2026-03-31"),
        ("2027-12-31", 2, "2028-02-29"),
        ("2026-06-15", 12, "2027-06-15"),
        ("2026-11-30", 1, "2026-12-30"),
    ],
)
def test_a_month_is_a_calendar_month(begins: str, months: int, ends: str) -> None:
    """I5"""
    assert months_later(day(begins), months, day(begins).day) == day(ends)


def test_periods_that_begin_on_a_31st_do_not_drift() -> None:
    """I5"""
    moment = day("2026-01-31")
    ends = []
    for _ in range(5):
        moment = months_later(moment, 1, 31)
        ends.append(moment.day)
    assert ends == [28, 31, 30, 31, 30]


@pytest.mark.parametrize(
    ("now", "until", "months"),
    [
        ("2026-01-10", "2026-04-10", Fraction(3)),
        ("2026-01-31", "2026-02-28", Fraction(1)),
        ("2026-01-10", "2026-01-25", Fraction(15, 31)),
        ("2026-01-10", "2026-03-01", 1 + Fraction(19, 28)),
        ("2026-01-10", "2026-01-10", Fraction(0)),
        ("2026-01-10", "2026-01-09", Fraction(0)),
    ],
)
def test_the_rest_of_a_period_is_whole_months_and_a_share_of_the_next(now: str, until: str, months: Fraction) -> None:
    """I4"""
    assert months_between(day(now), day(until)) == months


@given(MOMENTS, st.integers(0, 40))
def test_a_whole_period_counts_what_it_was_bought_for(moment: datetime, months: int) -> None:
    """I4: who buys packs in the moment of opening pays for just as many months."""
    assert months_between(moment, months_later(moment, months, moment.day)) == months


@given(MOMENTS, MOMENTS, MOMENTS)
def test_the_longer_a_period_the_more_it_counts(now: datetime, one: datetime, other: datetime) -> None:
    shorter, longer = sorted((one, other))
    assert months_between(now, shorter) <= months_between(now, longer)


def test_half_a_cent_is_rounded_up() -> None:
    """I4"""
    settings = Settings.model_validate({"price_namespace_pack": "0.01"})
    for share, expected in ((Fraction(1, 2), 1), (Fraction(49, 100), 0), (Fraction(3, 2), 2)):
        assert total_cents(lines(settings, "enterprise", share, 1, 0, instances=0)) == expected


def test_the_price_list_is_the_operators() -> None:
    """I4"""
    standard = lines(Settings(), "enterprise", Fraction(2), 3, 1)
    assert [(line.item, line.amount_cents) for line in standard] == [
        ("instance", 156_000),
        ("namespace_pack", 15_000),
        ("repository_pack", 20_000),
    ]
    cheap = Settings.from_environment({"CRS_PRICE_INSTANCE": "1.5"})
    assert total_cents(lines(cheap, "enterprise", Fraction(3), 0, 0)) == 450
    assert lines(Settings(), "personal", Fraction(3), 0, 0) == ()
