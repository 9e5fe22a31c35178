"""Bandwidth of copies."""

from __future__ import annotations

import pytest

from chalicelib.copying.pace import Pace


class Watch:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_many_bytes_take_as_long_as_they_may() -> None:
    watch = Watch()
    pace = Pace(1000, clock=lambda: watch.now, sleep=watch.sleep)
    for _ in range(100):
        pace(100)
    assert watch.now == pytest.approx(10, abs=1.1)


def test_what_was_not_used_in_a_pause_is_not_made_up_for() -> None:
    watch = Watch()
    pace = Pace(1000, clock=lambda: watch.now, sleep=watch.sleep)
    watch.now = 1000
    pace(10_000)
    assert watch.now == pytest.approx(1009, abs=0.1)


def test_no_pace_is_refused() -> None:
    with pytest.raises(ValueError, match="never end"):
        Pace(0)
