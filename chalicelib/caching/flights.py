"""Calls to upstreams from the event loop: in threads of their own, so many of one upstream at once, one for all who
ask the same. A slow upstream holds up nobody but those who pull through it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, ParamSpec, TypeVar

from chalicelib.kernel.errors import Unavailable

from .places import Place

P = ParamSpec("P")
T = TypeVar("T")

# Threads wait for a network: of a process, and of one cache.
MOST_CALLS: Final = 64
MOST_OF_ONE: Final = 24
# Of these, for callers who logged in alone: a client that reads slowly keeps its seat for as long as a blob may take.
FOR_KNOWN: Final = 8
# Who asks the same as somebody else waits for that one's answer so long. Shorter than proxies wait for a first byte.
WAIT_S: Final = 30.0


class Flights:
    """Used by one event loop."""

    def __init__(self, wait_s: float = WAIT_S) -> None:
        self._threads = ThreadPoolExecutor(MOST_CALLS, thread_name_prefix="upstream")
        self._wait_s = wait_s
        self._flying: dict[Hashable, asyncio.Task[Any]] = {}
        self._busy: Counter[str] = Counter()

    async def shared(self, about: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """What `make` comes to, or the same call of somebody else. It goes on though whoever asked goes away.

        Raises Unavailable where that takes too long.
        """
        flying = self._flying.get(about)
        if flying is None:
            flying = self._flying[about] = asyncio.ensure_future(_coroutine(make))
            flying.add_done_callback(lambda done: self._landed(about, done))
        try:
            async with asyncio.timeout(self._wait_s):
                return await asyncio.shield(flying)
        except TimeoutError:
            raise Unavailable("the upstream takes too long; try again", retry_after_s=10) from None

    def _landed(self, about: Hashable, done: asyncio.Task[Any]) -> None:
        self._flying.pop(about, None)
        if not done.cancelled():
            done.exception()  # Looked at, though everybody who asked may be gone.

    @contextmanager
    def seat(self, place: Place) -> Iterator[None]:
        """For one call to an upstream, or one blob from it. Raises Unavailable where too many are under way."""
        cache, is_stranger = place.cache.namespace_id, place.caller.principal.anonymous
        if self._busy[cache] >= MOST_OF_ONE - (FOR_KNOWN if is_stranger else 0):
            raise Unavailable("too many pulls through this cache are under way; try again", retry_after_s=5)
        self._busy[cache] += 1
        try:
            yield
        finally:
            self._busy[cache] -= 1
            if not self._busy[cache]:
                del self._busy[cache]

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """In a thread. Whoever is cancelled waits for the thread, which may be using what is to be closed next."""
        context = contextvars.copy_context()
        working = asyncio.get_running_loop().run_in_executor(self._threads, lambda: context.run(call, *args, **kwargs))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            await asyncio.wait((working,))
            raise


async def _coroutine(make: Callable[[], Awaitable[T]]) -> T:
    return await make()
