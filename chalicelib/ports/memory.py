"""What one process remembers of the table: access decisions, names, manifests. Never asked before a write."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar, cast

from chalicelib.kernel.errors import Refused

from .table import Item, Key

T = TypeVar("T")

# About 50 MB of remembered items at 1 KB each; past it everything is forgotten, which costs one read each.
MOST_ENTRIES: Final = 50_000


class Epochal(Protocol):
    def epoch(self) -> object: ...

    def get(self, key: Key) -> Item | None: ...

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]: ...


@dataclass(frozen=True, slots=True)
class Knowledge(Generic[T]):
    """One answer that memory may hold, and the items that it follows from.

    made   the answer; raises what it raises where there is none, and then nothing is remembered
    """

    name: Hashable
    items: tuple[Key, ...]
    made: Callable[[Mapping[Key, Item]], T]


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

    def know(self, knowledge: Knowledge[T]) -> T:
        """The remembered answer, or the one that the table's items make, in one batch read."""
        return self.get(knowledge.name, lambda: knowledge.made(self._read(knowledge.items)))

    def knows(self, knowledge: Knowledge[Any]) -> bool:
        return knowledge.name in self._current()

    def foresee(self, wanted: Iterable[Knowledge[Any]]) -> None:
        """Remembers what of this is not remembered yet, in one batch read for all of it."""
        held = self._current()
        missing = [one for one in wanted if one.name not in held]
        if len(missing) < 2:
            return  # Whoever asks for the one reads as much.
        found = self._read(tuple(dict.fromkeys(key for one in missing for key in one.items)))
        for one in missing:
            try:
                answer = one.made(found)
            except Refused:
                continue
            if len(held) >= MOST_ENTRIES:
                held.clear()
            held[one.name] = answer

    def _read(self, items: tuple[Key, ...]) -> Mapping[Key, Item]:
        if len(items) > 1:
            return self._table.get_many(items)
        item = self._table.get(items[0])
        return {} if item is None else {items[0]: item}

    def _current(self) -> dict[Hashable, Any]:
        epoch = self._table.epoch()
        remembered_epoch, held = self._held
        if remembered_epoch != epoch:
            held = {}
            self._held = (epoch, held)
        return held
