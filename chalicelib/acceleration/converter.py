"""A layer converted: read, made lazily loadable, uploaded.

    claim ─► read · convert · upload ─► succeeded │ failed ─► waiting tasks go on
               └── every 20 s: prolong the claim, or stop: somebody else has it

A claim is a fence: what a converter did that was taken over counts for nothing. Both wrote the same bytes anyway.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

from chalicelib.edge.consume import encode
from chalicelib.edge.log import logger
from chalicelib.edge.metrics import count
from chalicelib.estargz.models import ConversionRefused, Converted, Recipe
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import BlobUnknown, NotFound, QuotaExceeded, Refused, Unavailable, UploadUnknown
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.messages import ContinueAcceleration, ConvertLayer
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest
from chalicelib.layers.entries import LayerRefused, Limits
from chalicelib.ports.objects import ObjectMissing
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import Caller, StoredBlob
from chalicelib.registry.service import Registry
from chalicelib.tasks.service import Tasks

from . import store
from .caller import pusher
from .models import ConversionRecord
from .store import Pair

# A converter that says nothing for so long did not survive.
CLAIM: Final = timedelta(minutes=2)
PROLONG_EVERY: Final = timedelta(seconds=20)
# Converters that did not come back, after which nobody tries again until somebody asks anew.
MOST_FAILURES: Final = 3
# Less than a function may take, with room for the end of the upload.
LIMITS: Final = Limits(seconds=780.0)
# To find out whether a layer is fit as it is: it is read twice for that, and may have to be converted after all.
LIMITS_OF_REUSE: Final = Limits(seconds=LIMITS.seconds / 3)
# More threads than this have nothing to do: a layer is read and hashed by one.
MOST_WORKERS: Final = 4
# A task in the middle of a step hears of nothing: it is told when the step is through.
_STEP_S: Final = 2
_ATTEMPTS: Final = 20

# As `estargz.conversion.convert`, of bytes and a recipe.
Convert = Callable[..., Converted]


class _TakenOver(Exception):
    """The claim ran out and somebody else converts the layer."""


class _AnotherVersion(Exception):
    """It was asked for by a service that converts otherwise."""


class Converter:
    """convert: what makes of a layer's bytes the converted ones; None: the real one."""

    def __init__(self, stack: Stack, instance: Instance, convert: Convert | None = None) -> None:
        self._stack = stack
        self._table = stack.table
        self._instance = instance
        self._registry = Registry(stack)
        self._convert = convert or _convert

    def carry_out(self, message: ConvertLayer) -> None:
        """One layer, from its first byte to its last. Raises what it stumbles over, so that the message comes again."""
        claimed = self._claim((message.layer, message.recipe))
        if claimed is None:
            return
        try:
            converted, reused = self._converted(claimed)
        except _TakenOver:
            logger.warning("conversion was taken over", layer=claimed.layer, recipe=claimed.recipe)
            return
        except (LayerRefused, ConversionRefused) as refused:
            self._end(claimed, state="failed", reason=refused.reason, message=refused.message)
        except QuotaExceeded as refused:
            self._end(claimed, state="failed", reason="quota_exceeded", message=refused.message)
        except (BlobUnknown, ObjectMissing):
            self._end(claimed, state="failed", reason="missing_layer", message=f"layer {claimed.layer} is not here")
        except _AnotherVersion:
            told = "the service was replaced while the image was converted; accelerate it again"
            self._end(claimed, state="failed", reason="interrupted", message=told)
        except (NotFound, UploadUnknown) as refused:
            self._end(claimed, state="failed", reason="interrupted", message=refused.message)
        except Exception as stumbled:
            if isinstance(stumbled, OSError) and stumbled.errno == errno.ENOSPC:
                told = "there is no room for its uncompressed form while it is converted; ask the operator"
                self._end(claimed, state="failed", reason="too_large", message=f"layer {claimed.layer}: {told}")
                return
            self._stumble(claimed)
            raise
        else:
            self._end(claimed, state="succeeded", reused=reused, **asdict(converted))

    def _claim(self, pair: Pair) -> ConversionRecord | None:
        for _ in range(_ATTEMPTS):
            seen = store.conversion(self._table, self._instance.id, pair)
            now = self._stack.clock.now()
            if seen is None or seen.state not in ("queued", "running") or seen.claimed_until > to_text(now):
                return None
            failures = seen.failures + 1 if seen.claim else seen.failures
            change = {"state": "running", "claim": new_id(), "claimed_until": to_text(now + CLAIM), "read": 0}
            claimed = seen.model_copy(update={**change, "failures": failures})
            kept = store.keep(self._table, self._instance.id, claimed, seen)
            if kept is not None and failures >= MOST_FAILURES:
                self._give_up(kept)
                return None
            if kept is not None:
                return kept
        raise Unavailable

    def _converted(self, claimed: ConversionRecord) -> tuple[Converted, bool]:
        """What comes of the layer, which lies in its repository then, and whether it was fit as it was."""
        from chalicelib.estargz.reuse import converted_already

        caller = pusher(self._instance, claimed.repository)
        blob = self._registry.blob(caller, claimed.repository, Digest(claimed.layer), judged=False)
        recipe = Recipe(store.unpacked(claimed.files))
        if recipe.id != claimed.recipe:
            raise _AnotherVersion
        read, begun = partial(self._range, blob), time.monotonic()
        fit = converted_already(read, blob.size, recipe, limits=LIMITS_OF_REUSE, beat=self._beat(claimed))
        if fit is not None:
            return fit, True
        left = replace(LIMITS, seconds=LIMITS.seconds - (time.monotonic() - begun))
        return self._written(caller, claimed, blob, recipe, left), False

    def _range(self, blob: StoredBlob, offset: int, length: int) -> bytes:
        reading = self._registry.read_blob(blob, offset, offset + length)
        try:
            return b"".join(reading.chunks())
        finally:
            reading.close()

    def _written(
        self, caller: Caller, claimed: ConversionRecord, blob: StoredBlob, recipe: Recipe, limits: Limits
    ) -> Converted:
        """Straight into an upload, which is there no more if anything goes wrong."""
        upload = self._registry.start_upload(caller, claimed.repository)
        writer = self._registry.resume(caller, claimed.repository, upload.id, 0)
        reading = self._registry.read_blob(blob)
        finished = False
        try:
            converted = self._convert(
                reading.chunks(), recipe, writer.append, workers=workers(), limits=limits, beat=self._beat(claimed)
            )
            writer.finish(Digest(converted.digest))
            finished = True
        finally:
            reading.close()
            writer.close()
            if not finished:
                with suppress(Refused):
                    self._registry.cancel_upload(caller, claimed.repository, upload.id)
        return converted

    def _beat(self, claimed: ConversionRecord) -> Callable[[int], None]:
        """Prolongs the claim now and then. Raises _TakenOver where somebody else has it."""
        told_at = self._stack.clock.now()

        def beat(read: int) -> None:
            nonlocal told_at
            now = self._stack.clock.now()
            if now - told_at < PROLONG_EVERY:
                return
            told_at = now
            change = {"claimed_until": to_text(now + CLAIM), "read": read}
            # A table that does not answer now may the next time, well before the claim runs out.
            with suppress(Unavailable):
                if store.change_claimed(self._table, self._instance.id, claimed, change) is None:
                    raise _TakenOver

        return beat

    def _stumble(self, claimed: ConversionRecord) -> None:
        """It came to nothing, for no reason of the layer's. It is tried again, up to so many times."""
        failures = claimed.failures + 1
        logger.exception("failed to convert", layer=claimed.layer, recipe=claimed.recipe, failures=failures)
        if failures >= MOST_FAILURES:
            self._give_up(claimed)
            return
        freed = {"state": "queued", "claim": "", "claimed_until": "", "failures": failures}
        store.change_claimed(self._table, self._instance.id, claimed, freed)

    def _give_up(self, claimed: ConversionRecord) -> None:
        told = "its conversion broke off again and again; ask the operator about this layer"
        self._end(claimed, state="failed", reason="interrupted", message=f"layer {claimed.layer}: {told}")

    def _end(self, claimed: ConversionRecord, **fields: Any) -> None:
        """Says what came of it, and wakes the tasks that wait for it."""
        told = {**fields, "claim": "", "claimed_until": ""}
        ended = store.change_claimed(self._table, self._instance.id, claimed, told)
        count("layers_converted", result=fields.get("reason") or ("reused" if fields.get("reused") else "converted"))
        if ended is None:
            logger.warning("conversion was taken over", layer=claimed.layer, recipe=claimed.recipe)
            return
        logger.info("layer converted", layer=claimed.layer, state=ended.state, reason=ended.reason, digest=ended.digest)
        self._wake(ended.waiters)

    def _wake(self, waiters: Iterable[str]) -> None:
        now = to_text(self._stack.clock.now())
        for task in Tasks(self._stack).several(self._instance.id, list(waiters)).values():
            if not task.finished:
                told = encode(ContinueAcceleration(instance_id=task.instance_id, task_id=task.id, origin=task.origin))
                delay_s = _STEP_S if task.claimed_until > now else 0
                self._stack.queues.send(ContinueAcceleration.queue, [told], delay_s=delay_s)


def convert_layer(stack: Stack, message: ConvertLayer) -> None:
    """Nothing for an instance that went, or is frozen."""
    try:
        instance = Instances(stack).load(message.instance_id)
        Instances(stack).require_running(instance)
    except Refused:
        return
    Converter(stack, instance).carry_out(message)


def workers() -> int:
    """As many as there are cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


def _convert(*given: Any, **more: Any) -> Converted:
    from chalicelib.estargz.conversion import convert

    return convert(*given, **more)
