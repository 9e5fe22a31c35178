"""A migration in the service, step by step.

    rules    each in turn: its source's tags, sorted, behind the last one done with ─► copied, each an item
    whole    each repository of an instance in turn: made at the target with its namespace, then the same
    again    what failed is noted as it fails; when all was tried the task fails, and retried it tries just that again

A step that is interrupted is done again: what arrived is not moved again, and told of once. A registry that does not
answer is waited for; an image for which that was in vain fails, and the next one is tried.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from chalicelib.copying.ends import Source
from chalicelib.copying.models import Effort, Interrupted, Outcome
from chalicelib.copying.service import Copier
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Refused, Unavailable
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Step, Task, TaskItem

from . import store
from .homes import Homes
from .logins import entrances_of
from .models import Order, Wanted, Work
from .places import Place
from .sources import Route, routes

# Far below the five minutes of a claim; one blob goes on in pieces beyond it.
STEP_S: Final = 90.0
# What a step came to is written in transactions of a hundred.
IMAGES_A_STEP: Final = 500
# Pauses between attempts at a registry that does not answer, in seconds; then its image fails.
PAUSES_S: Final = (15, 60, 120, 300)
# Its images do not wait each for themselves.
_IMPATIENT: Final = len(PAUSES_S)
_MOST_COUNTED: Final = 1000


def step(stack: Stack, task: Task, pause: Callable[[float], None] = time.sleep, at_most: int = IMAGES_A_STEP) -> Step:
    """pause: between two attempts at one request. at_most: so many images.

    Raises Conflict where what it was told is gone, NotFound and InstanceFrozen for its instances.
    """
    order = store.order(stack.table, task)
    instances = Instances(stack)
    home, target = instances.load(task.instance_id), instances.load(order.target_id)
    instances.require_running(home)
    instances.require_running(target)
    homes = Homes(stack, home.account_id, entrances_of(stack, task, order), pause)
    try:
        return _Walk(stack, task, order, target, homes, at_most).step()
    finally:
        homes.close()


@dataclass
class _Found:
    items: list[TaskItem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    done: int = 0
    bytes: int = 0
    wait_s: int = 0
    waits_for: str = ""


class _Walk:
    def __init__(self, stack: Stack, task: Task, order: Order, target: Instance, homes: Homes, at_most: int) -> None:
        self._at_most = at_most
        self._stack = stack
        self._task = task
        self._order = order
        self._target = target
        self._homes = homes
        self._work = Work.model_validate(task.work)
        self._until = time.monotonic() + STEP_S
        self._found = _Found()
        # Id of an image that failed before, and is counted so.
        self._retried = ""

    def step(self) -> Step:
        if self._work.again is not None:
            return self._again(self._work.again)
        finished = self._first_time()
        if not finished:
            return self._concluded()
        failed = self._task.counts.get("failed", 0) + self._found.counts["failed"]
        if failed:
            self._work = Work(again="")
            return self._concluded(_did_not_arrive(failed))
        return self._concluded(ended=True)

    def _concluded(self, failed: str = "", *, ended: bool = False) -> Step:
        """How many there are is known at the end: each was told of once."""
        found = self._found
        total = self._task.done + found.done if ended or failed else None
        work = None if ended else self._work.model_dump(mode="json")
        return Step(
            work,
            found.done,
            found.bytes,
            found.counts,
            total,
            found.items,
            wait_s=found.wait_s,
            waits_for=found.waits_for,
            failed=failed,
        )

    @property
    def _time_is_up(self) -> bool:
        return time.monotonic() >= self._until or len(self._found.items) >= self._at_most

    # The first time

    def _first_time(self) -> bool:
        """Whether everything was tried."""
        for route in routes(self._stack, self._order, self._homes, self._work.passed):
            if self._time_is_up or not self._follow(route):
                return False
            # Where a registry was waited for in vain, what is behind it is not waited for too, until something comes.
            self._work = Work(passed=route.cursor, waits=self._work.waits)
        return True

    def _follow(self, route: Route) -> bool:
        """Whether all images of a route were tried. One that cannot be followed at all is an image that failed."""
        try:
            route.prepare()
            images = route.images(self._work.tag)
        except Unavailable as unavailable:
            return self._wait_or_fail(route.itself, unavailable)
        except Refused as refused:
            self._tell(route.itself, Outcome("failed", reason=refused.code.lower(), message=refused.message))
            return True
        for tag, image in images:
            if self._time_is_up or not (image is None or self._try(image, route.source)):
                return False
            self._work = self._work.model_copy(update={"tag": tag, "progress": None})
        return True

    def _try(self, image: Wanted, source: Callable[[], Source]) -> bool:
        """Whether it is known what became of it; else the step ends here."""
        effort = Effort(until=self._until)
        try:
            copier = Copier(source(), self._homes.target(self._target, image.target), effort)
            outcome = copier.copy(
                image.reference, image.tag, override=self._order.override, progress=self._work.progress
            )
        except Interrupted as interrupted:
            self._work = self._work.model_copy(update={"progress": interrupted.progress})
            return self._wait_or_fail(image, interrupted)
        except Refused as refused:
            outcome = Outcome("failed", reason=refused.code.lower(), message=refused.message)
        if outcome.verdict == "unfinished":
            self._work = self._work.model_copy(update={"progress": outcome.progress, "waits": 0})
            return False
        self._work = self._work.model_copy(update={"waits": 0})
        self._tell(image, outcome)
        return True

    def _wait_or_fail(self, image: Wanted, unavailable: Unavailable) -> bool:
        waits = self._work.waits
        if waits < len(PAUSES_S):
            self._work = self._work.model_copy(update={"waits": waits + 1})
            self._found.waits_for = unavailable.message
            self._found.wait_s = max(PAUSES_S[waits], min(unavailable.retry_after_s, PAUSES_S[-1]))
            return False
        self._work = self._work.model_copy(update={"waits": _IMPATIENT})
        self._tell(image, Outcome("failed", reason="unavailable", message=unavailable.message))
        return True

    def _tell(self, image: Wanted, outcome: Outcome) -> None:
        item = _item(self._stack, image, outcome)
        self._found.items.append(item)
        self._found.bytes += outcome.moved
        if image.id == self._retried:
            self._found.counts["failed"] -= 1
            self._found.done -= 1
            if outcome.verdict != "failed":
                store.forget_failed(self._stack.table, self._task, image)
        self._found.counts[outcome.verdict] += 1
        self._found.done += 1
        if outcome.verdict == "failed":
            expires = int((self._order.created_at + store.ORDERS_KEPT).timestamp())
            store.note_failed(self._stack.table, self._task, image, expires)

    # What failed, once more

    def _again(self, after: str) -> Step:
        """Only that; each counts as what it has become now instead."""
        for image in store.failed(self._stack.table, self._task, after, self._at_most):
            if self._time_is_up or not self._retry(image):
                return self._concluded()
            self._work = Work(again=image.id, waits=self._work.waits)
        if store.failed(self._stack.table, self._task, self._work.again or "", 1):
            return self._concluded()
        left = len(store.failed(self._stack.table, self._task, "", _MOST_COUNTED))
        if left:
            self._work = Work(again="")
            return self._concluded(_did_not_arrive(left))
        return self._concluded(ended=True)

    def _retry(self, image: Wanted) -> bool:
        """Whether it is known what became of it."""
        self._retried = image.id
        if image.reference:
            return self._try(image, lambda: self._homes.source(Place.parse(image.source)))
        every = routes(self._stack, self._order, self._homes, "")
        route = next((one for one in every if one.itself.id == image.id), None)
        if route is not None and not self._follow(route):
            return False
        if all(item.id != image.id for item in self._found.items):
            # Its tags are known now, or it is gone; each of them was told of by itself.
            self._tell(image, Outcome("unchanged"))
        return True


def _did_not_arrive(images: int) -> str:
    return f"{images} {'image' if images == 1 else 'images'} did not arrive; see the items that failed"


def _item(stack: Stack, image: Wanted, outcome: Outcome) -> TaskItem:
    why = f"{outcome.reason}: {outcome.message}" if outcome.message else outcome.reason
    return TaskItem(
        id=image.id,
        time=stack.clock.now(),
        repository=image.target,
        tag=image.tag,
        digest=outcome.digest,
        verdict=outcome.verdict,
        reason=why[:1000],
        rule_id=image.entry,
        size=outcome.moved,
        skipped=outcome.skipped,
    )
