"""Blobs on their way, several at once: each is looked for, taken inside the store where that goes, or else sent."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait

from chalicelib.kernel.names import Digest

from .ends import Source, Target
from .gathering import Gathering
from .models import Effort, Progress, Upload


class OutOfTime(Exception):
    """There was no time left; what moved is kept."""


class Moving:
    """Of one image, whatever its tag comes to point to meanwhile."""

    def __init__(self, source: Source, target: Target, effort: Effort, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._effort = effort
        self._lock = threading.Lock()
        self._broken = threading.Event()
        self._uploads: dict[str, Upload] = dict(progress.uploads)
        self._moved = progress.moved
        self.whole = progress.whole

    @property
    def progress(self) -> Progress:
        with self._lock:
            return Progress(uploads=dict(self._uploads), moved=self._moved, whole=self.whole)

    def gathering(self, *, referrers: bool) -> Gathering:
        return Gathering(self._source, self._target, self._effort, referrers=referrers)

    @property
    def moved(self) -> int:
        return self._moved

    @property
    def skipped(self) -> int:
        return max(0, self.whole - self._moved)

    def go_on(self) -> bool:
        return not self._broken.is_set() and time.monotonic() < self._effort.until

    def bring(self, blobs: Mapping[Digest, int]) -> None:
        """On return the target holds them all. Raises OutOfTime, and what either end raises first."""
        if len(blobs) <= 1 or self._effort.parallel <= 1:
            for digest, size in blobs.items():
                self._bring(digest, size)
            return
        self._broken.clear()
        with ThreadPoolExecutor(min(self._effort.parallel, len(blobs)), "copy") as threads:
            running = [
                threads.submit(contextvars.copy_context().run, self._bring_or_stop, digest, size)
                for digest, size in blobs.items()
            ]
            done, _ = wait(running)
        failures = [failed for one in done if (failed := one.exception()) is not None]
        # One that failed made the others stop, which says nothing.
        for failed in sorted(failures, key=lambda one: isinstance(one, OutOfTime)):
            raise failed

    def _bring_or_stop(self, digest: Digest, size: int) -> None:
        try:
            self._bring(digest, size)
        except BaseException:
            self._broken.set()
            raise

    def _bring(self, digest: Digest, size: int) -> None:
        if self._broken.is_set():
            raise OutOfTime
        self._effort.refuse_overtime()
        if self._target.has(digest) or self._target.take(self._source, digest, size):
            self._forget(digest)
            return
        if not self.go_on():
            raise OutOfTime
        with self._lock:
            before = self._uploads.get(digest)
        left = self._target.upload(digest, size, self._source, before, _Pieces(self, digest))
        if left is not None:
            self.stands(digest, left)
            raise OutOfTime
        self._forget(digest)

    def stands(self, digest: Digest, upload: Upload) -> None:
        with self._lock:
            self._uploads[digest] = upload

    def went(self, size: int) -> None:
        with self._lock:
            self._moved += size
        self._effort.pace(size)

    def _forget(self, digest: Digest) -> None:
        with self._lock:
            self._uploads.pop(digest, None)


class _Pieces:
    def __init__(self, moving: Moving, digest: Digest) -> None:
        self._moving = moving
        self._digest = digest

    def go_on(self) -> bool:
        return self._moving.go_on()

    def moved(self, size: int) -> None:
        self._moving.went(size)

    def stands(self, upload: Upload) -> None:
        self._moving.stands(self._digest, upload)
