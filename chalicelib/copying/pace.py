"""How fast bytes may go, all together: whoever sent some waits until as many may have gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

# So much may go at once after a pause, and is not made up for later.
_BURST_S: Final = 1.0


class Pace:
    """For `Effort.pace`; one may be shared by many copies.

    clock, sleep   of seconds that only go forward
    """

    def __init__(
        self,
        bytes_per_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if bytes_per_s <= 0:
            raise ValueError("a pace of nothing would never end")
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = clock()

    def __call__(self, size: int) -> None:
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now - _BURST_S) + size / self._bytes_per_s
            pause_s = self._free_at - now
        if pause_s > 0:
            self._sleep(pause_s)
