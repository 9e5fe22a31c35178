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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys, paths
from chalicelib.ports.object_versions import ObjectVersions, Version
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Upkeep

from . import departed
from .made_by_scans import ScansObjects

# Keys of objects that are there → those of them that rows of the table name.
Named = Callable[[Sequence[str]], set[str]]


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
        for prefix, named in self._kinds(instance):
            if after.startswith(prefix) or after < prefix:
                yield from self._pages(instance, prefix, after if after.startswith(prefix) else "", named)

    def _kinds(self, instance: Instance) -> list[tuple[str, Named]]:
        """What the table decides about, in the order of the keys."""
        of_scans = ScansObjects(self._stack, instance.id)
        kinds: list[tuple[str, Named]] = [(paths.blobs(instance.id), self._blobs)]
        kinds.append((paths.reports(instance.id), of_scans.reports))
        return sorted([*kinds, *((prefix, of_scans.surveys) for prefix in paths.surveys(instance.id))])

    def _pages(self, instance: Instance, prefix: str, after: str, named: Named) -> Iterator[Step]:
        page: Page[Version] | None = self._versions.page(instance.bucket, prefix, after=after)
        while page is not None:
            # Asked for before this one is changed: where a page begins is said by the last version of the one before.
            following = self._following(instance, prefix, page)
            shown, hidden = self._fit(instance, page.items, named)
            # The last key of a page may have more versions on the next one.
            done = sorted({version.key for version in page.items})[: None if following is None else -1]
            after = done[-1] if done else after
            yield Step(instance, after, shown, hidden)
            page = following

    def _following(self, instance: Instance, prefix: str, page: Page[Version]) -> Page[Version] | None:
        if page.next is None:
            return None
        return self._versions.page(instance.bucket, prefix, cursor=page.next)

    def _fit(self, instance: Instance, versions: tuple[Version, ...], named: Named) -> tuple[int, int]:
        """How many deletions are taken back, and how many objects put away."""
        ours = [version for version in versions if paths.is_ours(instance.id, version.key)]
        there = named([version.key for version in ours])
        shown = [version for version in ours if version.deletion and version.key in there]
        hidden = [v.key for v in ours if v.newest and not v.deletion and v.key not in there]
        if not self._dry:
            self._versions.undelete(instance.bucket, shown)
            self._versions.hide(instance.bucket, hidden)
        return len(shown), len(hidden)

    def _blobs(self, found: Sequence[str]) -> set[str]:
        rows = {keys.upload(paths.generation_of(key)): key for key in found}
        return {rows[key] for key in self._stack.table.get_many(list(rows))}
