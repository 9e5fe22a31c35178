"""Steps of a synchronisation: each brings images until its time is over.

    what is wanted ─► one image after another ─► copied, unchanged, left, blocked, failed: an item each
                       │                          └─ copied: looked at once more, for what came to it meanwhile
                       ├─ no time left ─► the next step goes on where this one stopped
                       └─ no answer ─► a pause, longer each time ─► the next image first ─► after a day: failed
                                                                    └─ others got through, it still does not: failed
    nothing wanted ─► more of the list ─► at its end: done, or failed if an image did; retried, only such are wanted

A rule is looked at with each step, as it stands: one that was deleted, switched off or changed brings nothing more.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from chalicelib.copying.callers import SYNC, reader
from chalicelib.copying.copier import Copier
from chalicelib.copying.ends import Target
from chalicelib.copying.local import LocalRepository
from chalicelib.copying.models import Effort, Interrupted, Manifest, Outcome, Progress
from chalicelib.copying.pace import Pace
from chalicelib.edge.consume import encode
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound, PullBlocked, Refused, Unavailable
from chalicelib.kernel.messages import ContinueTransfer
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Step, Task, TaskItem

from .listing import ImageList
from .models import Order, Wanted, Work
from .rules import PAUSES_BEFORE_OTHERS, content_of_body, pause_s
from .service import Sync
from .targets import Opened, Targets

# Well within a claim, and within what a function may take.
STEP_S: Final = 90.0
# A target that does not answer for so long is given up; a retry begins anew.
PATIENCE: Final = timedelta(hours=24)
# Images that failed and are kept for a retry; with one more the task stops.
MOST_FAILED: Final = 200
# So often tasks that wait are looked for.
_SWEPT_S: Final = 60
# What came to an image while it was copied is looked for so often.
_LOOKS: Final = 3
# What a step came to is written in transactions of a hundred.
IMAGES_A_STEP: Final = 1000


def step(stack: Stack, task: Task, *, step_s: float = STEP_S) -> Step:
    """Raises NotFound, EditionRequired, InstanceFrozen, Conflict where nothing can be brought at all."""
    instance = Instances(stack).load(task.instance_id)
    Instances(stack).require_running(instance)
    return _Steps(stack, instance, task, time.monotonic() + step_s).step()


class _Steps:
    def __init__(self, stack: Stack, instance: Instance, task: Task, until: float) -> None:
        self._stack = stack
        self._instance = instance
        self._task_id = task.id
        self._work = Work.model_validate(task.work)
        self._until = until
        self._items: list[TaskItem] = []
        self._counts: Counter[str] = Counter()
        self._done = 0
        self._bytes = 0

    def step(self) -> Step:
        order, gone = self._order()
        if order is None:
            return self._leave_all(gone)
        effort = Effort(until=self._until, pace=Pace(order.bandwidth) if order.bandwidth else _unhurried)
        with Targets(self._stack).opened(order, self._instance) as target:
            return self._go_on(order, target, effort)

    def _go_on(self, order: Order, target: Opened, effort: Effort) -> Step:
        while True:
            if not self._work.listed and all(one.put_off is not None for one in self._work.wanted):
                self._work = ImageList(self._stack, self._instance, order).more(self._work)
            if not self._work.wanted:
                if self._work.listed:
                    return self._ended()
                continue
            try:
                outcome = self._bring(order, target, self._work.wanted[0], effort)
            except Unavailable as unavailable:
                return self._wait(unavailable)
            if not self._settle(outcome):
                return self._on()
            if len(self._work.failed) >= MOST_FAILED:
                return self._ended()
            if time.monotonic() >= self._until or len(self._items) >= IMAGES_A_STEP:
                return self._on()

    def _order(self) -> tuple[Order | None, str]:
        """What goes by which order; without one, why there is none any more."""
        if self._work.order is not None:
            return self._work.order, ""
        try:
            rule = Sync(self._stack).rule(self._instance, self._work.rule_id)
        except NotFound:
            return None, "rule_gone"
        if not rule.enabled:
            return None, "rule_disabled"
        return (rule, "") if self._work.push > rule.since else (None, "rule_changed")

    # One image

    def _bring(self, order: Order, target: Opened, wanted: Wanted, effort: Effort) -> Outcome:
        """Whatever either end refuses is an outcome. Raises Unavailable."""
        try:
            return self._brought(order, target, wanted, effort)
        except Unavailable:
            raise
        except Refused as refused:
            return Outcome("failed", wanted.digest, reason=refused.code.lower(), message=refused.message)

    def _brought(self, order: Order, target: Opened, wanted: Wanted, effort: Effort) -> Outcome:
        name = RepositoryName(wanted.repository)
        source = LocalRepository(self._stack, reader(self._instance, name, SYNC), name)
        goal, reference = target.repository(name), wanted.tag or wanted.digest
        try:
            seen = source.manifest(reference)
        except NotFound:
            return Outcome("left", wanted.digest, reason="gone", message="it was deleted meanwhile")
        except PullBlocked as blocked:
            return Outcome("blocked", wanted.digest, reason=blocked.code.lower(), message=blocked.message)
        if wanted.tag and content_of_body(seen.body) not in order.content:
            return Outcome("left", seen.digest, reason="other_content")
        if wanted.subject and not goal.holds(Digest(wanted.subject)):
            return Outcome("left", seen.digest, reason="subject_missing")
        if wanted.beside and not _stands(goal, wanted.tag, seen):
            return Outcome("left", seen.digest, reason="original_missing")
        return self._copied(Copier(source, goal, effort), reference, wanted.tag, order)

    def _copied(self, copier: Copier, reference: str, tag: str, order: Order) -> Outcome:
        """A copy, and what came to the image while it was under way: referrers that found it missing were left."""
        outcome = copier.copy(reference, tag, override=order.override, progress=self._work.progress)
        for _ in range(_LOOKS):
            if outcome.verdict != "copied":
                break
            sofar = Progress(moved=outcome.moved, whole=outcome.moved + outcome.skipped)
            try:
                more = copier.copy(reference, tag, override=order.override)
            except Interrupted as interrupted:
                raise Interrupted(interrupted, sofar) from interrupted
            if more.verdict == "unchanged":
                break
            if more.progress is not None:
                moved, whole = sofar.moved + more.progress.moved, sofar.whole + more.progress.whole
                more = replace(more, progress=more.progress.model_copy(update={"moved": moved, "whole": whole}))
            outcome = replace(more, moved=outcome.moved + more.moved, skipped=outcome.skipped)
        # Interrupted behind the last byte, it finds nothing to do when it goes on.
        went_on = outcome.verdict == "unchanged" and outcome.moved
        return replace(outcome, verdict="copied") if went_on else outcome

    def _settle(self, outcome: Outcome) -> bool:
        """Notes what became of the first image; False if it goes on in the next step."""
        told = self._work.progress.moved if self._work.progress is not None else 0
        if outcome.verdict == "unfinished" and outcome.progress is not None:
            self._bytes += outcome.progress.moved - told
            self._change(progress=outcome.progress, waits=0, waits_since=None)
            return False
        self._bytes += max(0, outcome.moved - told)
        self._be_done_with_first(outcome)
        return True

    def _be_done_with_first(self, outcome: Outcome) -> None:
        wanted, *rest = self._work.wanted
        self._note(wanted, outcome)
        failed = self._work.failed
        if outcome.verdict == "failed":
            failed = (*failed, wanted.model_copy(update={"failed": True, "put_off": None}))
        settled = self._work.settled + 1
        self._change(wanted=tuple(rest), failed=failed, progress=None, settled=settled, waits=0, waits_since=None)

    def _note(self, wanted: Wanted, outcome: Outcome) -> None:
        what = f":{wanted.tag}" if wanted.tag else f"@{wanted.digest}"
        self._items.append(
            TaskItem(
                id=wanted.repository + what,
                time=self._stack.clock.now(),
                repository=wanted.repository,
                tag=wanted.tag,
                digest=outcome.digest or wanted.digest,
                verdict=outcome.verdict,
                reason=outcome.reason,
                message=outcome.message,
                rule_id=self._work.rule_id,
                size=outcome.moved,
                skipped=outcome.skipped,
            )
        )
        self._counts[outcome.verdict] += 1
        if wanted.failed:
            self._counts["failed"] -= 1
        else:
            self._done += 1

    # What follows

    def _wait(self, unavailable: Unavailable) -> Step:
        now = self._stack.clock.now()
        if isinstance(unavailable, Interrupted):
            told = self._work.progress.moved if self._work.progress is not None else 0
            self._bytes += unavailable.progress.moved - told
            self._change(progress=unavailable.progress)
        since = self._work.waits_since or now
        lost = Outcome("failed", reason="unavailable", message=unavailable.message)
        if now - since >= PATIENCE:
            while self._work.wanted:
                self._be_done_with_first(lost)
            return self._ended()
        if self._work.waits >= PAUSES_BEFORE_OTHERS and not self._put_off():
            self._be_done_with_first(lost)
            return self._ended() if len(self._work.failed) >= MOST_FAILED else self._on()
        pause = pause_s(self._work.waits, unavailable.retry_after_s)
        self._change(waits=self._work.waits + 1, waits_since=since)
        if pause < _SWEPT_S:
            # Sooner than the sweep would look for it.
            hint = ContinueTransfer(instance_id=self._instance.id, task_id=self._task_id)
            self._stack.queues.send(hint.queue, [encode(hint)], delay_s=pause)
        return self._on(wait_s=pause, waits_for=unavailable.message)

    def _put_off(self) -> bool:
        """The first image goes behind the others, which may get through. False: they did since it was put there, so
        that it is this one that does not."""
        first, *rest = self._work.wanted
        if first.put_off is not None and first.put_off < self._work.settled:
            return False
        if rest:
            put_off = first.model_copy(update={"put_off": self._work.settled})
            self._change(wanted=(*rest, put_off), progress=None)
        elif first.put_off is None and not self._work.listed:
            self._change(wanted=(first.model_copy(update={"put_off": self._work.settled}),))
        return True

    def _leave_all(self, reason: str) -> Step:
        for wanted in self._work.wanted:
            self._note(wanted, Outcome("left", wanted.digest, reason=reason))
        return self._told(None)

    def _ended(self) -> Step:
        """Of everything, or of as much as may fail."""
        failed = self._work.failed
        if not failed:
            return self._told(None, total=self._total())
        self._change(wanted=(*failed, *self._work.wanted), failed=(), progress=None)
        images = "image" if len(failed) == 1 else "images"
        stopped = "" if self._work.listed else ", and the rest was not begun"
        return self._told(
            self._work,
            total=self._total(),
            failed=f"{len(failed)} {images} could not be brought{stopped}; see its items",
        )

    def _on(self, **more: Any) -> Step:
        return self._told(self._work, total=self._total(), **more)

    def _total(self) -> int | None:
        """None: as it is known already, or not known yet."""
        return self._work.counted if self._work.order is not None and self._work.listed else None

    def _told(self, work: Work | None, **more: Any) -> Step:
        return Step(
            None if work is None else work.model_dump(mode="json"),
            done=self._done,
            bytes=self._bytes,
            counts=self._counts,
            items=self._items,
            **more,
        )

    def _change(self, **fields: Any) -> None:
        self._work = self._work.model_copy(update=fields)


def _stands(goal: Target, tag: str, manifest: Manifest) -> bool:
    """Whether the tag points to the manifest there, by whatever algorithm it is named."""
    standing = goal.standing(tag)
    return standing is not None and standing.digest in (
        manifest.digest,
        Digest.of(manifest.body, standing.digest.algorithm),
    )


def _unhurried(_: int) -> None:
    return
