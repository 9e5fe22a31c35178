"""What really goes when tags are deleted: manifests that nothing else holds, and blobs that no other manifest needs.

    goes    a manifest whose only holders are tags that go, or indexes that go; what refers to one that goes, and has no
            tag or index of its own
    freed   a blob of those, unless an edge of another manifest stands for it, in any repository of the instance

Reads only, as things stand at this moment, and bounded: what it did not look into it counts as staying.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from pydantic import BaseModel

from chalicelib.kernel.modelling import MADE
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item

from .models import ManifestRecord, TagRecord

# Manifests and blobs that one question looks into.
MOST_MANIFESTS: Final = 2000
MOST_BLOBS: Final = 5000
# Holders of one manifest and of one blob that it looks through before it says that there is another.
MOST_HOLDERS: Final = 500
# Of several manifests together: few enough not to cost more than a query for each where they lie far apart.
_ROWS_AT_ONCE: Final = 200
# Behind every row.
_END: Final = "~"
# Tags that stay, shown as an example of what does.
MOST_SIBLINGS: Final = 100


class GoingDigest(BaseModel):
    """A manifest that goes. artifact_type: what it is, such as a bill of materials; an image's is its configuration's
    media type, an index has none. size: of its body, in bytes."""

    model_config = MADE

    digest: str
    media_type: str
    artifact_type: str
    size: int


class Sibling(BaseModel):
    """A tag that stays, and points to what a tag that goes points to."""

    model_config = MADE

    tag: str
    digest: str


class Consequences(BaseModel):
    """digests: manifests that go; bytes: of blobs that go with them; siblings: tags of the same digests that stay.
    complete: everything was looked into; otherwise more may go than is listed."""

    model_config = MADE

    digests: tuple[GoingDigest, ...]
    bytes: int
    siblings: tuple[Sibling, ...]
    complete: bool


def consequences(stack: Stack, instance_id: str, repository_id: str, tags: Sequence[TagRecord]) -> Consequences:
    """Of deleting these tags of one repository together."""
    return _Question(stack, instance_id, repository_id, tags).answer()


class _Question:
    def __init__(self, stack: Stack, instance_id: str, repository_id: str, tags: Sequence[TagRecord]) -> None:
        self._table = stack.table
        self._instance = instance_id
        self._repository = repository_id
        self._partition = keys.repository_partition(repository_id)
        self._tags: dict[str, str] = {tag.name: tag.digest for tag in tags}
        self._going: dict[str, ManifestRecord] = {}
        self._siblings: dict[str, str] = {}
        self._complete = True

    def answer(self) -> Consequences:
        self._gather()
        digests = [
            GoingDigest(digest=one.digest, media_type=one.media_type, artifact_type=one.artifact_type, size=one.size)
            for one in self._going.values()
        ]
        siblings = [Sibling(tag=tag, digest=digest) for tag, digest in sorted(self._siblings.items())]
        return Consequences(
            digests=tuple(sorted(digests, key=lambda one: one.digest)),
            bytes=self._freed_bytes(),
            siblings=tuple(siblings[:MOST_SIBLINGS]),
            complete=self._complete,
        )

    # Manifests

    def _gather(self) -> None:
        """In waves: what the tags point to, then what those that go list, and what refers to them."""
        waiting, looks = set(self._tags.values()), 0
        while waiting:
            looks += len(waiting)
            if looks > MOST_MANIFESTS:
                self._complete = False
                return
            holds = self._rows_of(waiting, keys.hold_prefix)
            loose = [digest for digest in sorted(waiting) if not self._stays(digest, holds.get(digest, ()))]
            found = self._table.get_many([keys.manifest(self._repository, digest) for digest in loose])
            going = [ManifestRecord.model_validate(item) for item in found.values()]
            self._going |= {manifest.digest: manifest for manifest in going}
            referrers = self._rows_of({manifest.digest for manifest in going}, keys.referrer_prefix)
            # Each may have been looked at before, when one of these still held it.
            waiting = {str(row["digest"]) for rows in referrers.values() for row in rows}
            waiting |= {str(child) for manifest in going for child in manifest.children}
            waiting -= self._going.keys()

    def _stays(self, digest: str, holds: Sequence[Item]) -> bool:
        # All of them are looked at, for the tags that stay.
        holding = [hold for hold in holds if self._holds(digest, hold)]
        return bool(holding)

    def _holds(self, digest: str, hold: Item) -> bool:
        """Whether this holder outlives the tags. A bin entry holds for its grace period only."""
        if hold["kind"] == "TAG":
            goes = self._tags.get(hold["owner"]) == digest
            if not goes and digest in self._tags.values():
                self._siblings[hold["owner"]] = digest
            return not goes
        return hold["kind"] == "INDEX" and hold["index"] not in self._going

    def _rows_of(self, digests: Collection[str], prefix_of: Callable[[str], str]) -> Mapping[str, Sequence[Item]]:
        """Rows of each digest. They lie in the order of digests, so that a page answers for all that it reaches: where
        most of a repository is asked about it is read once, and not with a query for each."""
        wanted = {prefix_of(digest): digest for digest in digests}
        found: dict[str, list[Item]] = defaultdict(list)
        read_to = ""
        for prefix, digest in sorted(wanted.items()):
            kind = prefix[: prefix.index("#") + 1]
            within, limit = (prefix, MOST_HOLDERS) if len(wanted) == 1 else (kind, _ROWS_AT_ONCE)
            while read_to < f"{prefix}~" and len(found[digest]) < MOST_HOLDERS:
                page = self._table.query(self._partition, prefix=within, after=max(prefix, read_to), limit=limit)
                for row in page.items:
                    owner = wanted.get(row["sk"][: row["sk"].index("#", len(kind)) + 1])
                    if owner is not None:
                        found[owner].append(row)
                read_to = _END if page.next is None else page.items[-1]["sk"]
            self._complete = self._complete and read_to >= f"{prefix}~"
        return found

    # Blobs

    def _freed_bytes(self) -> int:
        incarnations = {manifest.incarnation for manifest in self._going.values()}
        blobs = list(dict.fromkeys(blob for manifest in self._going.values() for blob in manifest.held))
        if len(blobs) > MOST_BLOBS:
            self._complete = False
        freed = [blob for blob in blobs[:MOST_BLOBS] if not self._needed(blob, incarnations)]
        heads = self._table.get_many([keys.head(self._instance, blob) for blob in freed])
        return sum(int(head["size"]) for head in heads.values())

    def _needed(self, blob: str, going: set[str]) -> bool:
        """An upload's edge holds for a day only."""
        page = self._table.query(
            keys.blob_partition(self._instance, blob), prefix=keys.edge_prefix(), limit=MOST_HOLDERS
        )
        others = any(edge["kind"] == "MANIFEST" and edge["owner"] not in going for edge in page.items)
        if not others and page.next is not None:
            self._complete = False
            return True
        return others
