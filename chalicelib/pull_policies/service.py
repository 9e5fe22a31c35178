"""The door of the room: a namespace's pull policy, and what it says of images.

    edited   the policy is written at the version that was seen, and its namespace's row says that there is one    one
             transaction, so a pull that reads of none there need not look for it
    pulled   policy from memory · records of what was scanned from the table, each time · their ids where counts ask
             for them · the clock

So findings hold from the next request on, and an exception or a silence ends at its moment, whatever is remembered.
What cannot be read refuses.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from chalicelib.findings.service import Findings
from chalicelib.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from chalicelib.namespaces.departure import Departure
from chalicelib.namespaces.models import Namespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import scan_keys as keys
from chalicelib.ports.memory import Knowledge
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, Key, OutcomeUnknown, TransactionCancelled

from . import store
from .models import ExemptionView, Policy, PolicyOrder, PolicyView, Verdict
from .rules import judge, needs_detail

# Who says what the policy is to be, whatever stands, meets others who do at most so often.
_ATTEMPTS: Final = 5


class PullPolicies:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._findings = Findings(stack)
        self._namespaces = Namespaces(stack)
        self._departure = Departure(stack)

    # What it says

    def policy(self, namespace: Namespace) -> Policy:
        """As the table has it."""
        return store.read(namespace.id, self._table.get(keys.pull_policy(namespace.id)))

    def holds(self, namespace_id: str) -> bool:
        """Whether there is one, for whoever brings the namespace back: nobody changes it while it is away."""
        return store.read(namespace_id, self._table.get(keys.pull_policy(namespace_id))).severity is not None

    def view(self, policy: Policy) -> PolicyView:
        now = self._stack.clock.now()
        shown = [
            ExemptionView(**one.model_dump(), expired=one.expires_at is not None and one.expires_at <= now)
            for one in policy.exceptions
        ]
        fields = policy.model_dump(exclude={"namespace_id", "exceptions", "schema_version"})
        return PolicyView(**fields, exceptions=tuple(shown))

    def replace(self, namespace: Namespace, order: PolicyOrder, by: str) -> Policy:
        """In force with the answer. Raises Invalid, Conflict where it was changed since, NotFound."""
        _refuse_contradictions(order)
        if order.version is not None:
            return self._replace(namespace, order, order.version, by)
        for _ in range(_ATTEMPTS - 1):
            with suppress(Conflict):
                return self._replace(namespace, order, self.policy(namespace).version, by)
        return self._replace(namespace, order, self.policy(namespace).version, by)

    def _replace(self, namespace: Namespace, order: PolicyOrder, seen: int, by: str) -> Policy:
        wanted = Policy.model_validate(
            {
                **order.model_dump(),
                "namespace_id": namespace.id,
                "version": seen + 1,
                "updated_at": self._stack.clock.now(),
                "updated_by": by,
            }
        )
        guarded = self._departure.guard(namespace, wanted.severity is not None)
        try:
            self._table.transact([guarded, store.replacement(wanted)])
        except TransactionCancelled as cancelled:
            if 0 in cancelled.failed:
                raise NotFound(f"there is no namespace {namespace.name}", namespace=namespace.name) from cancelled
            raise Conflict(
                f"the pull policy of {namespace.name} was changed since; look at it again and repeat the change"
            ) from cancelled
        except OutcomeUnknown:
            if self.policy(namespace) != wanted:
                raise
        return wanted

    # What it means

    def in_force(self, instance_id: str, namespace: str, namespace_id: str, guarded: bool | None) -> Policy | None:
        """For pulls: from memory, None where there is none.

        guarded   what was read of the namespace's row; None: nothing yet
        Raises Unavailable where there is to be one that cannot be read, and NotFound where the namespace is gone.
        """
        if guarded is None:
            guarded = self._namespaces.get(instance_id, namespace).pull_policy
        return self._stack.memory.know(_knowledge(namespace_id)) if guarded else None

    def judge(self, policy: Policy, instance_id: str, digest: str, children: Sequence[str] = ()) -> Verdict:
        """children: of an index, which is blocked where findings block one of them. Raises Unavailable."""
        own, *others = self.verdicts(policy, instance_id, [digest, *children])
        if not own.allowed:
            return own
        return next((one for one in others if one.cause == "findings"), own)

    def verdicts(self, policy: Policy, instance_id: str, digests: Sequence[str]) -> list[Verdict]:
        """In the order given. One batch read, and another where counts do not decide. Raises Unavailable."""
        now = self._stack.clock.now()
        with _readable():
            records = self._findings.several(instance_id, digests)
            asked = [one for one, record in records.items() if needs_detail(policy, record, now)]
            details = self._findings.details(instance_id, asked)
            return [judge(policy, one, records.get(one), details.get(one), now) for one in digests]


def _knowledge(namespace_id: str) -> Knowledge[Policy]:
    key = keys.pull_policy(namespace_id)

    def made(found: Mapping[Key, Item]) -> Policy:
        if key not in found:
            raise Unavailable("the namespace's pull policy cannot be read; try again")
        with _readable():
            return store.read(namespace_id, found[key])

    return Knowledge(("pull policy", namespace_id), (key,), made)


@contextmanager
def _readable() -> Iterator[None]:
    """What does not decide for a pull decides against it: a row that makes no sense is as good as none."""
    try:
        yield
    except (ValueError, KeyError, TypeError, zlib.error) as unreadable:
        raise Unavailable("what is known of the image cannot be read; try again") from unreadable


def _refuse_contradictions(order: PolicyOrder) -> None:
    if order.severity is None and order.unscanned == "block":
        raise Invalid("unscanned", "blocks only beside a severity; choose one")
    ids = [one.id.casefold() for one in order.exceptions]
    doubled = next((number for number, one in enumerate(ids) if one in ids[:number]), None)
    if doubled is not None:
        raise Invalid(f"exceptions.{doubled}.id", f"{order.exceptions[doubled].id} stands there twice")
