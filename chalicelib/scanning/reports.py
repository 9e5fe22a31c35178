"""Reports: objects, one a scan of an image, named by its record. Written once; the record says which one counts."""

from __future__ import annotations

import zlib
from datetime import timedelta
from typing import Final

from chalicelib.findings.models import ScanRecord
from chalicelib.findings.service import Findings
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import NotFound, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.paging import every
from chalicelib.ports import paths
from chalicelib.ports.objects import ObjectMissing
from chalicelib.ports.stack import Stack

from .models import Report

# Uncompressed. An image with 20 000 packages and as many findings has 15 MB.
MOST_BYTES: Final = 512 * 1024 * 1024
# A scan that was interrupted between report and record left one that nobody names.
_LEFT_AFTER: Final = timedelta(hours=1)


class Reports:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def read(self, instance: Instance, record: ScanRecord) -> Report:
        """Raises NotFound where the image was not scanned to its end."""
        for _ in range(2):
            if not record.report:
                break
            found = self._load(instance, record.report)
            if found is not None:
                return found
            # Scanned again meanwhile, the image has another.
            record = Findings(self._stack).of(instance.id, record.digest) or ScanRecord(
                instance_id=instance.id, digest=record.digest
            )
        raise NotFound(f"there is no report of {record.digest}; scan it first", digest=record.digest)

    def write(self, instance: Instance, report: Report) -> str:
        """Answers its key. It counts from when a record names it."""
        key = paths.report(instance.id, report.digest, new_id())
        self._stack.objects(instance.bucket).put(key, zlib.compress(report.model_dump_json().encode(), 6))
        return key

    def clear(self, instance: Instance, digest: str, keep: str, gone: str = "") -> None:
        """Deletes reports of the image but `keep`: the one it followed, and what interrupted scans left behind.

        keep   "" deletes all of them
        """
        objects, now = self._stack.objects(instance.bucket), self._stack.clock.now()
        prefix = paths.reports(instance.id, digest)
        for found in every(lambda cursor: objects.list(prefix, cursor=cursor)):
            left_behind = not keep or found.modified_at < now - _LEFT_AFTER
            if found.key != keep and (left_behind or found.key == gone):
                objects.delete(found.key)

    def _load(self, instance: Instance, key: str) -> Report | None:
        try:
            reading = self._stack.objects(instance.bucket).get(key)
        except ObjectMissing:
            return None
        opening = zlib.decompressobj()
        try:
            data = opening.decompress(b"".join(reading.chunks()), MOST_BYTES)
        except zlib.error as broken:
            raise Unavailable from broken
        finally:
            reading.close()
        if not opening.eof:
            raise Unavailable
        return Report.model_validate_json(data)
