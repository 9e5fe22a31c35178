"""What billing keeps, what it is asked and what it answers. Amounts are whole cents in records, numbers outside."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, Field

from chalicelib.edge.answers import SearchQuery
from chalicelib.instances.models import Edition, InstanceView
from chalicelib.kernel.modelling import GIVEN, KEPT, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.money import CURRENCY, Amount, amount

# What one pack adds to an instance's quotas (user guide §1.3).
NAMESPACES_PER_PACK: Final = 5
REPOSITORIES_PER_PACK: Final = 1000
MOST_MONTHS: Final = 36
MOST_PACKS: Final = 200
# One top-up at most; a mistyped amount should not become a fortune.
MOST_TOP_UP: Final = 10_000_000

Months = Annotated[int, Field(ge=1, le=MOST_MONTHS)]
Packs = Annotated[int, Field(ge=0, le=MOST_PACKS)]
OrderKind = Literal["opening", "renewal", "quota-packs"]
Bought = Literal["instance", "namespace_pack", "repository_pack"]


class Record(BaseModel):
    model_config = KEPT

    schema_version: int = 1


class Line(Record):
    """quantity × unit price a month × months. months: a decimal number, with a fraction where a period is under way."""

    item: Bought
    quantity: int
    unit_price_cents: int
    months: str
    amount_cents: int


class Order(Record):
    """automatic: made by auto-renewal; expires_at: of the instance once the order was carried out."""

    id: str
    account_id: str
    kind: OrderKind
    instance_id: str
    instance_name: str
    lines: tuple[Line, ...]
    amount_cents: int
    currency: str = CURRENCY
    automatic: bool = False
    created_at: Moment
    created_by: str
    expires_at: Moment | None = None


class TopUp(Record):
    id: str
    account_id: str
    amount_cents: int
    currency: str = CURRENCY
    created_at: Moment
    created_by: str


class Answer(BaseModel):
    model_config = MADE


class LineView(Answer):
    """quantity × unit_price (a month) × months = amount, rounded to cents."""

    item: Bought
    quantity: int
    unit_price: Amount
    months: float
    amount: Amount

    @classmethod
    def of(cls, line: Line) -> Self:
        return cls(
            item=line.item,
            quantity=line.quantity,
            unit_price=amount(line.unit_price_cents),
            months=float(line.months),
            amount=amount(line.amount_cents),
        )


class QuoteView(Answer):
    amount: Amount
    currency: str
    lines: tuple[LineView, ...]

    @classmethod
    def of(cls, lines: tuple[Line, ...]) -> Self:
        total = sum(line.amount_cents for line in lines)
        return cls(amount=amount(total), currency=CURRENCY, lines=tuple(LineView.of(line) for line in lines))


class OrderView(QuoteView):
    """automatic: made by auto-renewal; expires_at: of the instance once the order was carried out."""

    id: str
    kind: OrderKind
    instance_id: str
    instance_name: str
    automatic: bool
    created_at: Moment
    created_by: str
    expires_at: Moment | None

    @classmethod
    def of_order(cls, order: Order) -> Self:
        return cls(
            **order.model_dump(exclude={"lines", "amount_cents"}),
            amount=amount(order.amount_cents),
            lines=tuple(LineView.of(line) for line in order.lines),
        )


class OrderQuoteView(QuoteView):
    """expires_at: of the instance once the order was carried out; null for one that never expires."""

    expires_at: Moment | None

    @classmethod
    def of_order(cls, lines: tuple[Line, ...], expires_at: datetime | None) -> Self:
        return cls(**dict(QuoteView.of(lines)), expires_at=expires_at)


class BoughtView(InstanceView):
    """The instance as it is now, and the order that made it so."""

    order: OrderView


class TopUpView(Answer):
    id: str
    amount: Amount
    currency: str
    created_at: Moment
    created_by: str

    @classmethod
    def of(cls, top_up: TopUp) -> Self:
        return cls(**top_up.model_dump(exclude={"amount_cents"}), amount=amount(top_up.amount_cents))


class BalanceView(Answer):
    """id: the account's name."""

    id: str
    balance: Amount
    currency: str = CURRENCY


class Input(BaseModel):
    model_config = GIVEN


class QuoteQuery(Input):
    """months, packs: of an enterprise instance; a personal one costs nothing."""

    edition: Edition = "enterprise"
    months: Months = 1
    namespace_packs: Packs = 0
    repository_packs: Packs = 0


class PaymentQuery(SearchQuery):
    """
    search   only those whose id, or the name of who made them, holds this text
    sort     by time, up or down
    """

    sort: Literal["created_at", "-created_at"] = "-created_at"


class OrderQuery(PaymentQuery):
    """
    search   only orders whose id, instance, or the name of who made them, holds this text
    kind     only such orders
    """

    kind: OrderKind | None = None


class NewTopUp(Input):
    """amount: in the currency of the price list, with at most two decimals."""

    amount: Annotated[Decimal, Field(gt=0, le=MOST_TOP_UP, decimal_places=2)]


class Renewal(Input):
    months: Months


class QuotaPacks(Input):
    """A namespace pack adds 5 namespaces, a repository pack 1000 repositories."""

    namespace_packs: Packs = 0
    repository_packs: Packs = 0


class RenewalQuery(Renewal):
    """The same, asked beforehand."""


class QuotaPacksQuery(QuotaPacks):
    """The same, asked beforehand."""
