"""What is gathered in memory and written at most once a minute: pulls, refusals of strangers.

    add ─► counts of this process ─► every 60 s, at the end of the process, or past `most` keys ─► write(counts)

A count costs no request a write. What a process gathered and had not written is lost with it if it is killed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, Generic, TypeVar

from chalicelib.kernel.errors import Refused
from chalicelib.ports.stack import Stack

from .log import logger

K = TypeVar("K", bound=Hashable)

EVERY_S: Final = 60.0
# While nothing can be written, so many times `most` keys are kept; further ones are lost, which the log says.
_KEPT_TIMES: Final = 4


class Tally(Generic[K]):
    """
    write   stores the counts, which it is given once; raises where it could not, and is given them again later:
            whoever stores half of them and raises counts that half twice
    most    keys; past them the counts are written early, by a thread

    Any thread may add, the event loop's too: it costs a lock that nobody holds for longer.
    """

    def __init__(self, write: Callable[[Mapping[K, int]], None], most: int = 10_000) -> None:
        self._write = write
        self._most = most
        self._counts: dict[K, int] = {}
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._early: threading.Thread | None = None

    def add(self, key: K, amount: int = 1) -> None:
        with self._lock:
            counts = self._counts
            held = counts.get(key)
            if held is None and len(counts) >= self._most * _KEPT_TIMES:
                return
            counts[key] = (held or 0) + amount
            full = held is None and len(counts) == self._most
        if full:
            self._early = threading.Thread(target=self._flush_logging, name="tally", daemon=True)
            self._early.start()

    def flush(self) -> None:
        """Writes what was gathered. Raises what `write` raises, and keeps the counts then."""
        with self._flushing:
            with self._lock:
                counts, self._counts = self._counts, {}
            if not counts:
                return
            try:
                self._write(counts)
            except BaseException:
                self._restore(counts)
                raise

    def _restore(self, counts: dict[K, int]) -> None:
        with self._lock:
            for key, amount in self._counts.items():
                counts[key] = counts.get(key, 0) + amount
            self._counts = counts
            if len(counts) >= self._most * _KEPT_TIMES:
                logger.error("failed to keep every count", keys=len(counts))

    def _flush_logging(self) -> None:
        try:
            self.flush()
        except Exception:
            logger.exception("failed to write counts")


def tally(stack: Stack, name: str, write: Callable[[Mapping[K, int]], None]) -> Tally[K]:
    """The process's tally of this name, made by whoever asks first."""
    tallies = _tallies(stack)
    held = tallies.get(name)
    return held if held is not None else tallies.setdefault(name, Tally(write))


def flush_tallies(stack: Stack) -> None:
    """Writes what this process gathered on this stack. One that cannot be written is logged, and tried again later."""
    for name, held in tuple(_tallies(stack).items()):
        try:
            held.flush()
        except Refused:
            logger.exception("failed to write counts", tally=name)


def _tallies(stack: Stack) -> dict[str, Tally[Any]]:
    return stack.keep("tallies", dict)


class Flushing:
    """Writes a process's counts every minute, from a thread of its own."""

    def __init__(self, stack: Stack, every_s: float = EVERY_S) -> None:
        self._stack = stack
        self._every_s = every_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tallies", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns once everything gathered was written. Harmless where it was never started."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        flush_tallies(self._stack)

    def _run(self) -> None:
        while not self._ending.wait(self._every_s):
            try:
                flush_tallies(self._stack)
            except Exception:
                logger.exception("failed to write counts")


def flushing(stack: Callable[[], Stack]) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """Chalice's middleware for functions: what was gathered during an event is written at its end."""

    def flush(event: Any, get_response: Callable[[Any], Any]) -> Any:
        try:
            return get_response(event)
        finally:
            flush_tallies(stack())

    return flush
