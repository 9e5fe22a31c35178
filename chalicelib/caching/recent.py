"""What upstreams answered lately, in this process alone: where tags point, and manifests that are not here yet."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from chalicelib.kernel.moment import Clock
from chalicelib.ports.remote import RemoteHead, RemoteManifest

_MOST_TAGS: Final = 20_000
_MOST_DONE: Final = 10_000
_MOST_BODIES_BYTES: Final = 16 * 1024 * 1024
# A tag that has moved is on its way here: whoever brings it may find that it has moved on.
_MOVED_S: Final = 60
# What is not there is asked for again after so long, whatever the time to live.
_MISSING_S: Final = 30


@dataclass(frozen=True, slots=True)
class Told:
    """head: None where the upstream has no such tag."""

    head: RemoteHead | None
    at: float


class Recent:
    """Used by the event loop alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tags: OrderedDict[Hashable, Told] = OrderedDict()
        self._bodies: OrderedDict[Hashable, RemoteManifest] = OrderedDict()
        self._bodies_bytes = 0

    def tag(self, key: Hashable, ttl_s: int, here: str) -> Told | None:
        """What the upstream said of a tag, if that may still be believed. here: where it points to here, "" for
        nowhere."""
        told = self._tags.get(key)
        if told is None:
            return None
        if told.head is None:
            ttl_s = min(ttl_s, _MISSING_S)
        elif told.head.digest != here:
            ttl_s = min(ttl_s, _MOVED_S)
        return told if self._now() - told.at < ttl_s else None

    def keep_tag(self, key: Hashable, head: RemoteHead | None) -> None:
        self._tags[key] = Told(head, self._now())
        self._tags.move_to_end(key)
        if len(self._tags) > _MOST_TAGS:
            self._tags.popitem(last=False)

    def manifest(self, key: Hashable) -> RemoteManifest | None:
        return self._bodies.get(key)

    def keep_manifest(self, key: Hashable, manifest: RemoteManifest) -> None:
        if key in self._bodies:
            return
        self._bodies[key] = manifest
        self._bodies_bytes += len(manifest.body)
        while self._bodies_bytes > _MOST_BODIES_BYTES:
            _, gone = self._bodies.popitem(last=False)
            self._bodies_bytes -= len(gone.body)

    def _now(self) -> float:
        return self._clock.now().timestamp()


class Done:
    """What was done within so many seconds, and need not be done again. Any thread may ask and tell."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._done: OrderedDict[Hashable, float] = OrderedDict()

    def __contains__(self, about: Hashable) -> bool:
        return self._clock.now().timestamp() - self._done.get(about, float("-inf")) < self._seconds

    def add(self, about: Hashable) -> None:
        """Once it is done: whoever asks meanwhile does it too."""
        with self._lock:
            self._done[about] = self._clock.now().timestamp()
            self._done.move_to_end(about)
            if len(self._done) > _MOST_DONE:
                self._done.popitem(last=False)
