"""The door of the room: `Copier`, the two kinds of ends, in whose name they are reached, and how fast."""

from __future__ import annotations

from .callers import CACHE, MIGRATION, SYNC, bringer, reader
from .copier import Copier
from .local import LocalRepository
from .models import Effort, Interrupted, Outcome, Progress
from .pace import Pace
from .remote import RemoteRepository

__all__ = [
    "CACHE",
    "MIGRATION",
    "SYNC",
    "Copier",
    "Effort",
    "Interrupted",
    "LocalRepository",
    "Outcome",
    "Pace",
    "Progress",
    "RemoteRepository",
    "bringer",
    "reader",
]
