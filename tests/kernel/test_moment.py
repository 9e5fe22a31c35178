"""Moments as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from chalicelib.kernel.moment import from_text, to_text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 31, 8, tzinfo=UTC), "2026-01-31T08:00:00.000000Z"),
        (datetime(289, 10, 4, 5, 7, 18, 5, tzinfo=UTC), "0289-10-04T05:07:18.000005Z"),
        (datetime(2026, 1, 31, 8, tzinfo=timezone(timedelta(hours=2))), "2026-01-31T06:00:00.000000Z"),
    ],
)
def test_a_moment_has_one_text_of_one_width_and_comes_back_from_it(moment: datetime, text: str) -> None:
    assert to_text(moment) == text
    assert from_text(text) == moment
