"""The recycle bin in the management API (X1). What goes into it: `registry/deletions_api.py`."""

from __future__ import annotations

from chalicelib.edge.answers import Accepted, Confirmation, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.errors import ConfirmationRequired
from chalicelib.kernel.roles import Right
from chalicelib.registry.models import BinEntry
from chalicelib.tasks.models import Task, TaskView

from .models import EntryLosses, EntryQuery, EntryView, RestoredView, RestoreOrder
from .service import RecycleBin

routes = Routes("recycling")

_BIN = "/instances/{instance}/recycle-bin"


@routes.get(_BIN, needs=Right.READ_CONTENT)
def list_recycle_bin(call: Call, query: EntryQuery) -> Listing[EntryView]:
    """List what was deleted and can be restored.

    With kind or search a page may be short though more follow: go on while `next` is given.
    """
    return Listing.of(_bin(call).page(query))


@routes.get(f"{_BIN}/{{entry}}", needs=Right.READ_CONTENT)
def show_recycle_bin_entry(call: Call) -> EntryView:
    """Show one entry of the recycle bin: what it was, until when it can be restored, and whether it can be now."""
    recycle_bin = _bin(call)
    return recycle_bin.views([recycle_bin.get(call.parts["entry"])])[0]


@routes.post(f"{_BIN}/{{entry}}/restore", needs=Right.CHANGE_CONTENT, changes="recycle_bin.restore", status=200)
def restore_recycle_bin_entry(call: Call, body: RestoreOrder) -> RestoredView | Accepted[TaskView]:
    """Restore what was deleted, whole.

    A tag, or a manifest with its tags, counts as pushed now; accelerated versions come back along, and alone only
    beside the version that they were made of. A repository comes back with its tags, visibility, shares and history,
    and takes its place in the quota again. A namespace comes back by a task, with its rules, and answers like missing
    until it is whole. 409 where the name is taken (`context.free_name` is one that is free), or belongs to an
    accelerated version (TAG_RESERVED).
    """
    recycle_bin = _bin(call)
    entry = _told(call, recycle_bin)
    done = recycle_bin.restore(entry, body, call.by)
    if isinstance(done, Task):
        return Accepted(TaskView.of(done), f"/instances/{entry.instance_id}/tasks/{done.id}")
    return done


@routes.get(f"{_BIN}/{{entry}}/losses", needs=Right.CHANGE_CONTENT)
def show_recycle_bin_entry_losses(call: Call) -> EntryLosses:
    """Show what would be lost with an entry of the recycle bin, if it were freed before its time."""
    recycle_bin = _bin(call)
    _, counted = recycle_bin.loss(recycle_bin.get(call.parts["entry"]))
    return EntryLosses.model_validate(counted)


@routes.delete(f"{_BIN}/{{entry}}", needs=Right.CHANGE_CONTENT, changes="recycle_bin.delete", also=(409,))
def delete_recycle_bin_entry(call: Call, query: Confirmation) -> None:
    """Free an entry of the recycle bin before its time, for good.

    Asks for the entry's name as confirmation and says what would be lost. Content that something else needs stays; the
    bytes of the rest are freed in the background, a day later. Accelerated versions of what it holds are freed along.
    """
    recycle_bin = _bin(call)
    entry = _told(call, recycle_bin)
    if query.confirm != entry.name:
        words, counted = recycle_bin.loss(entry)
        raise ConfirmationRequired(f"this deletes {words} for good; confirm with ?confirm={entry.name}", **counted)
    recycle_bin.free(entry)


def _bin(call: Call) -> RecycleBin:
    return RecycleBin(call.stack, instance_of(call))


def _told(call: Call, recycle_bin: RecycleBin) -> BinEntry:
    """What {entry} in the path means, told to the audit record. Raises NotFound."""
    entry = recycle_bin.get(call.parts["entry"])
    where = entry.repository or entry.name
    call.tell(namespace=where.partition("/")[0], repository=entry.repository, object=f"{entry.kind} {entry.name}")
    return entry
