"""The event of a push: committed with it, announced after it, repaired if the announcement was lost."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.kernel.messages import ImagePushed
from chalicelib.kernel.moment import from_text, to_text
from chalicelib.ports import keys, paths
from chalicelib.ports.objects import ObjectExists
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    ConditionFailed,
    Delete,
    Item,
    TransactionCancelled,
    Update,
    Write,
    absent,
    all_of,
    equals,
    present,
)
from chalicelib.repositories.models import Repository

# The event of a committed push is made again after this long, if nobody has handled it (DESIGN: within 60 s).
PATIENCE: Final = timedelta(seconds=45)


class Outbox:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def announce(self, instance: Instance, repository: Repository, incarnation: str) -> None:
        """Writes the push object, whose creation is the event. It may get lost: the outbox row stands until handled."""
        key = paths.push(instance.id, repository.id, incarnation)
        try:
            self._stack.objects(instance.bucket).put(key, b"", relaxed=True)
        except ObjectExists:
            return

    def row(self, incarnation: str) -> Item | None:
        """What is to be told of a push; None if it was handled already."""
        return self._stack.table.get(keys.outbox(incarnation))

    def message(self, row: Item) -> ImagePushed:
        """Its id is the push's own, so that it is known again however often it is told."""
        return ImagePushed(
            id=row["incarnation"],
            instance_id=row["instance_id"],
            bucket=row["bucket"],
            repository_id=row["repository_id"],
            repository=row["repository"],
            digest=row["digest"],
            incarnation=row["incarnation"],
            tags=tuple(row["tags"]),
            pushed_at=from_text(row["pushed_at"]),
            pushed_by=row["pushed_by"],
            how=row.get("how", "push"),
            request_id=row.get("request_id", ""),
            source_ip=row.get("source_ip", ""),
            caused_by=(origin := row.get("origin") or row.get("request_id", "")),
            origin=origin,
        )

    def claim_entry(self, incarnation: str, seen: str, wanted: str) -> str:
        """The id under which a push that is told late stands in the audit record: the one wanted if the one seen was
        agreed on till then, "" if the push was handled meanwhile."""
        as_seen = equals("audit_entry", seen) if seen else absent("audit_entry")
        change = Update(keys.outbox(incarnation), set={"audit_entry": wanted}, when=all_of(present(), as_seen))
        try:
            self._stack.table.update(change)
        except ConditionFailed as failed:
            return "" if failed.item is None else str(failed.item["audit_entry"])
        return wanted

    def settle(self, incarnation: str, once: Sequence[Write] = ()) -> None:
        """Nobody needs to be told of the push again.

        once   written in the same transaction: so once, however many settle the push, and however often
        """
        with contextlib.suppress(TransactionCancelled):
            self._stack.table.transact([Delete(keys.outbox(incarnation), when=present()), *once], relaxed=True)

    def announce_again(self, row: Item, moment: datetime) -> None:
        """Makes the event once more, and looks again later if that is lost too."""
        objects = self._stack.objects(row["bucket"])
        key = paths.push(row["instance_id"], row["repository_id"], row["incarnation"])
        objects.delete(key)
        with contextlib.suppress(ObjectExists):  # Another sweeper has just made it.
            objects.put(key, b"", relaxed=True)
        due = keys.due("outbox", to_text(moment + PATIENCE), row["incarnation"])
        try:
            self._stack.table.update(Update(keys.outbox(row["incarnation"]), set=due, when=present()), relaxed=True)
        except ConditionFailed:
            # Settled meanwhile: nobody would look for the object.
            objects.delete(key)
