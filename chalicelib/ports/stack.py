"""One set of ports, opened by configuration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ParamSpec, Protocol, Self, TypeVar, cast

from chalicelib.kernel.moment import Clock, SystemClock
from chalicelib.kernel.settings import Settings

from .memory import EpochCache
from .objects import Objects
from .ownership import Ownership
from .queues import Queues
from .table import Table

P = ParamSpec("P")
T = TypeVar("T")


class Runner(Protocol):
    """Calls a blocking function from the event loop."""

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]: ...


@dataclass(frozen=True)
class Stack:
    """Everything a room needs of the world.

    objects   bucket name → its objects
    ownership whose a bucket is, as the store itself knows it
    read      runs short reads: in line where the table answers in process, else in a thread
    write     runs what waits for a disk or a network: in a thread
    secrets   what the deployment keeps secret, by the names of `Settings`; read with the first call, which may raise
              Unavailable
    memory    what this process remembers of the table, forgotten as the table's epoch changes
    exact     the epoch shows every write of every process at once, so that also what moves may be remembered
    """

    settings: Settings
    table: Table
    audit: Table
    objects: Callable[[str], Objects]
    ownership: Ownership
    queues: Queues
    read: Runner
    write: Runner
    close: Callable[[], None]
    exact: bool
    secrets: Callable[[], Mapping[str, str]] = dict
    clock: Clock = field(default_factory=SystemClock)
    memory: EpochCache = field(init=False)
    _kept: dict[str, Any] = field(init=False, default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", EpochCache(self.table))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def keep(self, name: str, make: Callable[[], T]) -> T:
        """What a room makes once a process (parsed keys, verified tokens). Outlives every epoch, unlike memory."""
        held = self._kept.get(name)
        if held is None:
            held = self._kept.setdefault(name, make())
        return cast(T, held)


def open_stack(settings: Settings, clock: Clock | None = None) -> Stack:
    """The stack that `settings.stack` names. Adapters are imported here alone, so that neither loads the other's."""
    if settings.stack == "aws":
        from .aws.stack import open_aws_stack

        return open_aws_stack(settings, clock or SystemClock())
    from .embedded.stack import open_embedded_stack

    return open_embedded_stack(settings, clock or SystemClock())
