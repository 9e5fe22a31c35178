"""The door of the room: writing entries. One plain put each; no request waits for another's."""

from __future__ import annotations

from chalicelib.ports import keys
from chalicelib.ports.stack import Stack

from .models import Entry


class Audit:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def record(self, entry: Entry) -> None:
        """Durable when it returns. Raises Unavailable: whoever cannot say what was done must not claim it was."""
        self._stack.audit.put({**keys.audit_entry(entry.scope, entry.id)._asdict(), **entry.model_dump()})
