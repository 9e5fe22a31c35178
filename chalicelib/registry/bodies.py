"""Bytes of manifests and of small blobs, for whoever reads what is in them."""

from __future__ import annotations

from chalicelib.kernel.errors import ManifestUnknown
from chalicelib.ports.objects import ObjectMissing
from chalicelib.ports.stack import Stack

from . import store
from .models import HeadRecord, ManifestRecord


class Bodies:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def of(self, instance_id: str, record: ManifestRecord) -> bytes:
        """Byte for byte what was pushed. Raises ManifestUnknown where it went meanwhile."""
        if record.body is not None:
            return record.body
        head = store.head(self._stack.table, instance_id, record.digest)
        body = None if head is None else self._read(head)
        if body is None:
            raise ManifestUnknown(record.digest)
        return body

    def blob(self, instance_id: str, digest: str, most_bytes: int) -> bytes | None:
        """A blob's bytes; None where it is not here, or is larger than `most_bytes`."""
        head = store.head(self._stack.table, instance_id, digest)
        if head is None or head.state == "D" or head.size > most_bytes:
            return None
        return self._read(head)

    def _read(self, head: HeadRecord) -> bytes | None:
        try:
            reading = self._stack.objects(head.bucket).get(head.key)
        except ObjectMissing:
            return None
        try:
            return b"".join(reading.chunks())
        finally:
            reading.close()
