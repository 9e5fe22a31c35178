"""Amounts of money: whole cents inside, numbers with two decimals outside. Never a float in between."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Final

from pydantic import Field, PlainSerializer

CURRENCY: Final = "CNY"
_CENT: Final = Decimal("0.01")


def cents(amount: Decimal) -> int:
    """An amount of the currency in cents, half a cent rounded up."""
    return int((amount.quantize(_CENT, ROUND_HALF_UP) * 100).to_integral_value())


def amount(whole_cents: int) -> Decimal:
    return (Decimal(whole_cents) / 100).quantize(_CENT)


# Two decimals are exact enough for JSON's numbers up to 90 billions.
Amount = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json"), Field(decimal_places=2)]
