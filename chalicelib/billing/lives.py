"""The life of an instance, step by step, as time passes and money lasts (I5, I6).

    running ── a day before expiry, auto_renew ──► running, a month more       balance too low: tried again each run
       └────── expiry ──► frozen ── 15 days ──► releasing ──► ReleaseInstance ──► (room closing) gone
                            └── renewed by hand ──► running

Each step is one compare-and-set on the instance's record, so it may be interrupted, repeated, and tried by two at once.
The step notes what has to be told (`untold`); the audit is told next, and then the note goes: told at least once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from chalicelib.audit.models import SUCCEEDED, Deed
from chalicelib.audit.service import Audit
from chalicelib.edge.log import logger
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import BalanceTooLow, Conflict, NotFound
from chalicelib.kernel.messages import Message, ReleaseInstance
from chalicelib.kernel.principal import SYSTEM
from chalicelib.ports.stack import Stack

from .service import Billing

# What `untold` says → action and result of the audit's entry.
_TOLD: Final = {
    "renew": ("renew", SUCCEEDED),
    "unpaid": ("renew", BalanceTooLow.code),
    "freeze": ("freeze", SUCCEEDED),
    "release": ("release", SUCCEEDED),
}


class Lives:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)
        self._billing = Billing(stack)
        self._audit = Audit(stack)

    def advance(self) -> list[Message]:
        """Every step that is due by now; answers the deletions that have to begin."""
        messages: list[Message] = []
        for instance in self._instances.due():
            try:
                messages += self.step(instance)
            except (Conflict, NotFound):
                # Somebody renewed, changed or deleted it in this moment: the next run sees what is left to do.
                logger.info("instance moved meanwhile", instance_id=instance.id)
            except Exception:
                # One instance's trouble must not stop the lives of all others: it stays due.
                logger.exception("failed to take a step of life", instance_id=instance.id)
        return messages

    def step(self, instance: Instance) -> list[Message]:
        """What is due of one instance. Raises Conflict if it moved meanwhile."""
        now = self._stack.clock.now()
        instance = self._tell(instance)
        if self._instances.renews_now(instance):
            instance = self._renew(instance, now)
        if instance.state == "running" and self._instances.state(instance) == "frozen":
            instance = self._tell(self._instances.change(instance, state="frozen", untold="freeze"))
        over = instance.kept_until is not None and instance.kept_until <= now
        if instance.state == "frozen" and over:
            begun = self._instances.change(instance, state="releasing", asked_at=now, untold="release")
            return [ReleaseInstance(instance_id=self._tell(begun).id)]
        if instance.state == "releasing":
            return [ReleaseInstance(instance_id=self._instances.change(instance, asked_at=now).id)]
        return []

    def _renew(self, instance: Instance, now: datetime) -> Instance:
        try:
            return self._tell(self._billing.renew_by_itself(instance, SYSTEM.name))
        except BalanceTooLow:
            if instance.unpaid_since is not None:
                return instance
            return self._tell(self._instances.change(instance, unpaid_since=now, untold="unpaid"))

    def _tell(self, instance: Instance) -> Instance:
        if not instance.untold:
            return instance
        action, result = _TOLD[instance.untold]
        deed = Deed(
            time=self._stack.clock.now(),
            user=SYSTEM.name,
            object_type="instance",
            object=instance.name,
            action=action,
            result=result,
        )
        # That it was given up outlives the instance and its record.
        for scope in (instance.id, instance.account_id) if instance.untold == "release" else (instance.id,):
            self._audit.record(scope, deed)
        logger.info("instance took a step of life", instance_id=instance.id, step=instance.untold)
        return self._instances.change(instance, untold="")
