"""The door of the room: an instance is opened whole or not at all (I1, I2, I4).

    fields, all at once  ─►  balance, a forecast  ─►  bucket claimed and tried  ─►  one transaction:
        balance − price · order · the instance's rows · first credential · first allowlist entry · bucket still claimed

What comes before the transaction may be repeated and leaves nothing but a claimed bucket, which stays the account's.
"""

from __future__ import annotations

from typing import Any

from chalicelib.access.service import Access
from chalicelib.billing.models import NAMESPACES_PER_PACK, REPOSITORIES_PER_PACK, Order
from chalicelib.billing.service import Billing
from chalicelib.credentials.service import Credentials
from chalicelib.identity.passwords import weakness
from chalicelib.instances.buckets import Buckets
from chalicelib.instances.models import NAMESPACE_LIMITS, REPOSITORY_LIMITS, Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import BalanceTooLow, Conflict, Invalid, NotFound
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, TransactionCancelled, Write

from . import rules
from .models import Form, NewInstance

# Payment and order come first in the transaction.
_PAYMENT_WRITES = 2


class Opening:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)
        self._billing = Billing(stack)
        self._credentials = Credentials(stack)
        self._access = Access(stack)
        self._buckets = Buckets(stack)

    def open(self, account_id: str, new: NewInstance, by: str) -> Instance:
        """Raises Invalid naming every bad field, Conflict where they are merely taken, BalanceTooLow."""
        form = self._form(account_id, new)
        instance = self._instance(account_id, form)
        made: list[Write] = [
            *self._instances.opening(instance),
            *self._credentials.opening(instance, form.username, form.password.get_secret_value()),
            *self._access.opening(instance),
        ]
        if form.bucket is None or form.months is None:
            return self._carry_out(instance, made, None)
        order = self._billing.opening_order(instance, form.months, by)
        balance = self._billing.balance_cents(account_id)
        if balance < order.amount_cents:
            raise BalanceTooLow(order.amount_cents, balance)
        self._buckets.prepare(account_id, form.bucket, instance.id)
        return self._carry_out(instance, [*made, self._buckets.claimed(account_id, form.bucket)], order)

    def _form(self, account_id: str, new: NewInstance) -> Form:
        form, good, bad = rules.read(new.given)
        bad += self._wrong_login(good)
        if good.get("edition") == "enterprise" and good.get("bucket"):
            refusal = self._buckets.refusal(account_id, good["bucket"])
            bad += [("bucket", refusal)] if refusal else []
        taken = self._instances.refuse_taken(account_id, good.get("name"), good.get("edition", ""))
        if bad or form is None:
            raise Invalid.many([*bad, *taken])
        if taken:
            raise Conflict.many(taken)
        return form

    def _wrong_login(self, good: dict[str, Any]) -> list[tuple[str, str]]:
        username, password = good.get("username"), good.get("password")
        bad = []
        if username is not None and (reason := self._credentials.unfit_username(username)):
            bad.append(("username", reason))
        if password is not None and (reason := weakness(password, username or "")):
            bad.append(("password", reason))
        return bad

    def _instance(self, account_id: str, form: Form) -> Instance:
        if form.bucket is None or form.months is None:
            bucket = self._stack.settings.bucket
            return self._instances.new(name=form.name, edition=form.edition, bucket=bucket, account_id=account_id)
        now = self._stack.clock.now()
        return self._instances.new(
            name=form.name,
            edition=form.edition,
            bucket=form.bucket,
            account_id=account_id,
            expires_at=self._billing.period_end(now, form.months),
            period_day=now.day,
            auto_renew=form.auto_renew,
            namespace_packs=form.namespace_packs,
            repository_packs=form.repository_packs,
            namespace_limit=NAMESPACE_LIMITS[form.edition] + NAMESPACES_PER_PACK * form.namespace_packs,
            repository_limit=REPOSITORY_LIMITS[form.edition] + REPOSITORIES_PER_PACK * form.repository_packs,
        )

    def _carry_out(self, instance: Instance, made: list[Write], order: Order | None) -> Instance:
        before = 0 if order is None else _PAYMENT_WRITES
        try:
            if order is None:
                self._stack.table.transact(made)
            else:
                self._billing.carry_out(order, made)
        except TransactionCancelled as cancelled:
            failed = {position - before: item for position, item in cancelled.failed.items()}
            bucket_lost = order is not None and len(made) - 1 in failed
            if bucket_lost:
                raise Invalid("bucket", "is none of the account's buckets any more") from cancelled
            raise self._instances.taken(instance, TransactionCancelled(failed)) from cancelled
        except OutcomeUnknown as unknown:
            try:
                return self._instances.load(instance.id)
            except NotFound:
                raise unknown from None
        return instance
