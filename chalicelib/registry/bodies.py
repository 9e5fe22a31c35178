"""Bytes of manifests and of small blobs, for whoever reads what is in them."""

from __future__ import annotations

import threading
from typing import Final

from chalicelib.kernel.errors import ManifestUnknown
from chalicelib.ports.objects import ObjectMissing, Reading
from chalicelib.ports.stack import Stack

from . import store
from .models import HeadRecord, ManifestRecord

# A digest names its bytes for ever, so these outlive what is remembered of the table.
REMEMBERED_BYTES: Final = 64 * 1024 * 1024


class LargeBodies:
    """The newest of them, in so many bytes."""

    def __init__(self, most_bytes: int = REMEMBERED_BYTES) -> None:
        self._most_bytes = most_bytes
        self._held: dict[tuple[str, str], bytes] = {}
        self._held_bytes = 0
        self._lock = threading.Lock()
        self.get = self._held.get

    def put(self, key: tuple[str, str], body: bytes) -> None:
        with self._lock:
            self._held_bytes += len(body) - len(self._held.pop(key, b""))
            self._held[key] = body
            while self._held_bytes > self._most_bytes:
                self._held_bytes -= len(self._held.pop(next(iter(self._held))))


class Bodies:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._remembered = stack.keep("large manifests", LargeBodies)

    def of(self, instance_id: str, record: ManifestRecord) -> bytes:
        """Byte for byte what was pushed. Raises ManifestUnknown where it went meanwhile."""
        return record.body if record.body is not None else self.large(instance_id, record.digest)

    def large(self, instance_id: str, digest: str) -> bytes:
        """Of a manifest whose row does not hold it: whoever asks has seen the row. Raises ManifestUnknown."""
        body = self._remembered.get((instance_id, digest))
        if body is not None:
            return body
        head = store.head(self._stack.table, instance_id, digest)
        body = None if head is None else self._read(head)
        if body is None:
            raise ManifestUnknown(digest)
        self._remembered.put((instance_id, digest), body)
        return body

    def blob(self, instance_id: str, digest: str, most_bytes: int) -> bytes | None:
        """A blob's bytes; None where it is not here, or is larger than `most_bytes`."""
        head = store.head(self._stack.table, instance_id, digest)
        if head is None or head.state == "D" or head.size > most_bytes:
            return None
        return self._read(head)

    def reading(self, instance_id: str, digest: str) -> Reading | None:
        """A blob's bytes as they come, of any number; None where it is not here. Whoever asks closes it."""
        head = store.head(self._stack.table, instance_id, digest)
        if head is None or head.state == "D":
            return None
        try:
            return self._stack.objects(head.bucket).get(head.key)
        except ObjectMissing:
            return None

    def _read(self, head: HeadRecord) -> bytes | None:
        try:
            reading = self._stack.objects(head.bucket).get(head.key)
        except ObjectMissing:
            return None
        try:
            return b"".join(reading.chunks())
        finally:
            reading.close()
