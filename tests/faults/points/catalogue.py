"""Every operation that a campaign asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from . import accelerating, deleting, pushing, restoring, retaining, ruling, syncing, taking, telling
from .asking import Operation

OPERATIONS: Final[Mapping[str, Operation]] = {
    **pushing.OPERATIONS,
    **ruling.OPERATIONS,
    **deleting.OPERATIONS,
    **restoring.OPERATIONS,
    **retaining.OPERATIONS,
    **telling.OPERATIONS,
    **accelerating.OPERATIONS,
    **syncing.OPERATIONS,
    **taking.OPERATIONS,
}
