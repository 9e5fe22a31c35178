"""A ceiling on the requests that one instance may make of /v2 in a second; off unless it is configured (I8).

A bucket per instance holds a second's worth and fills evenly, so that a burst after a quiet moment passes whole. Each
process counts for itself: of several gateways each lets as many through.
"""

from __future__ import annotations

import math
import threading

from chalicelib.kernel.errors import Throttled
from chalicelib.kernel.moment import Clock


class Ceilings:
    """Any thread may take; nobody holds the lock for longer than a look."""

    def __init__(self, per_s: int, clock: Clock) -> None:
        self._per_s = per_s
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, instance_id: str) -> None:
        """One request of the instance. Raises Throttled past the ceiling."""
        now = self._clock.now().timestamp()
        with self._lock:
            left, at = self._left.get(instance_id, (float(self._per_s), now))
            left = min(float(self._per_s), left + max(0.0, now - at) * self._per_s)
            within = left >= 1
            self._left[instance_id] = (left - 1 if within else left, now)
        if not within:
            wait_s = math.ceil((1 - left) / self._per_s)
            raise Throttled(wait_s, f"this instance takes {self._per_s} requests a second; wait and try again")
