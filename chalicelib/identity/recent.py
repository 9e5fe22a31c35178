"""What one process remembers, the newest of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A dictionary that forgets its oldest entry when it is full. Reads take no lock."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[K, V] = {}
        self._lock = threading.Lock()
        self.get = self._held.get

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._held.pop(key, None)
            while len(self._held) >= self._most:
                del self._held[next(iter(self._held))]
            self._held[key] = value

    def forget_oldest(self, ended: Callable[[V], bool]) -> None:
        """As many from the oldest on as have ended, up to the first that has not."""
        with self._lock:
            while self._held and ended(self._held[oldest := next(iter(self._held))]):
                del self._held[oldest]
