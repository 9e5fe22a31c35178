"""What the audit record says of runs: that a schedule began one, and what became of any. Each once, however often a
step is done. Runs that people begin are recorded by the API."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Final

from chalicelib.audit.models import SUCCEEDED, Deed
from chalicelib.audit.service import Audit
from chalicelib.kernel.ids import tail_of
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Task

from . import store
from .models import Run

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class RunEntries:
    def __init__(self, stack: Stack, run: Run, task: Task) -> None:
        self._stack = stack
        self._run = run
        self._task = task

    def tell_beginning(self) -> None:
        """Of a run that nobody's request began."""
        if self._run.trigger == "schedule":
            self._file("beginning", self._run.created_at, "run", f"run {self._run.task_id}")

    def tell_end(self, moment: datetime) -> None:
        self._file("end", moment, "finish", self._said(""))

    def tell_stopped(self, moment: datetime) -> None:
        """It failed or was cancelled then. That may happen to it more than once."""
        about = f"end_{int(moment.timestamp() * 1000)}"
        self._file(about, moment, "finish", self._said(f", {self._task.state}"), self._task.state)

    def _said(self, how: str) -> str:
        counts = ", ".join(f"{self._task.counts.get(name, 0)} {name}" for name in ("deleted", "kept", "skipped"))
        dry = " (dry run)" if self._run.dry_run else ""
        return f"run {self._run.task_id}{dry}{how}: {counts}, {self._task.bytes} bytes"

    def _file(self, about: str, moment: datetime, action: str, said: str, result: str = SUCCEEDED) -> None:
        deed = Deed(
            time=moment,
            user=self._run.created_by,
            object_type="retention",
            namespace=self._task.subject["namespace"],
            object=said,
            action=action,
            result=result,
        )
        # The task's own end is the tail of no other entry; the others' are hashes of it.
        tail = tail_of(self._task.id) if about == "beginning" else _another(tail_of(self._task.id), about)
        table, run = self._stack.table, self._run
        Audit(self._stack).file(
            run.instance_id, deed, tail, lambda seen, wanted: store.claim_entry(table, run, about, seen, wanted)
        )


def _another(tail: str, about: str) -> str:
    hashed = blake2b(f"{tail}{about}".encode(), digest_size=len(tail)).digest()
    return "".join(_ALPHABET[byte % 32] for byte in hashed)
