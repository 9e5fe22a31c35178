"""Work that is due: what pushes, uploads and deletions leave for later, or left undone because something died.

Each kind of due row has one step here. A row that an index read shows is a hint: the step reads the row itself again,
does its work behind a condition, and takes the row off the list last, so that it may run twice, late, or in two places.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound, UploadUnknown
from chalicelib.kernel.moment import from_text, to_text
from chalicelib.kernel.origin import following
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Item, Key, Table, Update, equals

from . import store
from .blobs import Blobs
from .burial import Burial
from .intents import Intents
from .manifests import Manifests
from .models import BinEntry, ManifestRecord, UploadRecord
from .namespace_retirement import NamespaceRetirement
from .outbox import Outbox
from .repository_retirement import RepositoryRetirement
from .restoration import Restoration
from .revival import Revival
from .uploads import Uploads

# In this order, so that what one step leaves behind is met by a later one in the same round.
KINDS: Final = ("intent", "upload", "lease", "bin", "purge", "manifest", "release", "tombstone", "outbox")
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT_WIDTH: Final = 27


class Upkeep:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table: Table = stack.table
        self._instances = Instances(stack)
        self._blobs = Blobs(stack)
        self._intents = Intents(stack)
        self._burial = Burial(stack)
        self._repositories = RepositoryRetirement(stack)
        self._namespaces = NamespaceRetirement(stack)
        self._uploads = Uploads(stack)
        self._outbox = Outbox(stack)
        self._manifests = Manifests(stack)
        self._restoration = Restoration(stack)
        self._revival = Revival(stack)
        self._steps: dict[str, Callable[[Item], None]] = {
            "intent": self._intent,
            "upload": self._upload,
            "lease": self._lease,
            "bin": self._bin,
            "purge": self._purge,
            "manifest": self._manifest,
            "release": self._release,
            "tombstone": self._tombstone,
            "outbox": self._push,
        }

    def due(self, partition: str, limit: int) -> list[Item]:
        """Rows of one shard that are due by now, most overdue first."""
        until = f"{to_text(self._stack.clock.now())}~"
        return list(self._table.query(partition, index="i1", until=until, limit=limit).items)

    def do(self, kind: str, hint: Item) -> None:
        """One due row's step. The row may be gone, moved or done already."""
        key = Key(hint["pk"], hint["sk"])
        row = self._table.get(key)
        if row is None or row.get("i1sk", "~") > f"{to_text(self._stack.clock.now())}~":
            return
        with following(row.get("origin") or row.get("request_id") or ""):
            self._steps[kind](row)

    def end_upload(self, hint: Item) -> None:
        """A session ends before it is due: the objects are not any more what it left."""
        row = self._table.get(Key(hint["pk"], hint["sk"]))
        if row is not None:
            self._upload(row)

    def _intent(self, row: Item) -> None:
        self._intents.abandon(row["incarnation"])

    def _upload(self, row: Item) -> None:
        try:
            self._uploads.cancel(UploadRecord.model_validate(row))
        except UploadUnknown:
            return

    def _lease(self, row: Item) -> None:
        self._burial.end_lease(row)

    def _bin(self, row: Item) -> None:
        entry = BinEntry.model_validate(row)
        # One that ends was freed before its time, and not all at once.
        if entry.ends or not self._put_off(row, entry.instance_id, from_text(entry.expires_at), entry.stood_still_s):
            self._expire(entry)

    def _expire(self, entry: BinEntry) -> None:
        if entry.kind == "repository":
            self._repositories.expire(entry)
        elif entry.kind == "namespace":
            self._namespaces.expire(entry)
        else:
            self._burial.expire(entry)

    def _purge(self, row: Item) -> None:
        self._repositories.purge(row)

    def _manifest(self, row: Item) -> None:
        manifest = ManifestRecord.model_validate(row)
        instance = self._instance_of(manifest.repository_id)
        held_until = from_text(manifest.held_until) if manifest.held_until else _LONG_AGO
        if self._put_off(row, instance, held_until, manifest.held_still_s):
            return
        self._burial.settle(instance, manifest.repository_id, manifest.digest)

    def _release(self, row: Item) -> None:
        self._burial.release(row["instance_id"], row["incarnation"])

    def _tombstone(self, row: Item) -> None:
        self._blobs.erase(row)

    def _push(self, row: Item) -> None:
        """The event was not handled in time: what it tells of is made whole, then it is made again."""
        held = store.manifest(self._table, row["repository_id"], row["digest"])
        if held is not None and held.state == "live":
            self._manifests.relink(row["instance_id"], held)
            if row.get("restored"):
                self._revival.revive_children(row["instance_id"], held)
            self._bring_companions(row)
        self._outbox.announce_again(row, self._stack.clock.now())

    def _bring_companions(self, row: Item) -> None:
        """Of tags that were restored: whoever did that may have died in between."""
        instance_id = row["instance_id"]
        entries = self._table.get_many([keys.bin_entry(instance_id, each) for each in row.get("following") or ()])
        if entries:
            instance, sparse = self._instances.load(instance_id), not row.get("restored")
            for entry in entries.values():
                self._restoration.follow(instance, BinEntry.model_validate(entry), row["pushed_by"], sparse)

    def _put_off(self, row: Item, instance_id: str, moment: datetime, stood_still_s: int) -> bool:
        """Whether the row waits, because the clocks of a frozen instance's recycle bin stand still (I6)."""
        ends_at = self._instances.grace_ends(instance_id, moment, stood_still_s)
        if ends_at <= self._stack.clock.now():
            return False
        later = to_text(ends_at) + row["i1sk"][_MOMENT_WIDTH:]
        as_seen = equals("i1sk", row["i1sk"])
        try:
            self._table.update(Update(Key(row["pk"], row["sk"]), set={"i1sk": later}, when=as_seen), relaxed=True)
        except ConditionFailed:
            return True
        return True

    def _instance_of(self, repository: str) -> str:
        row: Any = self._table.get(keys.repository_by_id(repository))
        if row is None:
            raise NotFound("the repository of a manifest is gone", repository=repository)
        return str(row["instance_id"])
