"""What every part of the protocol works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.ports.stack import Stack

from .callers import Callers

if TYPE_CHECKING:
    from .service import Registry


@dataclass(frozen=True, slots=True)
class Wire:
    stack: Stack
    registry: Registry
    callers: Callers
