"""Uploads: bytes arrive in requests, are hashed as they arrive, and are kept so that a client can go on later.

A session's row says how much is held; parts lie in the object store, and where parts have a least size the last few
bytes lie in an object of their own, the tail. One writer at a time: a row's version is the fence, and within a
process a set of ids, because two writers on one file would mix bytes that neither hashed.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, DigestInvalid, RangeInvalid, UploadUnknown
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest
from chalicelib.ports import paths
from chalicelib.ports.objects import ObjectExists, ObjectMissing, Objects, Part
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Put, TransactionCancelled, absent, all_of, equals

from . import store
from .models import UploadRecord

if TYPE_CHECKING:
    from hashlib import _Hash

# One buffer of this size for each upload under way. Parts double with each 500 of them, so that a row can list them
# all: 31 GB at part 3 000, then 64 MiB each, 450 GB at part 10 000, the most that S3 takes.
PART_BYTES: Final = 1024 * 1024
PARTS_PER_SIZE: Final = 500
LARGEST_PART_BYTES: Final = 64 * 1024 * 1024
# A long request notes its progress each time this many parts were written.
PARTS_PER_NOTE: Final = 16
# Hash states of sessions between requests. One that was forgotten is made again by reading the object at the end.
HASHES_KEPT: Final = 2000


class Hashes:
    """Hash states of sessions, in this process alone: `hashlib` gives none away, and a pickled one runs code."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._states: OrderedDict[str, tuple[int, _Hash]] = OrderedDict()

    def claim(self, upload: UploadRecord) -> _Hash | None:
        """The state after `upload.offset` bytes, or None. Raises Conflict while another request writes."""
        with self._lock:
            if upload.id in self._busy:
                raise Conflict("another request is writing to this upload")
            self._busy.add(upload.id)
            offset, state = self._states.pop(upload.id, (-1, None))
        if upload.offset == 0:
            return hashlib.new(upload.algorithm)
        return state if offset == upload.offset else None

    def give_back(self, upload_id: str, offset: int, state: _Hash | None) -> None:
        with self._lock:
            self._busy.discard(upload_id)
            if state is not None:
                self._states[upload_id] = (offset, state)
                while len(self._states) > HASHES_KEPT:
                    self._states.popitem(last=False)


HASHES: Final = Hashes()


class Uploads:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table

    def start(
        self, instance: Instance, repository: str, principal: str, algorithm: str, repository_id: str = ""
    ) -> UploadRecord:
        """repository_id: of the repository as it stands, "" where the first content will make it."""
        upload = UploadRecord(
            id=new_id(),
            instance_id=instance.id,
            bucket=instance.bucket,
            repository=repository,
            repository_id=repository_id,
            principal=principal,
            algorithm=algorithm,
        )
        self._table.put(store.upload_item(upload, self.due()), when=absent(), relaxed=True)
        return upload

    def find(self, instance: Instance, repository: str, principal: str, upload_id: str) -> UploadRecord:
        """Raises UploadUnknown, also for the session of somebody else, another repository or another instance."""
        upload = store.upload(self._table, upload_id)
        theirs = (instance.id, repository, principal)
        if (
            upload is None
            or upload.state != "open"
            or (upload.instance_id, upload.repository, upload.principal) != theirs
        ):
            raise UploadUnknown(upload_id)
        return upload

    def due(self) -> str:
        return to_text(self._stack.clock.now() + timedelta(seconds=self._stack.settings.upload_ttl_s))

    def cancel(self, upload: UploadRecord) -> None:
        """Nothing is left of the session. Raises UploadUnknown if it moved meanwhile. Also ends expired ones."""
        now = to_text(self._stack.clock.now())
        grave = store.tombstone_item(
            upload.id,
            upload.bucket,
            paths.blob(upload.instance_id, upload.id),
            now,
            digest="",
            instance=upload.instance_id,
        )
        ended = Put(
            store.upload_item(upload.model_copy(update={"state": "finished"}), ""),
            when=all_of(equals("state", "open"), equals("version", upload.version)),
        )
        try:
            self._table.transact([ended, Put(grave)])
        except TransactionCancelled:
            raise UploadUnknown(upload.id) from None
        self.forget(upload)

    def discard(self, finished: UploadRecord) -> None:
        """What was verified may not stay: its bytes go, and the session with them. Harmless where others ended it."""
        as_it_stands = {"state": "open", "digest": "", "version": finished.version - 1}
        with contextlib.suppress(UploadUnknown):
            self.cancel(finished.model_copy(update=as_it_stands))

    def forget(self, upload: UploadRecord) -> None:
        """Frees what an ended session kept in the object store. Safe to repeat."""
        objects = self._stack.objects(upload.bucket)
        if upload.multipart:
            objects.abort(paths.blob(upload.instance_id, upload.id), upload.multipart)
        if upload.tail:
            objects.delete(paths.tail(upload.instance_id, upload.id, upload.tails))

    def write(self, upload: UploadRecord, offset: int | None) -> Writer:
        """A writer that goes on where the session stands. Raises RangeInvalid, Conflict."""
        if offset is not None and offset != upload.offset:
            raise RangeInvalid(f"the upload holds {upload.offset} bytes; go on from there", upload.offset)
        return Writer(self, self._stack, upload)

    def note(self, upload: UploadRecord, *, relaxed: bool) -> UploadRecord:
        """Keeps the session as it stands now, at the next version. Raises UploadUnknown if somebody else moved it."""
        following = upload.model_copy(update={"version": upload.version + 1})
        at_version_seen = all_of(equals("state", "open"), equals("version", upload.version))
        try:
            self._table.put(store.upload_item(following, self.due()), when=at_version_seen, relaxed=relaxed)
        except ConditionFailed:
            raise UploadUnknown(upload.id) from None
        return following


class Writer:
    """Bytes on their way into one session. Blocking; one call at a time; always `close` it."""

    piece_bytes: Final = 1024 * 1024

    def __init__(self, uploads: Uploads, stack: Stack, upload: UploadRecord) -> None:
        self.record = upload
        self._uploads = uploads
        self._stack = stack
        self._objects: Objects = stack.objects(upload.bucket)
        self._key = paths.blob(upload.instance_id, upload.id)
        self._buffer = bytearray()
        self._hash = HASHES.claim(upload)
        self._hashed = upload.offset
        self._claimed = True
        self._tail_read = upload.tail == 0

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Hashes and keeps the next bytes; parts are written as they fill."""
        if self._hash is not None:
            self._hash.update(data)
            self._hashed += len(data)
        self._take_tail()
        if len(data) >= self._part_bytes():
            if len(self._buffer) >= self._objects.part_min_bytes:
                self._flush()
            if not self._buffer:
                return self._write_part(memoryview(data))
        self._buffer += data
        if len(self._buffer) >= self._part_bytes():
            self._flush()
        return None

    def _take_tail(self) -> None:
        if self._tail_read:
            return
        reading = self._objects.get(paths.tail(self.record.instance_id, self.record.id, self.record.tails))
        try:
            for chunk in reading.chunks():
                self._buffer += chunk
        finally:
            reading.close()
        self.record = self.record.model_copy(update={"offset": self.record.offset - self.record.tail, "tail": 0})
        self._tail_read = True

    def _part_bytes(self) -> int:
        grown = PART_BYTES << (len(self.record.parts) // PARTS_PER_SIZE)
        return max(min(grown, LARGEST_PART_BYTES), self._objects.part_min_bytes)

    def _flush(self) -> None:
        if self._buffer:
            data, self._buffer = self._buffer, bytearray()
            self._write_part(memoryview(data))

    def _write_part(self, data: memoryview) -> None:
        record = self.record
        multipart = record.multipart or self._objects.begin(self._key)
        number = len(record.parts) + 1
        if not record.multipart:
            # Noted before the first part is written, so that what an abandoned session left can be found.
            record = self._uploads.note(record.model_copy(update={"multipart": multipart}), relaxed=True)
        try:
            part = self._objects.part(self._key, multipart, number, record.offset, data)
        except ObjectMissing:
            # Made whole by an earlier request of this session that came no further: there is no adding to it.
            raise UploadUnknown(record.id) from None
        parts = (*record.parts, (part.size, part.etag))
        self.record = record.model_copy(update={"parts": parts, "offset": record.offset + part.size})
        if number % PARTS_PER_NOTE == 0:
            self.record = self._uploads.note(self.record, relaxed=True)

    def keep(self) -> UploadRecord:
        """The end of a request: what arrived is kept, the session stands."""
        self._take_tail()
        held = self.record
        if len(self._buffer) >= self._objects.part_min_bytes:
            self._flush()
        tail = bytes(self._buffer)
        stale = self._stale_tail(held)
        change: dict[str, Any] = {"tail": len(tail), "offset": self.record.offset + len(tail)}
        if tail:
            change["tails"] = self.record.tails + 1
            self._objects.put(paths.tail(held.instance_id, held.id, change["tails"]), tail)
        self.record = self._uploads.note(self.record.model_copy(update=change), relaxed=False)
        self._buffer.clear()
        self._tail_read = not tail
        if stale:
            self._objects.delete(stale)
        return self.record

    def _stale_tail(self, record: UploadRecord) -> str:
        return paths.tail(record.instance_id, record.id, record.tails) if record.tails else ""

    def complete(self, digest: Digest) -> UploadRecord:
        """Verifies the whole and makes it an object. Raises DigestInvalid after ending the session."""
        self._take_tail()
        stale = self._stale_tail(self.record)
        verified = self._hash is not None and self._hash.name == digest.algorithm
        if verified:
            self._refuse_unless(self._hash.hexdigest() == digest.hex if self._hash else False, digest)
        if self.record.parts:
            self._flush()
            parts = [Part(number, size, etag) for number, (size, etag) in enumerate(self.record.parts, 1)]
            self._objects.complete(self._key, self.record.multipart, parts)
        else:
            self.record = self.record.model_copy(update={"offset": len(self._buffer)})
            try:
                self._objects.put(self._key, bytes(self._buffer))
            except ObjectExists:
                # An earlier request of this session came as far as this, and no further: what counts is what it wrote.
                verified = False
                self._refuse_unless(hashlib.new(digest.algorithm, self._buffer).hexdigest() == digest.hex, digest)
        if not verified:
            self._refuse_unless(self._digest_of_object(digest.algorithm) == digest.hex, digest)
        if stale:
            self._objects.delete(stale)
        self.record = self.record.model_copy(
            update={"state": "finished", "digest": digest, "parts": (), "tail": 0, "version": self.record.version + 1}
        )
        return self.record

    def _digest_of_object(self, algorithm: str) -> str:
        state = hashlib.new(algorithm)
        reading = self._objects.get(self._key)
        try:
            for chunk in reading.chunks():
                state.update(chunk)
        finally:
            reading.close()
        return state.hexdigest()

    def _refuse_unless(self, matches: bool, digest: Digest) -> None:
        if matches:
            return
        self._hash = None
        with contextlib.suppress(UploadUnknown):
            self._uploads.cancel(self.record)
        raise DigestInvalid(f"what was uploaded is not {digest}; start again", digest=digest)

    def close(self) -> None:
        """Lets the next request write. Harmless twice."""
        if self._claimed:
            self._claimed = False
            whole = self._hash is not None and self._hashed == self.record.offset and self.record.state == "open"
            HASHES.give_back(self.record.id, self.record.offset, self._hash if whole else None)
