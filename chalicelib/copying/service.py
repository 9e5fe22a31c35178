"""The door of the room: `Copier`, ends of this service, in whose name they are reached, and how fast.

Ends elsewhere, which take an HTTP client to be loaded, are in `remote`.
"""

from __future__ import annotations

from .callers import CACHE, MIGRATION, SYNC, bringer, reader
from .copier import Copier
from .local import LocalRepository
from .models import Effort, Interrupted, Outcome, Progress
from .pace import Pace

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
    "bringer",
    "reader",
]
