"""P4: when schedules fire, in places where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.retention.timetable import require_cron, require_zone, times

# (time zone, expression, first moment to look from, the next five in the place's own time)
CHANGES = [
    ("Europe/Berlin", "30 2 * * *", "2026-03-28T00:00", "28 02:30+01 29 03:00+02 30 02:30+02 31 02:30+02 01 02:30+02"),
    ("Europe/Berlin", "30 2 * * *", "2026-10-24T00:00", "24 02:30+02 25 02:30+02 26 02:30+01 27 02:30+01 28 02:30+01"),
    (
        "America/New_York", "30 2 * * *", "2026-03-07T12:00",
        "08 03:00-04 09 02:30-04 10 02:30-04 11 02:30-04 12 02:30-04",
    ),
    (
        "America/New_York", "30 1 * * *", "2026-10-31T12:00",
        "01 01:30-04 02 01:30-05 03 01:30-05 04 01:30-05 05 01:30-05",
    ),
    (
        "Australia/Lord_Howe", "0 2 * * *", "2026-10-02T12:00",
        "03 02:00+1030 04 02:30+11 05 02:00+11 06 02:00+11 07 02:00+11",
    ),
    (
        "Australia/Lord_Howe", "45 1 * * *", "2026-04-03T12:00",
        "04 01:45+11 05 01:45+11 06 01:45+1030 07 01:45+1030 08 01:45+1030",
    ),
]  # fmt: skip


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(moment: datetime, zone: str) -> str:
    """`29 03:00+02`"""
    text = moment.astimezone(ZoneInfo(zone)).strftime("%d %H:%M%z")
    return text[:-2] if text.endswith("00") else text


@pytest.mark.parametrize(("zone", "cron", "start", "expected"), CHANGES, ids=[f"{c[0]} {c[1]}" for c in CHANGES])
def test_five_runs_across_a_change_of_the_clock(zone: str, cron: str, start: str, expected: str) -> None:
    """P4: what falls into the hour left out comes right after it, what comes twice comes once."""
    found = list(islice(times(cron, zone, utc(start)), 5))
    assert " ".join(shown(moment, zone) for moment in found) == expected


def test_what_fires_every_half_hour_goes_on_through_the_hour_that_comes_twice() -> None:
    """P4"""
    found = list(islice(times("*/30 * * * *", "Europe/Berlin", utc("2026-10-25T00:00")), 4))
    assert [moment.strftime("%H:%M") for moment in found] == ["00:30", "01:00", "01:30", "02:00"]


def test_a_late_look_from_inside_the_hour_that_comes_twice_names_no_time_that_is_over() -> None:
    """P4: at 02:15 for the second time, half past two of that night is over."""
    late = utc("2026-10-25T01:15")
    found = list(islice(times("30 2 * * *", "Europe/Berlin", late), 2))
    assert [moment.isoformat() for moment in found] == ["2026-10-26T01:30:00+00:00", "2026-10-27T01:30:00+00:00"]


ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "UTC"])
EXPRESSIONS = st.sampled_from(
    ["30 2 * * *", "0,30 1-3 * * *", "*/7 * * * *", "15 */2 * * *", "0 0 * * 0", "5 1,2 * * *"]
)


@given(ZONES, EXPRESSIONS, st.integers(0, 366 * 24 * 60), st.integers(0, 59))
def test_times_only_go_forward(zone: str, cron: str, minutes: int, seconds: int) -> None:
    """P4: each later than the one before, and than the moment asked from; by at least a minute."""
    start = utc("2026-01-01T00:00") + timedelta(minutes=minutes, seconds=seconds)
    found = list(islice(times(cron, zone, start), 5))
    assert found[0] > start
    assert all(later - earlier >= timedelta(minutes=1) for earlier, later in pairwise(found))
    assert all(moment.second == 0 for moment in found)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("* * * * * *", "five fields"),
        ("* * * *", "five fields"),
        ("@daily", "five fields"),
        ("", "five fields"),
        ("0 0 * * *\n", "five fields"),
        ("٣ 0 * * *", "five fields"),
        ("60 * * * *", "'60' is no minute"),
        ("0 24 * * *", "'24' is no hour"),
        ("0 0 0 * *", "'0' is no day of month"),
        ("0 0 * FOO *", "'FOO' is no month"),
        ("0 0 * * 8", "'8' is no day of week"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("0 0 31 2 *", "'31' is no day of month"),
        ("0 0 31 2,4 *", "'31' is no day of month"),
        ("0 9-5 * * *", "'9-5' is no hour"),
    ],
)
def test_an_expression_that_never_fires_or_says_nothing_is_refused(expression: str, why: str) -> None:
    """P4"""
    with pytest.raises(ValueError, match=why.replace("*", r"\*")):
        require_cron(expression)


@pytest.mark.parametrize("name", ["", "Berlin", "../etc/passwd", "localtime", "europe/berlin", "America"])
def test_only_names_of_time_zones_are_taken(name: str) -> None:
    """P4"""
    with pytest.raises(ValueError, match="no time zone"):
        require_zone(name)
