"""What an operation asks of its ports, counted call by call.

    calls = Calls()
    stack = counted(stack, calls)           the same ports, through which every call is counted
    with calls.counting() as made:
        …                                   made == {"table.get": 1, "table.get_many": 1}

A call is what a room asks of a port. On AWS each is one request, but for batches of more than 100 keys or 25 items.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final, cast

from chalicelib.ports.objects import Objects
from chalicelib.ports.queues import Queues
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Table

# Neither leaves the process.
_FREE: Final = frozenset({"epoch", "close", "presign"})
# More keys or items than one request of DynamoDB takes would make a call several.
_MOST_KEYS: Final = 100
_MOST_ITEMS: Final = 25


class Calls:
    """Any thread may call."""

    def __init__(self) -> None:
        self._made: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """What is called within, complete at its end."""
        made: Counter[str] = Counter()
        with self._lock:
            before = self._made.copy()
        yield made
        with self._lock:
            made.update(self._made - before)

    def call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            self._made[name] += _requests(name, *args)
        return function(*args, **kwargs)


def _requests(name: str, first: Any = (), *_: Any) -> int:
    if name.endswith(".get_many"):
        return -(-len(set(first)) // _MOST_KEYS)
    if name.endswith(".put_many"):
        return -(-len(first) // _MOST_ITEMS)
    return 1


class _Counted:
    def __init__(self, port: object, name: str, calls: Calls) -> None:
        self._port = port
        self._name = name
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if name in _FREE or not callable(attribute):
            return attribute
        return partial(self._calls.call, f"{self._name}.{name}", attribute)


def counted(stack: Stack, calls: Calls) -> Stack:
    """The same stack with its ports counted. Its memory is fresh."""
    return replace(
        stack,
        table=cast(Table, _Counted(stack.table, "table", calls)),
        audit=cast(Table, _Counted(stack.audit, "audit", calls)),
        objects=lambda bucket: cast(Objects, _Counted(stack.objects(bucket), "objects", calls)),
        queues=cast(Queues, _Counted(stack.queues, "queues", calls)),
    )


def told(made: Counter[str]) -> str:
    """`table.get 1, table.get_many 1`; "nothing"."""
    return ", ".join(f"{name} {made[name]}" for name in sorted(made) if made[name]) or "nothing"
