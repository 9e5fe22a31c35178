"""Steps of a scan: each reads a few small layers, or a large one, and does besides what costs little.

    count the tags of a namespace ─► target ─► its images, one after another ─► its row, its item ─► next target
                                                 └─ layers that nobody read yet, step by step ─► examine ─► report

What was judged by the same engine and database before is left as it is. An image that fails holds up no other: why it
failed stands in its item and its row. An interrupted step is done again; a layer that was read meanwhile is known.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from chalicelib.findings.models import ScanRecord
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import ManifestUnknown, NotFound
from chalicelib.namespaces.models import Namespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.surveys.models import ImageRefused
from chalicelib.tasks.models import Step, Task, TaskItem

from .images import Images
from .models import Failure, Target, Walk, Work
from .walking import Walking

# A step that has read no layer goes on to the next image for so long, and to so many.
BUDGET_S: Final = 20.0
TARGETS_A_STEP: Final = 50
TAGS_COUNTED_A_STEP: Final = 5000
# Steps in a row that died before their end. Then the image under way is given up, and the others have their turn,
# before there are so many that the task is.
MOST_INTERRUPTIONS: Final = 4
# Images that a task remembers to have failed.
_MOST_REMEMBERED: Final = 200


def step(stack: Stack, task: Task) -> Step:
    """Raises NotFound where the namespace or the image went meanwhile, InstanceFrozen."""
    instance = Instances(stack).load(task.instance_id)
    Instances(stack).require_running(instance)
    return _Steps(stack, task, instance).step()


class _Steps:
    def __init__(self, stack: Stack, task: Task, instance: Instance) -> None:
        self._stack = stack
        self._task = task
        self._instance = instance
        self._images = Images(stack, instance, task.id)
        self._work = Work.model_validate(task.work)
        self._items: list[TaskItem] = []
        self._done = self._bytes = 0
        self._total: int | None = None
        self._over = False
        self._interrupted = task.failures >= MOST_INTERRUPTIONS
        self._upcoming: Iterator[tuple[Target, Walk]] | None = None

    def step(self) -> Step:
        until = time.monotonic() + BUDGET_S
        while not self._go_on() and len(self._items) < TARGETS_A_STEP and time.monotonic() < until:
            pass
        return self._told()

    def _told(self) -> Step:
        counts = Counter(item.verdict for item in self._items)
        if self._work.again:
            counts.subtract(self._task.counts)
            self._done -= self._task.done
            self._change(again=False)
        told: dict[str, Any] = {"counts": counts, "items": self._items, "total": self._total}
        told |= {"done": self._done, "bytes": self._bytes}
        if not self._over:
            return Step(self._work.model_dump(mode="json"), **told)
        if self._work.bad:
            return Step(self._anew().model_dump(mode="json"), failed=self._why_failed(), **told)
        return Step(None, **told)

    def _go_on(self) -> bool:
        """Whether the step has done enough."""
        if self._work.what == "namespace" and not self._work.counted:
            return self._count()
        target = self._work.target or self._next()
        if target is None:
            self._over = True
            return True
        try:
            images = self._images.of(target)
        except ManifestUnknown:
            return self._passed(target, "it was deleted meanwhile")
        except ImageRefused as refused:
            return self._passed(target, refused.message)
        wanted = (target.digest,) if images is None else images
        left = [one for one in wanted if one not in self._work.failed and not self._images.settled(one)]
        if self._work.what == "image" and not self._work.counted:
            self._total = 1 + sum(self._images.layers(target, digest) for digest in left)
            self._change(counted=True)
        if left:
            return self._advance(target, left[0])
        self._end(target, self._images.finish(target, images), self._images.attach(target, images))
        return self._over

    def _advance(self, target: Target, digest: str) -> bool:
        layer = self._work.layer if self._work.image == digest else 0
        give_up, self._interrupted = self._interrupted, False
        careful = self._task.failures > 0
        progress = self._images.advance(target, digest, layer, careful=careful, give_up=give_up)
        self._bytes += progress.bytes
        self._done += progress.passed if self._work.what == "image" else 0
        if not progress.ended:
            self._change(image=digest, layer=progress.layers)
            return True
        self._change(image="", layer=0)
        if progress.failure is not None:
            remembered = {**self._work.failed, digest: progress.failure}
            self._change(failed=dict(list(remembered.items())[-_MOST_REMEMBERED:]))
        # After an interruption one at a time, so that it is known which of them does not get through.
        return bool(progress.bytes or self._task.failures)

    # Targets

    def _next(self) -> Target | None:
        """The next tag of the namespace."""
        if self._work.what == "image":
            return None
        if self._upcoming is None:
            self._upcoming = self._walking().after(self._work.walk)
        found = next(self._upcoming, None)
        if found is None:
            return None
        target, walk = found
        self._change(target=target, walk=walk)
        return target

    def _count(self) -> bool:
        """How many tags there are, as far as a step gets; those that come meanwhile are scanned too."""
        place, seen = self._work.walk, 0
        for _target, walk in islice(self._walking().after(self._work.walk), TAGS_COUNTED_A_STEP):
            place, seen = walk, seen + 1
        if seen == TAGS_COUNTED_A_STEP:
            self._change(walk=place, seen=self._work.seen + seen)
            return True
        self._total = self._work.seen + seen
        self._change(walk=Walk(), seen=0, counted=True)
        return False

    def _walking(self) -> Walking:
        return Walking(self._stack, self._instance, self._namespace().name)

    def _namespace(self) -> Namespace:
        found = Namespaces(self._stack).get(self._instance.id, self._task.subject["namespace"], fresh=True)
        if found.id != self._work.namespace_id:
            raise NotFound("the namespace was deleted")
        return found

    def _passed(self, target: Target, why: str) -> bool:
        """There is nothing to be scanned."""
        self._tell(target, "skipped", why)
        return self._over

    def _end(self, target: Target, record: ScanRecord, unattached: str) -> None:
        failure = self._work.failed.get(target.digest)
        # What an earlier scan found out stands in its row still.
        if failure is None and record.state == "failed":
            failure = Failure(reason=record.reason, message=record.message)
        self._change(bad=self._work.bad + bool(failure))
        message = failure.message if failure else record.message
        told = "; ".join(filter(None, (message, unattached)))
        self._tell(target, "failed" if failure else record.state, told)

    def _tell(self, target: Target, verdict: str, reason: str) -> None:
        item = TaskItem(
            id=target.item_id,
            time=self._stack.clock.now(),
            repository=target.repository,
            tag=target.tag,
            digest=target.digest,
            verdict=verdict,
            reason=reason,
        )
        self._items.append(item)
        self._done += 1
        self._change(target=None, image="", layer=0)
        self._over = self._work.what == "image"

    def _why_failed(self) -> str:
        if self._work.what == "image":
            return self._items[-1].reason
        return f"{self._work.bad} images could not be scanned; the task's items say which, and why"

    def _anew(self) -> Work:
        """Retried, it begins again: what was scanned well costs it little."""
        first = Work.model_validate({"what": self._work.what, "namespace_id": self._work.namespace_id, "again": True})
        if self._work.what == "namespace":
            return first
        item = self._items[-1]
        repository_id = item.id.partition("#")[0]
        target = Target(repository_id=repository_id, repository=item.repository, tag=item.tag, digest=item.digest)
        return first.model_copy(update={"target": target})

    def _change(self, **fields: Any) -> None:
        self._work = self._work.model_copy(update=fields)
