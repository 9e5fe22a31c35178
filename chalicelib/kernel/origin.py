"""Whose request whatever happens now follows from. It travels with threads, messages and rows; nobody passes it on.

    request ─► following(its id) ─► tasks, deliveries, messages made meanwhile carry it ─► queue or row
    queue, row ─► following(what it carries) ─► …                                        └─► log lines

It lives in a ContextVar: each request is a task of the event loop, each message a call in a thread, and both have a
context of their own, which runners copy into the threads they use (`ports.stack.Runner`).
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, NamedTuple


class Origin(NamedTuple):
    """
    request_id   of the client's request that all of it follows from; "" for what nobody asked for: schedules, sweeps
    cause        id of what is carried out just now: a message's, or the request's own
    """

    request_id: str = ""
    cause: str = ""


NOBODY: Final = Origin()
# A request that nothing was asked about yet is only its id: most are answered without anybody asking.
_current: ContextVar[Origin | bytes] = ContextVar("origin", default=NOBODY)
# Where an exception keeps whose it was while it travels out of the block.
_MARK: Final = "crs_origin"


def current() -> Origin:
    held = _current.get()
    if isinstance(held, bytes):
        request = held.decode()
        return Origin(request, request)
    return held


def request_id() -> str:
    return current().request_id


def cause() -> str:
    return current().cause


def begin(request: bytes) -> None:
    """For the task of an event loop that answers one request, and ends with it."""
    _current.set(request)


class following:
    """What is done inside follows from this request. cause: what is carried out; without one, as around it.

    An exception that leaves remembers whose it was: who logs it further out finds it by `origin_of`.
    """

    __slots__ = ("_before", "_origin")
    _before: Token[Origin | bytes]

    def __init__(self, request: str, cause: str | None = None) -> None:
        self._origin = Origin(request, current().cause if cause is None else cause)

    def __enter__(self) -> None:
        self._before = _current.set(self._origin)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        _current.reset(self._before)
        if error is not None and not hasattr(error, _MARK):
            with suppress(AttributeError):  # One that takes no attributes is logged without.
                setattr(error, _MARK, self._origin)


def origin_of(error: BaseException | None) -> Origin:
    """What was carried out where it was raised, as far as it left a `following` block."""
    found: Origin = getattr(error, _MARK, NOBODY)
    return found
