"""The converted layer's bytes: gzip members one after another, and what the table of contents says of each.

    open member ─► sealed ─► batch ─► compressed, by threads ─► written, in order

What a batch holds makes no difference to any byte: batches only keep threads from waiting for each other.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

import deflate

from .models import CHUNK_BYTES, LEVEL
from .rows import FileRow

_BATCH_BYTES: Final = 1024 * 1024
_BATCH_MEMBERS: Final = 512
# Of each member, and the digest of its chunk.
_Compressed = list[tuple[bytes | bytearray, str]]


class Member:
    """payload: of its bytes, those of a file's chunk, which come first. at: where in the file they belong.
    rows: of entries without content whose headers follow."""

    __slots__ = ("at", "data", "file", "payload", "rows")

    def __init__(self, file: FileRow | None, at: int, payload: int) -> None:
        self.file = file
        self.at = at
        self.payload = payload
        self.data = b""
        self.rows: list[str] = []


class Members(AbstractContextManager["Members"]):
    """Members are written while later ones are gathered; memory holds a few batches for each thread.

    tell  takes a row of the table of contents, in order
    """

    def __init__(
        self, write: Callable[[bytes], None], tell: Callable[[str], None], beat: Callable[[], None], workers: int
    ) -> None:
        self._write = write
        self._tell = tell
        self._beat = beat
        self._pool = ThreadPoolExecutor(workers) if workers > 1 else None
        self._ahead = workers + 2
        self._doing: deque[tuple[list[Member], Future[_Compressed]]] = deque()
        self._batch: list[Member] = []
        self._batch_bytes = 0
        self._member = Member(None, 0, 0)
        self._parts: list[bytes] = []
        self._run = 0
        self._whole = hashlib.sha256()
        self._uncompressed = hashlib.sha256()
        self._blob = hashlib.sha256()
        self.size = 0
        self.uncompressed_size = 0

    @property
    def diff_id(self) -> str:
        return f"sha256:{self._uncompressed.hexdigest()}"

    @property
    def digest(self) -> str:
        return f"sha256:{self._blob.hexdigest()}"

    def begin(self, file: FileRow | None, at: int, payload: int) -> None:
        """A member whose first bytes are a chunk's, which `fill` brings."""
        self._seal()
        self._member = Member(file, at, payload)

    def fill(self, part: bytes) -> None:
        self._parts.append(part)

    def add(self, data: bytes) -> None:
        """What is no file's content. Where very much of it follows on itself, it is cut: a member has to be held."""
        self._run += len(data)
        if self._run > CHUNK_BYTES:
            self._seal()
            self._member = Member(None, 0, 0)
            self._run = len(data)
        self._parts.append(data)

    def row(self, text: str) -> None:
        """Of the entry whose headers were added last."""
        self._member.rows.append(text)

    def finish(self) -> None:
        """Everything so far is written."""
        self._seal()
        self._send()
        while self._doing:
            self._emit(*self._doing.popleft())

    def append(self, data: bytes | bytearray) -> None:
        """A member by itself, after all others."""
        self._uncompressed.update(data)
        self.uncompressed_size += len(data)
        self.put(deflate.gzip_compress(data, LEVEL))

    def put(self, blob: bytes | bytearray) -> None:
        """Bytes as they are."""
        self._blob.update(blob)
        self.size += len(blob)
        self._write(bytes(blob))

    def _seal(self) -> None:
        self._run = 0
        member, parts = self._member, self._parts
        if not parts:
            return
        data = member.data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        self._uncompressed.update(data)
        self.uncompressed_size += len(data)
        self._batch.append(member)
        self._batch_bytes += len(data)
        if self._batch_bytes >= _BATCH_BYTES or len(self._batch) >= _BATCH_MEMBERS:
            self._send()

    def _send(self) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if not batch:
            return
        if self._pool is None:
            done: Future[_Compressed] = Future()
            done.set_result(_compressed(batch))
            self._emit(batch, done)
            return
        self._doing.append((batch, self._pool.submit(_compressed, batch)))
        while len(self._doing) > self._ahead or (self._doing and self._doing[0][1].done()):
            self._emit(*self._doing.popleft())

    def _emit(self, batch: list[Member], compressed: Future[_Compressed]) -> None:
        blobs, offset = [], self.size
        for member, (blob, digest) in zip(batch, compressed.result(), strict=True):
            if member.file is not None:
                self._chunk(member.file, member, offset, digest)
            for text in member.rows:
                self._tell(text)
            blobs.append(blob)
            offset += len(blob)
        self.put(b"".join(blobs))
        self._beat()

    def _chunk(self, file: FileRow, member: Member, offset: int, digest: str) -> None:
        first, payload = member.at == 0, member.payload
        last = file.add(offset, member.at, payload, digest)
        if first and last:
            self._tell(file.finish(digest))
            return
        if first:
            self._whole = hashlib.sha256()
        self._whole.update(memoryview(member.data)[:payload])
        if last:
            self._tell(file.finish(self._whole.hexdigest()))

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _compressed(batch: list[Member]) -> _Compressed:
    """In a thread: neither hashing nor compressing holds Python's lock."""
    found: _Compressed = []
    for member in batch:
        data, payload = member.data, member.payload
        digest = hashlib.sha256(memoryview(data)[:payload]).hexdigest() if payload else ""
        found.append((deflate.gzip_compress(data, LEVEL), digest))
    return found
