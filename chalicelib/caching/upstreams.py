"""Upstreams as this process knows them: logged in to, and left alone while they want to be.

    answers ─► open        429, 5xx, nothing ─► closed for as long as it asks, or 1, 2, 4 … 60 s; then one may try again
    few pulls left (`RateLimit-Remaining`) ─► spent: for a while nobody asks about what is here

What an upstream is found to be holds for all caches with the same login there.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

from chalicelib.kernel.errors import Conflict, Invalid, Refused, Unavailable
from chalicelib.kernel.moment import Clock
from chalicelib.ports.outbound import outbound
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.remote_login import Login
from chalicelib.ports.remote_reference import RemoteReference
from chalicelib.ports.stack import Stack

from .addresses import is_allowed, named
from .models import Cache
from .service import Caches

T = TypeVar("T")

_LONGEST_BACKOFF_S: Final = 60
# However long an upstream wants to be left alone, it is tried again after that.
_LONGEST_CLOSED_S: Final = 3600
# Docker Hub lets an address pull 100 manifests in six hours: the last ones are for what is not here.
_FEW: Final = 10
_SPENT_S: Final = 600
_MOST_OPEN: Final = 200
# Within a blob that broke off; nobody waits for a manifest.
_LONGEST_PAUSE_S: Final = 5.0


class UpstreamUnusable(Unavailable):
    """The upstream answered something that cannot be served."""


class Moods:
    """Whether a registry may be asked. Any thread may look and tell."""

    def __init__(self, host: str, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_until = 0.0
        self._spent_until = 0.0

    def require_open(self) -> None:
        """Raises Unavailable."""
        left_s = self._closed_until - self._now()
        if left_s > 0:
            raise Unavailable(f"{self._host} does not answer; it is asked again later", retry_after_s=math.ceil(left_s))

    @property
    def spent(self) -> bool:
        return self._spent_until > self._now()

    def answered(self, remaining: int | None) -> None:
        """remaining: how often it may be asked yet, None where it does not say."""
        with self._lock:
            self._failures, self._closed_until = 0, 0.0
            few = remaining is not None and remaining <= _FEW
            self._spent_until = self._now() + _SPENT_S if few else 0.0

    def failed(self, asked_s: int) -> None:
        """asked_s: how long it wants to be left alone."""
        with self._lock:
            own_s = min(2**self._failures, _LONGEST_BACKOFF_S)
            self._failures = min(self._failures + 1, 10)
            self._closed_until = self._now() + min(max(asked_s, own_s), _LONGEST_CLOSED_S)

    def _now(self) -> float:
        return self._clock.now().timestamp()


class Upstream:
    """One registry and login."""

    def __init__(self, registry: RemoteRegistry, moods: Moods) -> None:
        self.moods = moods
        self._registry = registry

    def ask(self, call: Callable[[RemoteRegistry], T]) -> T:
        """Raises what the call raises, and Unavailable without asking while the upstream is left alone."""
        self.moods.require_open()
        try:
            answer = call(self._registry)
        except Unavailable as unavailable:
            self.moods.failed(unavailable.retry_after_s)
            raise
        except Invalid as wrong:
            self._answered()
            raise UpstreamUnusable(wrong.message, retry_after_s=60) from wrong
        except Refused:
            self._answered()
            raise
        self._answered()
        return answer

    def _answered(self) -> None:
        rate = self._registry.rate
        self.moods.answered(None if rate is None else rate.remaining)


class Upstreams:
    """Of one process. Any thread may ask."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._caches = Caches(stack)
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, int, str], Upstream] = OrderedDict()
        self._moods: dict[tuple[str, str], Moods] = {}

    @classmethod
    def of(cls, stack: Stack) -> Upstreams:
        return stack.keep("upstreams", lambda: cls(stack))

    def reach(self, cache: Cache, name: str) -> tuple[Upstream, str]:
        """The upstream, and what the repository is called there. name: inside the namespace.

        Raises Unavailable where the operator does not let it be called any more, or its login can be read no more.
        """
        try:
            reference = named(cache.upstream, name)
        except Invalid as refused:
            raise Unavailable(f"{name} can be no name at {cache.upstream}", retry_after_s=600) from refused
        if not is_allowed(reference.host, self._stack.settings.cache_upstreams):
            raise Unavailable(f"{reference.host} is no registry that this service may pull through", retry_after_s=600)
        key = (cache.namespace_id, cache.version, reference.origin)
        with self._lock:
            found = self._open.get(key)
            if found is None:
                found = self._open[key] = self._opened(cache, reference)
                while len(self._open) > _MOST_OPEN:
                    self._open.popitem(last=False)  # Whoever reads from it still holds it.
            self._open.move_to_end(key)
        return found, reference.repository

    def _opened(self, cache: Cache, reference: RemoteReference) -> Upstream:
        try:
            password = self._caches.password(cache)
        except Conflict as lost:
            raise Unavailable(f"the login at {reference.host} can be read no more", retry_after_s=600) from lost
        login = Login(cache.username, password) if cache.username else None
        calls = outbound(self._stack.settings)
        registry = RemoteRegistry(reference, calls, login=login, pause=_pause)
        known = (reference.origin, cache.username)
        moods = self._moods.setdefault(known, Moods(reference.host, self._stack.clock))
        return Upstream(registry, moods)


@contextmanager
def patience() -> Iterator[None]:
    """Within it, what breaks off is gone on with after a while. Without it whoever asks learns at once that there is no
    answer: who pulls is better served with what is here."""
    token = _PATIENT.set(True)
    try:
        yield
    finally:
        _PATIENT.reset(token)


_PATIENT: Final = ContextVar("_PATIENT", default=False)


def _pause(seconds: float) -> None:
    if not _PATIENT.get():
        raise Unavailable("the upstream does not answer", retry_after_s=math.ceil(seconds))
    time.sleep(min(seconds, _LONGEST_PAUSE_S))
