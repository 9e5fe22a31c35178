"""What the gateway remembers between two writes: admitted callers, and small answers made for them.

Everything here lives in one entry of the stack's memory, so it is forgotten whole as the table's epoch changes, and
costs each request one look at the epoch.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

# All keys and answers of one epoch together; past it everything is forgotten, which costs one read each.
BUDGET_BYTES: Final = 32 * 1024 * 1024
# A larger answer, or one to a longer question, is made anew each time.
ENTRY_LIMIT_BYTES: Final = 16 * 1024
# Of Python's objects around the bytes of one entry.
ENTRY_COST_BYTES: Final = 1024


class Remembered:
    """Used by the event loop alone. Failures are not remembered."""

    __slots__ = ("_held", "_held_bytes", "get")

    def __init__(self) -> None:
        self._held: dict[Hashable, Any] = {}
        self._held_bytes = 0
        self.get = self._held.get

    def keep(self, key: Hashable, value: object, size_bytes: int) -> None:
        """size_bytes: of what key and value hold that may be large."""
        if size_bytes > ENTRY_LIMIT_BYTES:
            return
        self._held_bytes += ENTRY_COST_BYTES + size_bytes
        if self._held_bytes > BUDGET_BYTES:
            self._held.clear()
            self._held_bytes = ENTRY_COST_BYTES + size_bytes
        self._held[key] = value
