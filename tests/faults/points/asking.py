"""An operation, as a campaign asks for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from chalicelib.kernel.errors import Refused

from .scenes import Scene

Group = Literal["push", "delete", "retention", "restore", "collection", "events"]


@dataclass(frozen=True)
class Asking:
    """
    ask         asks once, on the ports of the scene it is given; what it needs to know it was told when it was made
    done        asked again, it may be refused so: the first time did it
    refused     it is always refused so, and nothing moves
    background  nobody waits for an answer: what comes of a fault is put right without anybody asking again
    varying     lines of the picture that begin so depend on where it was interrupted
    settled     afterwards, of whatever was acknowledged: what is wrong with it
    """

    ask: Callable[[Scene], object]
    done: tuple[type[Refused], ...] = ()
    refused: type[Refused] | None = None
    background: bool = False
    varying: tuple[str, ...] = ()
    settled: Callable[[Scene], list[str]] = lambda scene: []


@dataclass(frozen=True)
class Operation:
    """prepare: adds to a furnished scene what it takes, chooses by the seed, and answers what is asked for."""

    group: Group
    prepare: Callable[[Scene, random.Random], Asking]
