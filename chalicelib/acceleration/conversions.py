"""Layers that images want converted, each once for all images of an instance that have it.

ask ─► row queued ─► ConvertLayer ─► claim ─► … ─► succeeded │ failed ─► waiting tasks go on
         ▲                             │ prolonged while it works (`converter`)
         └── claim ran out ────────────┘ a third time: failed
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from chalicelib.edge.consume import encode
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import BlobUnknown, Unavailable
from chalicelib.kernel.messages import ConvertLayer
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry

from . import store
from .caller import mounter, pusher
from .models import ConversionRecord, Work
from .store import Pair

# A converter that was told of a layer is told once more after so long.
PATIENCE: Final = timedelta(minutes=1)
# What is wrong with the layer itself stays so; anything else may be otherwise when somebody asks again.
LASTING: Final = frozenset(
    {
        "corrupt",
        "truncated",
        "unsupported_compression",
        "unsupported_name",
        "unsupported_entry",
        "too_many_entries",
    }
)
# What may be otherwise in another repository that has the layer.
_OF_REPOSITORY: Final = frozenset({"missing_layer", "quota_exceeded", "interrupted"})
_ATTEMPTS: Final = 20


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A row as it has to become. tell: a converter is to be told of it."""

    record: ConversionRecord
    tell: bool


class Conversions:
    def __init__(self, stack: Stack, instance: Instance) -> None:
        self._stack = stack
        self._table = stack.table
        self._instance = instance
        self._registry = Registry(stack)

    def of(self, pairs: Iterable[Pair]) -> dict[Pair, ConversionRecord]:
        return store.conversions(self._table, self._instance.id, pairs)

    def ask(
        self, layer: str, recipe: str, files: tuple[str, ...] | None, work: Work, task_id: str, *, anew: bool
    ) -> ConversionRecord:
        """The conversion as it stands now; one that nobody works at is asked for, and the task told of its end.

        files   of the recipe; None: only go on with what was asked for
        anew    one that failed for what may be otherwise now is tried again
        """
        pair = (layer, recipe)
        for _ in range(_ATTEMPTS):
            seen = store.conversion(self._table, self._instance.id, pair)
            wanted = self._wanted(seen, pair, files, work, task_id, anew)
            if wanted is None:
                return seen or _lost(pair, work)
            kept = store.keep(self._table, self._instance.id, wanted.record, seen)
            if kept is not None:
                if wanted.tell:
                    self._send(kept, task_id)
                return kept
        raise Unavailable

    def _wanted(
        self,
        seen: ConversionRecord | None,
        pair: Pair,
        files: tuple[str, ...] | None,
        work: Work,
        task_id: str,
        anew: bool,
    ) -> _Wanted | None:
        """None: it may stay as it is."""
        now = self._stack.clock.now()
        mine = {"repository_id": work.repository_id, "repository": work.repository}
        begun = {"state": "queued", "waiters": (task_id,), "asked_at": to_text(now), "expires": store.expiry(now)}
        if seen is None:
            if files is None:
                return None
            fresh = {"layer": pair[0], "recipe": pair[1], "files": store.packed(files), **mine, **begun}
            return _Wanted(ConversionRecord.model_validate(fresh), tell=True)
        again = {**mine, **begun, "failures": 0, "reason": "", "message": "", "claim": "", "claimed_until": ""}
        if seen.state == "succeeded":
            if not self.here(seen, work):
                return _Wanted(seen.model_copy(update=again), tell=True)
            # Half of its time is over, and it was needed.
            late = seen.expires < store.expiry(now - store.KEPT / 2)
            return _Wanted(seen.model_copy(update={"expires": store.expiry(now)}), tell=False) if late else None
        if seen.state == "failed":
            elsewhere = seen.repository_id != work.repository_id and seen.reason in _OF_REPOSITORY
            passes = seen.reason not in LASTING and (anew or elsewhere)
            return _Wanted(seen.model_copy(update=again), tell=True) if passes else None
        return self._joined(seen, mine, task_id)

    def _joined(self, seen: ConversionRecord, mine: dict[str, str], task_id: str) -> _Wanted | None:
        """Of one under way: the task waits for it too, and a message that seems lost is sent again."""
        now = self._stack.clock.now()
        change: dict[str, Any] = {}
        if task_id not in seen.waiters:
            change["waiters"] = (*seen.waiters, task_id)
        nobody_at_it = seen.claimed_until <= to_text(now)
        tell = nobody_at_it and (bool(change) or seen.asked_at <= to_text(now - PATIENCE))
        if tell:
            change |= {"asked_at": to_text(now), **(mine if seen.state == "queued" else {})}
        return _Wanted(seen.model_copy(update=change), tell) if change else None

    def here(self, record: ConversionRecord, work: Work) -> bool:
        """Whether its blob is in the repository, and stays for a manifest to name it; brought there without a copy
        where another repository has it."""
        digest = Digest(record.digest)
        try:
            self._registry.renew(pusher(self._instance, work.repository), work.repository, digest)
        except BlobUnknown:
            return self._registry.mount(mounter(self._instance), work.repository, digest, None)
        return True

    def _send(self, record: ConversionRecord, task_id: str) -> None:
        told = ConvertLayer(instance_id=self._instance.id, layer=record.layer, recipe=record.recipe, task_id=task_id)
        self._stack.queues.send(told.queue, [encode(told)])


def _lost(pair: Pair, work: Work) -> ConversionRecord:
    """Its row went while the task waited: the task begins again."""
    return ConversionRecord(
        layer=pair[0],
        recipe=pair[1],
        state="failed",
        repository_id=work.repository_id,
        repository=work.repository,
        files=b"",
        asked_at="",
        reason="interrupted",
        message=f"the conversion of layer {pair[0]} was forgotten meanwhile; accelerate the image again",
    )
