"""What is left of an instance that is being deleted, and how each kind of it goes.

    due           pushes, uploads, leases, tombstones under way: found among all that is due, as nothing else names them
    repositories  live, then binned: manifests and links lead to the blobs' rows, the id goes after them, the name last
    sync rules    each with what namespaces are to it, which no other rule's may be
    scans         what they came to, and documents about it; conversions, which lead to nothing
    objects       all under `<instance>/`, with the rows that their keys name
    webhooks      deliveries first, as only the webhook leads to them
    rest          series, throttles, tasks, credentials, allowlist, namespaces, each after the rules that hang on its id

Whatever leads to something else goes after it, so that a crash leaves nothing that cannot be found. Nothing is asked
whether it is still needed: nobody may use the instance any more, and generations and incarnations are never used twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.ports import acceleration_keys, cache_keys, keys, migration_keys, paths, scan_keys, sync_keys
from chalicelib.ports.objects import ObjectInfo
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Delete, Item, Key, Table
from chalicelib.registry.service import KINDS
from chalicelib.tasks.service import Tasks

# Rows that one look takes away: well within a function's time.
ROWS_A_LOOK: Final = 100
# Rows of other instances that one look passes by.
ROWS_PASSED: Final = 1000
# Times that one look takes rows of one repository away.
WIPES_A_LOOK: Final = 20
_DELETES_AT_ONCE: Final = 50
# They go with the instance itself.
_LAST: Final = ("COUNT", "INSTANCE", "USAGE#")

# (how many things went, where to go on; "" for the beginning, None: nothing of this kind is left)
Look = tuple[int, str | None]


class Remains:
    def __init__(self, stack: Stack, instance: Instance, task_id: str) -> None:
        self._stack = stack
        self._table: Table = stack.table
        self._instance = instance
        self._objects = stack.objects(instance.bucket)
        self._task_id = task_id
        self._emptied: set[str] = set()
        self.phases: Final[Sequence[Callable[[str], Look]]] = (
            self._due,
            self._repositories,
            self._bin,
            self._webhooks,
            self._sync_rules,
            self._scans,
            self._conversions,
            self._migrations,
            self._caches,
            self._stored,
            self._series,
            self._throttles,
            self._tasks,
            self._settings,
        )

    # Due work

    def _due(self, cursor: str) -> Look:
        """One page of one shard. The cursor names the shard, and the place in it."""
        shards = [(kind, shard) for kind in KINDS for shard in keys.due_partitions(kind)]
        number, _, place = cursor.partition("|")
        kind, shard = shards[int(number or 0)]
        page = self._table.query(shard, index="i1", cursor=place or None, limit=ROWS_PASSED)
        ours = [row for row in page.items if row.get("instance_id") == self._instance.id]
        for row in ours:
            self._end(kind, row)
        if page.next is not None:
            return len(ours), f"{number or 0}|{page.next}"
        following = int(number or 0) + 1
        return len(ours), f"{following}|" if following < len(shards) else None

    def _end(self, kind: str, row: Item) -> None:
        key = Key(row["pk"], row["sk"])
        if kind in ("bin", "manifest"):
            return  # Their own phases reach them.
        if kind == "purge":
            repository = row["pk"].removeprefix(keys.repository_partition(""))
            for _ in range(WIPES_A_LOOK):
                if not self._wipe(repository):
                    return
            return
        if kind == "upload" and row["multipart"]:
            self._objects.abort(paths.blob(self._instance.id, row["id"]), row["multipart"])
        if kind == "tombstone":
            self._objects.delete(row["object"])
            self._delete([keys.upload(row["generation"])])
        self._empty(_digests(row))
        self._delete([key])

    # Repositories

    def _repositories(self, cursor: str) -> Look:
        prefix = keys.repository(self._instance.id, "").sk
        rows = self._table.query(keys.instance_partition(self._instance.id), prefix=prefix, limit=1).items
        return self._wiped(rows)

    def _bin(self, cursor: str) -> Look:
        return self._wiped(self._table.query(keys.bin_partition(self._instance.id), limit=1).items)

    def _wiped(self, rows: Sequence[Item]) -> Look:
        """A name or a bin entry goes once nothing is left of the repository it leads to."""
        for row in rows:
            in_bin = row["pk"] == keys.bin_partition(self._instance.id)
            repository = str(row["repository_id"] if in_bin else row["id"])
            # Of other entries the repository stands where it stood.
            leads_there = not in_bin or row["kind"] == "repository"
            wiped = self._wipe(repository) if leads_there else 0
            if in_bin and row["kind"] == "namespace":
                wiped = self._drop(keys.policies_partition(row["record"]["id"]))
            if wiped:
                return wiped, ""
            self._delete([Key(row["pk"], row["sk"])])
        return len(rows), "" if rows else None

    def _wipe(self, repository: str) -> int:
        """Takes some rows under a repository's id away, at last the id. How many; 0: nothing was left."""
        rows = self._table.query(keys.repository_partition(repository), limit=ROWS_A_LOOK).items
        others = [row for row in rows if row["sk"] != keys.repository_by_id(repository).sk]
        for row in others:
            self._empty(_digests(row))
        guests = [
            keys.shared_with(row["account"], row["username"], row["id"])
            for row in others
            if row["sk"].startswith(keys.share(repository, "").sk)
        ]
        self._delete(guests)
        # The id alone is left: it goes last.
        gone = [Key(row["pk"], row["sk"]) for row in others or rows]
        self._delete(gone)
        return len(gone)

    def _empty(self, digests: Iterable[str]) -> None:
        """HEAD and edges of blobs."""
        for digest in digests:
            if digest in self._emptied:
                continue
            while rows := self._table.query(keys.blob_partition(self._instance.id, digest), limit=1000).items:
                self._delete([Key(row["pk"], row["sk"]) for row in rows])
            self._emptied.add(digest)

    # Objects

    def _stored(self, cursor: str) -> Look:
        found = self._objects.list(paths.of_instance(self._instance.id), limit=ROWS_A_LOOK).items
        for stored in found:
            self._forget(stored)
            self._objects.delete(stored.key)
        return len(found), "" if found else None

    def _forget(self, stored: ObjectInfo) -> None:
        """The rows that an object's key leads to."""
        if paths.is_push(stored.key):
            self._delete([keys.outbox(paths.incarnation_of(stored.key))])
            return
        if paths.is_of_scans(stored.key):
            return
        upload = paths.upload_of(stored.key)
        row = self._table.get(keys.upload(upload))
        if row is not None and row["digest"]:
            self._empty([row["digest"]])
        self._delete([keys.upload(upload), keys.tombstone(upload)])

    # The rest

    def _webhooks(self, cursor: str) -> Look:
        rows = self._table.query(keys.webhooks_partition(self._instance.id), limit=1).items
        for row in rows:
            dropped = self._drop(keys.deliveries_partition(row["id"]))
            if dropped:
                return dropped, ""
            self._delete([Key(row["pk"], row["sk"])])
        return len(rows), "" if rows else None

    def _sync_rules(self, cursor: str) -> Look:
        """All rules of which the instance is the source go: nobody else's are in their claims."""
        rows = self._table.query(sync_keys.rules_partition(self._instance.id), limit=ROWS_A_LOOK).items
        for row in rows:
            gone = [Key(row["pk"], row["sk"])]
            if row["sk"].startswith(sync_keys.rule("", "").sk):
                account = row["account_id"]
                # With the rule, by one transaction: alone, a claim could be somebody else's when this is repeated.
                gone.append(sync_keys.claim(account, row["instance_id"], row["source_namespace"]))
                gone.append(sync_keys.claim(account, row["place"], row["target_namespace"]))
            self._delete(gone)
        return len(rows), "" if rows else None

    def _scans(self, cursor: str) -> Look:
        return self._all_of(scan_keys.scans_partition(self._instance.id))

    def _conversions(self, cursor: str) -> Look:
        return self._all_of(acceleration_keys.conversions_partition(self._instance.id))

    def _caches(self, cursor: str) -> Look:
        return self._all_of(cache_keys.caches_partition(self._instance.id))

    def _migrations(self, cursor: str) -> Look:
        return self._all_of(migration_keys.partition(self._instance.id))

    def _series(self, cursor: str) -> Look:
        return self._all_of(keys.series_partition(self._instance.id))

    def _throttles(self, cursor: str) -> Look:
        return self._all_of(keys.throttle(self._instance.id, "").pk)

    def _tasks(self, cursor: str) -> Look:
        more = Tasks(self._stack).remove(self._instance.id, ROWS_A_LOOK, keep=self._task_id)
        return (1, "") if more else (0, None)

    def _settings(self, cursor: str) -> Look:
        rows = self._table.query(keys.instance_partition(self._instance.id), limit=ROWS_A_LOOK).items
        namespaces = [row for row in rows if row["sk"].startswith(keys.namespace(self._instance.id, "").sk)]
        if dropped := sum(self._drop(keys.policies_partition(row["id"])) for row in namespaces):
            return dropped, ""
        gone = [Key(row["pk"], row["sk"]) for row in rows if not row["sk"].startswith(_LAST)]
        self._delete(gone)
        return len(gone), "" if gone else None

    def _all_of(self, partition: str) -> Look:
        gone = self._drop(partition)
        return gone, "" if gone else None

    def _drop(self, partition: str) -> int:
        """Some rows of the partition go. How many; 0: nothing was left."""
        rows = self._table.query(partition, limit=ROWS_A_LOOK).items
        self._delete([Key(row["pk"], row["sk"]) for row in rows])
        return len(rows)

    def _delete(self, gone: Sequence[Key]) -> None:
        unique = list(dict.fromkeys(gone))
        if len(unique) == 1:
            # Half the price of a transaction.
            self._table.delete(unique[0], relaxed=True)
            return
        for start in range(0, len(unique), _DELETES_AT_ONCE):
            self._table.transact([Delete(key) for key in unique[start : start + _DELETES_AT_ONCE]], relaxed=True)


def _digests(row: Mapping[str, object]) -> list[str]:
    """Of all blobs that a row leads to."""
    found: list[str] = []
    for name in ("blobs", "optional"):
        several = row.get(name)
        found.extend(several if isinstance(several, list | tuple) else ())
    one = row.get("digest")
    return [*found, one] if isinstance(one, str) and one else found
