"""The door of the room: finding what is due and doing it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from chalicelib.edge.log import logger
from chalicelib.edge.metrics import gauge
from chalicelib.kernel.moment import from_text
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item
from chalicelib.registry.service import KINDS, Upkeep

from .fsck import Finding, Fsck

__all__ = ["Finding", "Fsck", "Sweeper"]

# Rows done by one message: well within a function's time, also where each is a manifest of many layers.
BATCH: Final = 100
# Rows that fail, and are passed over in one shard.
MOST_PASSED: Final = 1000


class Sweeper:
    def __init__(self, stack: Stack) -> None:
        self._upkeep = Upkeep(stack)
        self._clock = stack.clock

    def overdue(self) -> list[tuple[str, str]]:
        """(kind, shard) of everything that is due by now: one short query for each."""
        shards = [(kind, partition) for kind in KINDS for partition in keys.due_partitions(kind)]
        found = {shard: rows[0] for shard in shards if (rows := self._upkeep.due(shard[1], 1))}
        longest = min((str(row["i1sk"]).partition("#")[0] for row in found.values()), default="")
        late = self._clock.now() - from_text(longest) if longest else timedelta()
        gauge("sweep_lag_seconds", late.total_seconds())
        return list(found)

    def clear(self, kind: str, partition: str) -> bool:
        """Does up to one batch; answers whether there may be more. A row that fails holds up no other."""
        for passed in range(0, MOST_PASSED, BATCH):
            rows = self._upkeep.due(partition, passed + BATCH)[passed:]
            failed = sum(1 for row in rows if not self._done(kind, row))
            if failed < BATCH:
                return len(rows) == BATCH
            # All of them bad: what is behind them has its turn.
        return False

    def _done(self, kind: str, row: Item) -> bool:
        try:
            self._upkeep.do(kind, row)
        except Exception:
            # One bad row must not stop all collection: it stays due, and is met again by the next sweep.
            logger.exception("failed to clear", kind=kind, pk=row["pk"], sk=row["sk"])
            return False
        return True

    def run(self, most_rounds: int = 1000) -> int:
        """Everything that is due now, and what becomes due by it, at once. Answers the number of rounds it took."""
        for done in range(most_rounds):
            due = self.overdue()
            if not due:
                return done
            for kind, partition in due:
                self.clear(kind, partition)
        return most_rounds
