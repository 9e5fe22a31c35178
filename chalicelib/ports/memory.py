"""What one process remembers of the table: access decisions, names, manifests. Never asked before a write."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, Protocol, TypeVar, cast

T = TypeVar("T")

# About 50 MB of remembered items at 1 KB each; past it everything is forgotten, which costs one read each.
MOST_ENTRIES: Final = 50_000


class Epochal(Protocol):
    def epoch(self) -> object: ...


class EpochCache:
    """Answers from memory while the table's epoch stands still (`Table.epoch`). Failures are not remembered.

    Used by the event loop and by worker threads at once: every step is one dictionary operation, and an answer
    loaded under an older epoch is stored only in that epoch's dictionary.
    """

    def __init__(self, table: Epochal) -> None:
        self._table = table
        self._held: tuple[object, dict[Hashable, Any]] = (None, {})

    def get(self, key: Hashable, load: Callable[[], T]) -> T:
        """The remembered answer, or `load()`'s, remembered from now on."""
        held = self._current()
        try:
            return cast(T, held[key])
        except KeyError:
            pass
        answer = load()
        if len(held) >= MOST_ENTRIES:
            held.clear()
        held[key] = answer
        return answer

    def _current(self) -> dict[Hashable, Any]:
        epoch = self._table.epoch()
        remembered_epoch, held = self._held
        if remembered_epoch != epoch:
            held = {}
            self._held = (epoch, held)
        return held
