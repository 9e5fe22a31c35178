"""Brings buckets to where a restored table is: every object that it names is to be seen, and no other.

    table    restored to a point, under a new name
    object   named by the table, deleted since        the mark of its deletion goes: it is to be seen again
             not named by it, written since           is deleted, so that a version of it stays
    upload   under way at the point                   ends: its parts are not what they were
             ────────────────────────────────────────► then `fsck` is clean, and the table may be served

A blob's object has a row, its upload's, from before the object is whole until after it is deleted, and its name is
never used again. So the table alone decides, and no clock does. Nothing is removed for good: a run with another table
takes back what this one did. Every page may be done twice, so an interrupted run is simply run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.ids import is_id
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys, paths
from chalicelib.ports.object_versions import ObjectVersions, Version
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Upkeep

from . import departed


@dataclass(frozen=True, slots=True)
class Step:
    """One page of one instance's objects is done.

    after    the last key that is done, "" before the first: where an interrupted run may go on
    shown    deletions taken back
    hidden   objects put away
    wrong    why nothing could be done, "" if all went well
    """

    instance: Instance
    after: str = ""
    shown: int = 0
    hidden: int = 0
    wrong: str = ""


class Recovery:
    """stack: on the restored table, which nobody serves yet. dry: only says what it would do."""

    def __init__(self, stack: Stack, versions: ObjectVersions, *, dry: bool = False) -> None:
        self._stack = stack
        self._versions = versions
        self._dry = dry

    def run(self, after: str = "") -> Iterator[Step]:
        """after: of the last step of an interrupted run, to go on behind it. Instances being deleted are left so."""
        for instance in sorted(Instances(self._stack).every(), key=lambda one: one.id):
            if instance.state != "releasing" and instance.id >= paths.instance_of(after):
                yield from self._instance(instance, after if after.startswith(paths.of_instance(instance.id)) else "")

    def end_uploads(self) -> int:
        """Ends what was being uploaded at the point. Answers how many that were."""
        upkeep, ended = Upkeep(self._stack), 0
        for partition in keys.due_partitions("upload"):
            for row in departed.rows(self._stack, partition, index="i1"):
                if not self._dry:
                    upkeep.end_upload(row)
                ended += 1
        return ended

    def _instance(self, instance: Instance, after: str) -> Iterator[Step]:
        try:
            if not self._versions.kept(instance.bucket):
                # A deletion for good is not for a recovery to make, and what is gone cannot be brought back.
                yield Step(instance, wrong=f"bucket {instance.bucket} keeps no versions: it stays as it is")
                return
        except NotFound:
            yield Step(instance, wrong=f"bucket {instance.bucket} is gone")
            return
        page: Page[Version] | None = self._versions.page(instance.bucket, paths.blobs(instance.id), after=after)
        while page is not None:
            # Asked for before this one is changed: where a page begins is said by the last version of the one before.
            following = self._following(instance, page)
            shown, hidden = self._fit(instance, page.items)
            # The last key of a page may have more versions on the next one.
            done = sorted({version.key for version in page.items})[: None if following is None else -1]
            after = done[-1] if done else after
            yield Step(instance, after, shown, hidden)
            page = following

    def _following(self, instance: Instance, page: Page[Version]) -> Page[Version] | None:
        if page.next is None:
            return None
        return self._versions.page(instance.bucket, paths.blobs(instance.id), cursor=page.next)

    def _fit(self, instance: Instance, versions: tuple[Version, ...]) -> tuple[int, int]:
        """How many deletions are taken back, and how many objects put away."""
        ours = [version for version in versions if _is_ours(instance, version.key)]
        rows = self._stack.table.get_many([keys.upload(paths.generation_of(version.key)) for version in ours])
        named = {row.pk for row in rows}
        shown = [version for version in ours if version.deletion and _row(version) in named]
        hidden = [v.key for v in ours if v.newest and not v.deletion and _row(v) not in named]
        if not self._dry:
            self._versions.undelete(instance.bucket, shown)
            self._versions.hide(instance.bucket, hidden)
        return len(shown), len(hidden)


def _row(version: Version) -> str:
    return keys.upload(paths.generation_of(version.key)).pk


def _is_ours(instance: Instance, key: str) -> bool:
    """In a bucket that a customer named, others may keep what they like under keys that look alike."""
    generation = paths.generation_of(key)
    return is_id(generation) and key == paths.blob(instance.id, generation)
