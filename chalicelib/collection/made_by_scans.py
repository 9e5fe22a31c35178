"""Fsck's look at what scans left: objects about layers and images, and rows that name them.

Nothing of it is anybody's content: it can be made again. So what is missing is only lost where a row promises it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from chalicelib.findings.service import Findings
from chalicelib.instances.models import Instance
from chalicelib.kernel.paging import every
from chalicelib.ports import keys, paths
from chalicelib.ports.stack import Stack

Wrong = tuple[Literal["lost", "leak"], str, str]


def look(stack: Stack, instance: Instance) -> Iterator[Wrong]:
    """(kind, subject, message) of each thing that is wrong, as fsck tells it."""
    objects = stack.objects(instance.bucket)
    records = {record.digest: record for record in Findings(stack).all(instance.id)}
    reports = set()
    for found in every(lambda cursor: objects.list(paths.reports(instance.id), cursor=cursor)):
        reports.add(found.key)
        if paths.image_of(found.key) not in records:
            yield "leak", found.key, "nothing is known of the image that this report is about"
    for record in records.values():
        if record.report and record.report not in reports and _report_lost(stack, instance, record.digest):
            yield "lost", record.digest, "its scan's report is gone; scan it again"
    for prefix in paths.surveys(instance.id):
        for found in every(lambda cursor, prefix=prefix: objects.list(prefix, cursor=cursor)):  # type: ignore[misc]
            if not _layer_known(stack, instance, paths.layer_of(found.key)):
                yield "leak", found.key, "is about a layer that is gone"


def _report_lost(stack: Stack, instance: Instance, digest: str) -> bool:
    """Looked at again: scanned meanwhile, the image has another report, and the one before went."""
    record = Findings(stack).of(instance.id, digest)
    prefix = paths.reports(instance.id, digest)
    there = {one.key for one in every(lambda cursor: stack.objects(instance.bucket).list(prefix, cursor=cursor))}
    return record is not None and record.report != "" and record.report not in there


def _layer_known(stack: Stack, instance: Instance, layer: str) -> bool:
    """Its bytes are here, or wait to be deleted, which takes this along."""
    return stack.table.get(keys.head(instance.id, layer)) is not None


class ScansObjects:
    """Which of an instance's objects rows of the table still mean."""

    def __init__(self, stack: Stack, instance_id: str) -> None:
        self._stack = stack
        self._instance_id = instance_id

    def reports(self, found: Sequence[str]) -> set[str]:
        """Those that a record names."""
        records = Findings(self._stack).several(self._instance_id, {paths.image_of(key) for key in found})
        return {record.report for record in records.values()} & set(found)

    def surveys(self, found: Sequence[str]) -> set[str]:
        """Those about a layer that is here."""
        heads = {keys.head(self._instance_id, layer): layer for layer in map(paths.layer_of, found)}
        layers = {heads[key] for key in self._stack.table.get_many(list(heads))}
        return {key for key in found if paths.layer_of(key) in layers}
