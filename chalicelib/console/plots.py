"""What is drawn over time: values of hours or days, brought onto a canvas that is stretched to the room there is.

The canvas is WIDTH × HEIGHT, its origin above on the left. Texts stand beside it as HTML, and are not stretched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

WIDTH: Final = 1000.0
HEIGHT: Final = 100.0
# Beyond a week a point is a day.
HOURLY_DAYS: Final = 7
_KIBI: Final = 1024
# Round numbers; of counts half of each is whole.
_STEPS: Final = (2, 4, 6, 8, 10, 20, 30, 40, 60, 80, 100)
_SIZES: Final = (1, 2, 3, 4, 6, 8, 10, 20, 30, 40, 60, 80, 100, 150, 200, 300, 400, 600, 800, 1024)


@dataclass(frozen=True)
class Bar:
    x: float
    width: float
    height: float
    time: datetime
    value: int


@dataclass(frozen=True)
class Plot:
    """
    top     the value of the canvas's upper edge; a round one, half of which is shown too
    bars    of counts; line: of a level, as points `x,y`, and area: the same down to the ground; both "" for none
    total   all counts together; last: the latest level, None before it was known
    """

    top: int
    bars: tuple[Bar, ...] = ()
    line: str = ""
    area: str = ""
    total: int = 0
    last: int | None = None


@dataclass(frozen=True)
class Span:
    """Of so many days until now."""

    begin: datetime
    end: datetime
    days: int

    @classmethod
    def until(cls, now: datetime, days: int) -> Span:
        return cls(now - timedelta(days=days), now, days)

    @property
    def hourly(self) -> bool:
        return self.days <= HOURLY_DAYS

    def x(self, moment: datetime) -> float:
        share = (moment - self.begin) / (self.end - self.begin)
        return round(WIDTH * min(max(share, 0.0), 1.0), 1)


def counts(span: Span, values: Iterable[tuple[datetime, int]]) -> Plot:
    """values: the beginning of an hour or day → how many in it."""
    told = [(time, value) for time, value in values if value]
    top = _round_up(max((value for _, value in told), default=0))
    step = timedelta(hours=1) if span.hourly else timedelta(days=1)
    bars = tuple(_bar(span, time, step, value, top) for time, value in told)
    return Plot(top=top, bars=bars, total=sum(value for _, value in told))


def level(span: Span, values: Sequence[tuple[datetime, int | None]]) -> Plot:
    """values: from a moment on → bytes; they stay until the next."""
    told = [(span.x(time), value) for time, value in values if value is not None]
    if not told:
        return Plot(top=_KIBI)
    top = _round_up_bytes(max(value for _, value in told))
    corners: list[tuple[float, float]] = []
    for x, value in told:
        y = _y(value, top)
        corners += [(x, corners[-1][1]), (x, y)] if corners else [(x, y)]
    corners.append((WIDTH, corners[-1][1]))
    ground = [(WIDTH, HEIGHT), (corners[0][0], HEIGHT)]
    return Plot(top=top, line=_text(corners), area=_text([*corners, *ground]), last=told[-1][1])


def _bar(span: Span, time: datetime, step: timedelta, value: int, top: int) -> Bar:
    left, right = span.x(time), span.x(time + step)
    # What lies half beyond the edge is shown all the same.
    width = max(round((right - left) * 0.8, 1), 1.0)
    return Bar(min(left, WIDTH - width), width, round(HEIGHT - _y(value, top), 1), time, value)


def _y(value: int, top: int) -> float:
    return round(HEIGHT - HEIGHT * value / top, 1)


def _text(corners: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in corners)


def _round_up(value: int) -> int:
    power = 1
    while value > _STEPS[-1] * power:
        power *= 10
    return next(step * power for step in _STEPS if value <= step * power)


def _round_up_bytes(value: int) -> int:
    """The same in the unit in which people read so many bytes."""
    unit = 1
    while value > _SIZES[-1] * unit:
        unit *= _KIBI
    return next(step * unit for step in _SIZES if value <= step * unit)
