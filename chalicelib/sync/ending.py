"""What the audit record says of a task's end."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Final

from chalicelib.audit.models import SUCCEEDED, Deed
from chalicelib.audit.service import Audit
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.ids import LEAST_TAIL
from chalicelib.kernel.moment import to_text
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Task

from . import store

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def tell_ended(stack: Stack, task: Task) -> None:
    """Safe to repeat. One that was retried ends more than once, and is told of each time."""
    try:
        instance = Instances(stack).load(task.instance_id)
    except NotFound:
        return
    ended = task.finished_at
    if instance.edition != "enterprise" or ended is None:
        return
    about = f"{task.id}#{to_text(ended)}"
    hashed = blake2b(about.encode(), digest_size=len(LEAST_TAIL)).digest()

    def claim(seen: str, wanted: str) -> str:
        return store.claim_entry(stack.table, instance.id, about, seen, wanted, stack.clock.now())

    tail = "".join(_ALPHABET[byte % 32] for byte in hashed)
    Audit(stack).file(instance.id, _deed(task, ended), tail, claim)


def _deed(task: Task, ended: datetime) -> Deed:
    subject, counts = task.subject, ", ".join(f"{count} {verdict}" for verdict, count in sorted(task.counts.items()))
    what = subject.get("tag") or subject.get("digest", "")
    said = f"{what} to {subject['target_namespace']}: {counts or 'nothing'}" if what else counts or "nothing"
    return Deed(
        time=ended,
        user=task.created_by,
        object_type="sync_task",
        namespace=subject["namespace"],
        repository=subject.get("repository", ""),
        object=f"{said}: {task.error}" if task.error else said,
        action="finish",
        result=SUCCEEDED if task.state == "succeeded" else task.state,
    )
