"""Prices, the account's money, and what is ordered for instances that there are. `opening` orders new ones."""

from __future__ import annotations

from chalicelib.edge.answers import Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import Instance, instance_of
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import EditionRequired, Invalid
from chalicelib.kernel.money import amount
from chalicelib.kernel.roles import Right

from .models import (
    BalanceView,
    BoughtView,
    NewTopUp,
    Order,
    OrderQuery,
    OrderQuoteView,
    OrderView,
    PaymentQuery,
    QuotaPacks,
    QuotaPacksQuery,
    QuoteQuery,
    QuoteView,
    Renewal,
    RenewalQuery,
    TopUpView,
)
from .service import Billing

routes = Routes("billing")


@routes.get("/quotes", needs=Right.READ_BILLING, also=(403,))
def quote(call: Call, query: QuoteQuery) -> QuoteView:
    """What an instance would cost.

    A personal instance costs nothing and takes no quota packs.
    """
    if query.edition == "personal" and (query.namespace_packs or query.repository_packs):
        raise EditionRequired("quota packs")
    packs = query.namespace_packs, query.repository_packs
    return QuoteView.of(Billing(call.stack).quote(query.edition, query.months, *packs))


@routes.get("/account", needs=Right.READ_BILLING)
def read_account(call: Call) -> BalanceView:
    """Your account and its balance."""
    account = call.principal.account_id
    return BalanceView(id=account, balance=amount(Billing(call.stack).balance_cents(account)))


@routes.get("/account/top-ups", needs=Right.READ_BILLING)
def list_top_ups(call: Call, query: PaymentQuery) -> Listing[TopUpView]:
    """List the account's top-ups, newest first.

    With `search` a page may be short though more follow: go on while `next` is given.
    """
    page = Billing(call.stack).top_ups(call.principal.account_id, query)
    return Listing.of(page.map(TopUpView.of))


@routes.post("/account/top-ups", needs=Right.CHANGE_BILLING, changes="account.top-up")
def top_up(call: Call, body: NewTopUp) -> TopUpView:
    """Top up the account's balance.

    Collecting the payment is the business of whoever runs this service.
    """
    received = Billing(call.stack).top_up(call.principal.account_id, body, call.by)
    call.tell(object=received.id)
    return TopUpView.of(received)


@routes.get("/account/orders", needs=Right.READ_BILLING)
def list_orders(call: Call, query: OrderQuery) -> Listing[OrderView]:
    """List the account's orders, newest first, those of auto-renewal among them.

    With `search` or `kind` a page may be short though more follow: go on while `next` is given.
    """
    page = Billing(call.stack).orders(call.principal.account_id, query)
    return Listing.of(page.map(OrderView.of_order))


@routes.get(
    "/instances/{instance}/quotes/renewal",
    needs=Right.READ_BILLING,
    frozen_too=True,
    from_anywhere=True,
    also=(409,),
)
def quote_renewal(call: Call, query: RenewalQuery) -> OrderQuoteView:
    """What prolonging an instance would cost, its quota packs included, and until when it would then run."""
    return OrderQuoteView.of_order(*Billing(call.stack).renewal_quote(instance_of(call), query.months))


@routes.get("/instances/{instance}/quotes/quota-packs", needs=Right.READ_BILLING, feature="quota packs")
def quote_quota_packs(call: Call, query: QuotaPacksQuery) -> OrderQuoteView:
    """What further quota packs would cost for the rest of the period that is under way."""
    packs = query.namespace_packs, query.repository_packs
    return OrderQuoteView.of_order(*Billing(call.stack).packs_quote(instance_of(call), *packs))


@routes.post(
    "/instances/{instance}/renewals",
    needs=Right.CHANGE_BILLING,
    changes="instance.renew",
    frozen_too=True,
    from_anywhere=True,
)
def renew_instance(call: Call, body: Renewal) -> BoughtView:
    """Prolong an instance.

    From its expiry; a frozen one, for 15 days after its expiry, from now, and it runs again. `BALANCE_TOO_LOW` if the
    balance does not cover the price.
    """
    call.tell(object=instance_of(call).name)
    return _bought(call, *Billing(call.stack).renew(instance_of(call), body.months, call.by))


@routes.post(
    "/instances/{instance}/quota-packs", needs=Right.CHANGE_BILLING, changes="instance.extend", feature="quota packs"
)
def add_quota_packs(call: Call, body: QuotaPacks) -> BoughtView:
    """Add quota packs to an instance.

    They are paid for the rest of the period that is under way, pro rata, and from then on with every renewal.
    `BALANCE_TOO_LOW` if the balance does not cover the price.
    """
    if not body.namespace_packs and not body.repository_packs:
        raise Invalid.many([(name, "order at least one pack") for name in ("namespace_packs", "repository_packs")])
    instance = instance_of(call)
    call.tell(object=instance.name)
    packs = body.namespace_packs, body.repository_packs
    return _bought(call, *Billing(call.stack).add_packs(instance, *packs, call.by))


def _bought(call: Call, instance: Instance, order: Order) -> BoughtView:
    view = Instances(call.stack).view(instance)
    return BoughtView(**view.model_dump(), order=OrderView.of_order(order))
