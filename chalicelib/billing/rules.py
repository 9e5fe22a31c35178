"""Pure decisions about time and money. A month is a calendar month; half a cent is rounded up."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from chalicelib.instances.models import Edition
from chalicelib.kernel import money
from chalicelib.kernel.settings import Settings

from .models import Bought, Line

_HALF = Fraction(1, 2)
_TICK = timedelta(microseconds=1)
_SHOWN_DECIMALS = 6


def months_later(moment: datetime, months: int, day: int) -> datetime:
    """So many months later, on this day of the month, or on the month's last where it is shorter.

    The day is told and not taken from the moment, so that periods which begin on a 31st do not drift to the 28th.
    """
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=min(day, monthrange(year, month + 1)[1]))


def months_between(now: datetime, until: datetime) -> Fraction:
    """Whole calendar months from now, and what is left over as a fraction of the month that follows them."""
    if until <= now:
        return Fraction(0)
    whole = max((until.year - now.year) * 12 + until.month - now.month - 1, 0)
    while months_later(now, whole + 1, now.day) <= until:
        whole += 1
    begins, ends = months_later(now, whole, now.day), months_later(now, whole + 1, now.day)
    return whole + Fraction((until - begins) // _TICK, (ends - begins) // _TICK)


def lines(
    settings: Settings,
    edition: Edition,
    months: Fraction,
    namespace_packs: int,
    repository_packs: int,
    instances: int = 1,
) -> tuple[Line, ...]:
    """What is to be paid, item by item. A personal instance costs nothing. instances: 0 for packs alone."""
    if edition == "personal":
        return ()
    wanted: list[tuple[Bought, int, Decimal]] = [
        ("instance", instances, settings.price_instance),
        ("namespace_pack", namespace_packs, settings.price_namespace_pack),
        ("repository_pack", repository_packs, settings.price_repository_pack),
    ]
    return tuple(_line(item, quantity, money.cents(price), months) for item, quantity, price in wanted if quantity)


def total_cents(bought: tuple[Line, ...]) -> int:
    return sum(line.amount_cents for line in bought)


def _line(item: Bought, quantity: int, unit_price_cents: int, months: Fraction) -> Line:
    exact = quantity * unit_price_cents * months
    shown = round(Decimal(months.numerator) / Decimal(months.denominator), _SHOWN_DECIMALS).normalize()
    return Line(
        item=item,
        quantity=quantity,
        unit_price_cents=unit_price_cents,
        months=f"{shown:f}",
        amount_cents=int((exact + _HALF) // 1),
    )
