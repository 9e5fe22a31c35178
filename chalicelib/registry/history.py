"""Where a tag has pointed to, and back again (X2).

    HISTORY#<tag>#<ulid>   one row each time the tag came to another digest; it stays when the tag is deleted

A tag goes back to what is still held: its manifest is live, and something holds it (another tag, an index, an entry of
the recycle bin) or its grace period runs. Going back is a push of what the repository holds already: the same checks,
quotas and event, and one more row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, Invalid, ManifestBlobUnknown, ManifestUnknown, NotFound
from chalicelib.kernel.ids import is_id
from chalicelib.kernel.moment import from_text, to_text
from chalicelib.kernel.names import Digest, TagName
from chalicelib.kernel.paging import Page, every
from chalicelib.ports import keys
from chalicelib.ports.passes import rows_wanted
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item
from chalicelib.repositories.models import Repository

from . import store
from .bodies import Bodies
from .models import Caller, How, TagRecord
from .service import Registry


@dataclass(frozen=True, slots=True)
class Held:
    """Whether a tag can go back to some content. until: it is held until then at least; None: while something needs
    it. reason: why not, "" if it can."""

    possible: bool
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A tag came to a digest. previous: where it pointed before, "" where there was no such tag."""

    digest: Digest
    previous: str
    pushed_at: datetime
    pushed_by: str
    how: How
    current: bool
    held: Held


@dataclass(frozen=True, slots=True)
class MovesAsked:
    """search: only moves to a digest, or by somebody, that holds this text; "" for all."""

    cursor: str | None
    limit: int
    search: str = ""
    oldest_first: bool = False

    @property
    def newest(self) -> bool:
        """Whether it is about the newest moves, whatever they are."""
        return self.cursor is None and not self.search and not self.oldest_first

    def wants(self, row: Item) -> bool:
        return self.search.lower() in f"{row['digest']}\n{row['pushed_by']}".lower()


class Histories:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._bodies = Bodies(stack)
        self._registry = Registry(stack)

    def page(self, instance: Instance, repository: Repository, name: TagName, asked: MovesAsked) -> Page[Move]:
        """One query, one batch of manifests, and for other pages than the newest moves a look at the newest one.
        Raises NotFound if there never was such a tag, Invalid naming `cursor`."""
        page = self._asked(repository.id, name, asked)
        newest_ones = page if asked.newest else self._asked(repository.id, name, MovesAsked(None, 1))
        newest = next(iter(newest_ones.items), None)
        tag = store.tag(self._table, repository.id, name)
        if tag is None and newest is None:
            raise NotFound("there is no such tag")
        wanted = {keys.manifest(repository.id, row["digest"]) for row in page.items}
        manifests = {item["digest"]: item for item in self._table.get_many(list(wanted)).values()}
        moves = []
        for row in page.items:
            is_newest = newest is not None and row["sk"] == newest["sk"]
            current = is_newest and tag is not None and tag.digest == row["digest"]
            held = Held(True) if current else self._held(instance, repository, manifests.get(row["digest"]))
            moves.append(_move(row, held, current=current))
        return Page(tuple(moves), page.next)

    def rollback(self, caller: Caller, repository: Repository, name: TagName, digest: Digest) -> TagRecord:
        """The tag as it is then. Where it points there already nothing is done.

        Raises NotFound if it never pointed there, Conflict if the content is held no more, what a push raises.
        """
        left = self._left(repository.id, name, digest)
        tag = store.tag(self._table, repository.id, name)
        if tag is not None and tag.digest == digest:
            return tag
        held = self._held(caller.instance, repository, self._table.get(keys.manifest(repository.id, digest)))
        if not held.possible:
            raise Conflict(f"tag {name} cannot go back to {digest}: {held.reason}{left}", tag=name, digest=digest)
        try:
            record = store.manifest(self._table, repository.id, digest)
            if record is None:
                raise ManifestUnknown(digest)
            body = self._bodies.of(caller.instance.id, record)
            self._registry.push(caller, repository.name, digest, [name], body, record.media_type, how="rollback")
        except (ManifestUnknown, ManifestBlobUnknown):
            raise Conflict(f"tag {name} cannot go back to {digest}: it went this moment", tag=name) from None
        return self._registry.tag(repository, name)

    def _asked(self, repository_id: str, name: TagName, asked: MovesAsked) -> Page[Item]:
        first, down = keys.history(repository_id, name, ""), not asked.oldest_first
        if asked.search:
            if asked.cursor is not None and not is_id(asked.cursor):
                raise Invalid("cursor", "is not `next` of a page of this list")
            return rows_wanted(self._table, first, asked.wants, asked.cursor, asked.limit, descending=down)
        return self._table.query(first.pk, prefix=first.sk, cursor=asked.cursor, limit=asked.limit, descending=down)

    def _left(self, repository_id: str, name: TagName, digest: Digest) -> str:
        """When the tag left the digest last, as the end of a sentence; "" where it was deleted from there.

        Raises NotFound if it never pointed there.
        """
        newer: Item | None = None
        for row in every(lambda cursor: self._asked(repository_id, name, MovesAsked(cursor, 1000))):
            if row["digest"] == digest:
                return "" if newer is None else f"; the tag left it at {newer['pushed_at']}"
            newer = row
        raise NotFound("there is no such tag" if newer is None else f"tag {name} never pointed to {digest}")

    def _held(self, instance: Instance, repository: Repository, manifest: Item | None) -> Held:
        if manifest is None:
            return Held(False, reason="its grace period is over and its content is gone")
        if manifest["state"] == "binned":
            return Held(False, reason="it was deleted; restore it from the recycle bin")
        if "i1sk" not in manifest:
            return Held(True)  # What nothing holds is due, or will be as soon as the last that holds it goes.
        if manifest["held_until"]:
            # The clocks of the recycle bin stood still while the instance was frozen; now it is not.
            frozen_since = timedelta(seconds=instance.stood_still_s - manifest["held_still_s"])
            until = from_text(manifest["held_until"]) + frozen_since
            if until > self._stack.clock.now():
                return Held(True, until)
        if not manifest["mortal"] or self._something_holds(repository.id, manifest["digest"]):
            return Held(True)
        since = f" since {to_text(until)}" if manifest["held_until"] else ""
        return Held(False, reason=f"nothing has held its content{since}")

    def _something_holds(self, repository_id: str, digest: str) -> bool:
        """Asked only between the end of a grace period and the sweep."""
        partition = keys.repository_partition(repository_id)
        return bool(self._table.query(partition, prefix=keys.hold_prefix(digest), limit=1).items)


def _move(row: Item, held: Held, *, current: bool) -> Move:
    """Rows from before there was a `how` are pushes."""
    return Move(
        digest=Digest(row["digest"]),
        previous=row["previous"],
        pushed_at=from_text(row["pushed_at"]),
        pushed_by=row["pushed_by"],
        how=row.get("how", "push"),
        current=current,
        held=held,
    )
