"""Steps of a task that looks an image over, or each image of an index. Each reads a few small layers, or a large one.

    image ─► layers that nobody read ─► … ─► all were read: report, item ─► next image ─► …

What cannot be read fails that image, with the reason in its item, and holds up no other. An interrupted step is done
again; a layer that was read meanwhile is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import ManifestUnknown
from chalicelib.layers.entries import LayerRefused
from chalicelib.ports.stack import Stack
from chalicelib.surveys.models import ImageRefused
from chalicelib.surveys.reading import read_on
from chalicelib.surveys.service import Surveys
from chalicelib.tasks.models import Step, Task, TaskItem

from .models import Work
from .service import Advice

_GONE = "it was deleted meanwhile"


def step(stack: Stack, task: Task) -> Step:
    """Raises NotFound where the instance went meanwhile, InstanceFrozen."""
    instance = Instances(stack).load(task.instance_id)
    Instances(stack).require_running(instance)
    work = Work.model_validate(task.work)
    try:
        images = list(Surveys(stack).images_of(instance, work.repository_id, work.digest) or [work.digest])
    except (ManifestUnknown, ImageRefused) as refused:
        why = _GONE if isinstance(refused, ManifestUnknown) else refused.message
        return Step(None, items=[_item(stack, task, work.digest, "skipped", why)])
    image = images[0] if work.image not in images else str(work.image)
    told = _Look(stack, task, instance, work.model_copy(update={"again": False})).at(image, images)
    if not work.again:
        return told
    counts = Counter(told.counts)
    counts.subtract(task.counts)
    return replace(told, done=told.done - task.done, counts=counts)


class _Look:
    def __init__(self, stack: Stack, task: Task, instance: Instance, work: Work) -> None:
        self._stack = stack
        self._task = task
        self._instance = instance
        self._work = work
        self._bytes = 0

    def at(self, digest: str, images: Sequence[str]) -> Step:
        advice = Advice(self._stack)
        try:
            image = Surveys(self._stack).layers_of(self._instance, self._work.repository_id, digest)
            careful = self._task.failures > 0
            reading = read_on(Surveys(self._stack), self._instance, image.layers, careful=careful)
            self._bytes = reading.bytes
            if reading.enough:
                return Step(self._change(image=digest), bytes=reading.bytes, total=len(images))
            advice.look_over(self._instance, self._work.repository_id, image)
        except ManifestUnknown:
            return self._passed(digest, images, "skipped", _GONE)
        except (LayerRefused, ImageRefused) as refused:
            self._work = self._work.model_copy(update={"failed": self._work.failed + 1, "why": refused.message})
            return self._passed(digest, images, "failed", refused.message)
        return self._passed(digest, images, "looked_over", "")

    def _passed(self, digest: str, images: Sequence[str], verdict: str, reason: str) -> Step:
        items = [_item(self._stack, self._task, digest, verdict, reason)]
        told = Step(None, bytes=self._bytes, done=1, total=len(images), items=items, counts={verdict: 1})
        place = images.index(digest) + 1
        if place < len(images):
            return replace(told, work=self._change(image=images[place]))
        if self._work.failed:
            anew = self._change(image=None, failed=0, why="", again=True)
            return replace(told, work=anew, failed=self._work.why)
        return told

    def _change(self, **fields: object) -> dict[str, object]:
        return self._work.model_copy(update=fields).model_dump(mode="json")


def _item(stack: Stack, task: Task, digest: str, verdict: str, reason: str) -> TaskItem:
    return TaskItem(
        id=digest,
        time=stack.clock.now(),
        repository=task.subject["repository"],
        digest=digest,
        verdict=verdict,
        reason=reason,
    )
