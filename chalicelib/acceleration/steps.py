"""Steps of a conversion: each reads a layer at most, or does besides what costs little.

    plan ─► starts ─► ask ─► wait ─┬─► assemble ─► a companion for each tag
    refused as a whole             └── until the last layer is converted; whoever converts it wakes the task

Every step looks first whether its tags are where the push put them, and whether what it is to do is wanted still. So
what was pushed over, deleted or switched off meanwhile is left alone, and what was made for it by then names nobody.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import ManifestUnknown, QuotaExceeded, TagImmutable
from chalicelib.kernel.names import Digest
from chalicelib.layers.entries import LayerRefused, Limits
from chalicelib.ports.stack import Stack
from chalicelib.registry.bodies import Bodies
from chalicelib.registry.companions import CompanionNameTaken, OriginalMoved
from chalicelib.surveys.models import ImageLayers, ImageRefused
from chalicelib.surveys.service import Surveys
from chalicelib.tasks.models import Step, Task

from . import store
from .assembling import Assembling, Converted
from .conversions import Conversions
from .models import ConversionRecord, NotConverted, Planned, Work
from .originals import Originals
from .recipes import Recipes
from .store import Pair

# A step that has read less of layers goes on to the next, unless that took it so long.
LITTLE_BYTES: Final = 16 * 1024 * 1024
LITTLE_S: Final = 20.0
# Layers of all images together, each once an image: ten times what the largest indexes have.
MOST_LAYERS: Final = 2000
# Whoever converts a layer wakes the task; this is for a message that got lost.
PATIENCE_S: Final = 60
_LIMITS: Final = Limits()


def step(stack: Stack, task: Task) -> Step:
    """Raises NotFound where the instance went meanwhile, InstanceFrozen."""
    instance = Instances(stack).load(task.instance_id)
    Instances(stack).require_running(instance)
    return _Steps(stack, task, instance).step()


class _Steps:
    def __init__(self, stack: Stack, task: Task, instance: Instance) -> None:
        self._stack = stack
        self._task = task
        self._instance = instance
        self._work = Work.model_validate(task.work)
        self._conversions = Conversions(stack, instance)
        self._surveys = Surveys(stack)
        self._originals = Originals(stack, instance, task, self._work)

    def step(self) -> Step:
        try:
            if not self._originals.look():
                return self._originals.ended()
            return self._go_on()
        except ManifestUnknown:
            return self._failed("missing_layer", "the index lists an image that is not here, or the image was deleted")
        except (ImageRefused, LayerRefused, NotConverted) as refused:
            return self._failed(refused.reason, refused.message)
        except QuotaExceeded as refused:
            return self._failed("quota_exceeded", refused.message)

    def _failed(self, reason: str, message: str) -> Step:
        """Of all tags that are left. Retried, it begins from the beginning."""
        self._originals.fail(reason, message)
        return self._originals.ended()

    def _go_on(self) -> Step:
        if self._work.phase == "plan":
            return self._plan()
        if self._work.phase == "starts":
            return self._starts()
        if self._work.phase == "ask":
            return self._ask()
        return self._wait()

    # What there is to be done

    def _plan(self) -> Step:
        """Refuses what cannot be converted before anything is, and takes the tags."""
        layers = [one for image in self._images() for one in dict.fromkeys(layer.digest for layer in image.layers)]
        if len(layers) > MOST_LAYERS:
            raise NotConverted("too_large", f"it has {len(layers)} layers in all; up to {MOST_LAYERS} are converted")
        if not self._originals.take():
            return self._originals.ended()
        # A retry counts from the beginning.
        counts = self._originals.counts()
        counts.subtract(self._task.counts)
        again = {"done": -self._task.done, "bytes": -self._task.bytes}
        return self._on({"phase": "starts"}, counts=counts, total=len(set(layers)), **again)

    def _images(self) -> Iterator[ImageLayers]:
        for digest in self._digests():
            yield self._surveys.layers_of(self._instance, self._work.repository_id, digest)

    def _digests(self) -> list[str]:
        listed = self._surveys.images_of(self._instance, self._work.repository_id, self._work.digest)
        return [self._work.digest] if listed is None else list(listed)

    # How its files start

    def _starts(self) -> Step:
        """Of layers that nobody has looked into: a few small ones, or a large one."""
        digests, begun, read = self._digests(), time.monotonic(), 0
        place, layer = self._work.image, self._work.layer
        while place < len(digests):
            image = self._surveys.layers_of(self._instance, self._work.repository_id, digests[place])
            while layer < len(image.layers):
                one = image.layers[layer]
                layer += 1
                if self._look(one.digest):
                    read += one.size
                if read >= LITTLE_BYTES or time.monotonic() - begun >= LITTLE_S:
                    return self._on({"image": place, "layer": layer})
            place, layer = place + 1, 0
        return self._on({"phase": "ask", "image": 0, "layer": 0})

    def _look(self, layer: str) -> bool:
        """Whether it had to be read. Raises LayerRefused."""
        from chalicelib.starts.looking import look

        bucket = self._instance.bucket
        if store.starts(self._stack, bucket, self._instance.id, layer) is not None:
            return False
        reading = Bodies(self._stack).reading(self._instance.id, layer)
        if reading is None:
            raise NotConverted("missing_layer", f"layer {layer} is not here")
        try:
            told = look(reading.chunks(), _LIMITS)
        finally:
            reading.close()
        store.keep_starts(self._stack, bucket, self._instance.id, layer, told)
        return True

    # Conversions

    def _ask(self) -> Step:
        """For each layer of an image, and then of the next one."""
        recipes, planned = Recipes(self._stack, self._instance, self._work), list(self._work.planned)
        digests, begun = self._digests(), time.monotonic()
        for digest in digests[len(planned) :]:
            image = self._surveys.layers_of(self._instance, self._work.repository_id, digest)
            starts = [self._told(layer.digest) for layer in image.layers]
            found, files_from = recipes.of(image, starts)
            for layer, recipe in zip(image.layers, found, strict=True):
                self._conversions.ask(layer.digest, recipe.id, recipe.files, self._work, self._task.id, anew=True)
            planned.append(Planned(digest=digest, recipes=tuple(one.id for one in found), files_from=files_from))
            if time.monotonic() - begun >= LITTLE_S:
                break
        phase = "wait" if len(planned) == len(digests) else "ask"
        return self._on({"phase": phase, "planned": tuple(planned)})

    def _told(self, layer: str) -> bytes:
        told = store.starts(self._stack, self._instance.bucket, self._instance.id, layer)
        if told is None:
            raise NotConverted("missing_layer", f"layer {layer} was deleted meanwhile")
        return told

    def _wait(self) -> Step:
        images = {
            planned.digest: self._surveys.layers_of(self._instance, self._work.repository_id, planned.digest)
            for planned in self._work.planned
        }
        wanted: dict[Pair, int] = {}
        for planned in self._work.planned:
            for layer, recipe in zip(images[planned.digest].layers, planned.recipes, strict=True):
                wanted[layer.digest, recipe] = layer.size
        records = self._conversions.of(wanted)
        for pair in wanted:
            if pair not in records or records[pair].state != "succeeded":
                records[pair] = self._conversions.ask(*pair, None, self._work, self._task.id, anew=False)
        failed = next((one for one in records.values() if one.state == "failed"), None)
        if failed is not None:
            raise NotConverted(failed.reason, failed.message)
        ready = [pair for pair in wanted if records[pair].state == "succeeded"]
        done, read = len({pair[0] for pair in ready}), sum(wanted[pair] for pair in ready)
        progress: dict[str, Any] = {"done": done - self._work.done, "bytes": read - self._work.bytes}
        if len(ready) == len(wanted):
            return self._assemble(records, images, progress)
        return self._on({"done": done, "bytes": read}, wait_s=PATIENCE_S, **progress)

    # The companion

    def _assemble(
        self, records: dict[Pair, ConversionRecord], images: dict[str, ImageLayers], progress: dict[str, Any]
    ) -> Step:
        for record in records.values():
            if not self._conversions.here(record, self._work):
                # Converted elsewhere, and nobody has it any more: once more, here.
                self._conversions.ask(record.layer, record.recipe, None, self._work, self._task.id, anew=True)
                return self._on({}, wait_s=PATIENCE_S)
        converted: dict[str, Converted] = {}
        for planned in self._work.planned:
            pairs = zip(images[planned.digest].layers, planned.recipes, strict=True)
            converted[planned.digest] = ([records[one.digest, recipe] for one, recipe in pairs], planned.files_from)
        assembling = Assembling(self._stack, self._instance, self._work)
        made = assembling.make(converted)
        # It took its time: what was to be seen before may be otherwise by now.
        self._originals.look()
        digest = Digest.of(made[1])
        for tag in self._originals.left():
            try:
                if not self._originals.stands(tag, digest):
                    assembling.push(tag, made)
                self._originals.succeed(tag, digest)
            except OriginalMoved as moved:
                self._originals.skip(tag.name, moved.message)
            except CompanionNameTaken as taken:
                self._originals.fail_one(tag, "name_taken", taken.message)
            except TagImmutable as immutable:
                self._originals.fail_one(tag, "immutable", immutable.message)
        return self._originals.ended(**progress)

    def _on(self, change: dict[str, Any], **told: Any) -> Step:
        """The next step goes on there."""
        work = self._work.model_copy(update={**change, **self._originals.settled()})
        told = {"counts": self._originals.counts(), **told}
        return Step(work.model_dump(mode="json"), items=self._originals.items(), **told)
