"""Schedules of audit."""

from __future__ import annotations

from chalicelib.ports.stack import Stack

from .sealing import Sealer


def seal(stack: Stack) -> None:
    """Seals every minute that is due."""
    Sealer(stack).run()
