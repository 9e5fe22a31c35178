"""Objects: one bucket of immutable byte strings under text keys. S3's model.

Keys: `a-z A-Z 0-9 . _ - /`, at most 512 bytes, no empty, `.` or `..` segment, none of more than 255 bytes; no key
continues another one with a slash. An object appears whole or not at all,
is durable when the call that made it returns, and is never written twice: rooms make a fresh key instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from chalicelib.kernel.paging import Page


class ObjectMissing(Exception):
    """There is no such object (or no such multipart upload)."""


class ObjectExists(Exception):
    """The key is taken. Nothing was written."""


class Part(NamedTuple):
    """One part of a multipart upload: its number from 1, its size in bytes, and the store's receipt for it."""

    number: int
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    key: str
    size: int
    modified_at: datetime


class Reading(Protocol):
    """An object, or a range of it, being read. Close it, whatever happens; closing twice is harmless.

    size        of the whole object, in bytes
    descriptor  an open file of the whole object where the host may send straight from it, else None
    """

    size: int
    descriptor: int | None

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the range asked for, in pieces of at most 1 MiB. Raises Unavailable if cut short."""
        ...

    def close(self) -> None: ...


class Objects(Protocol):
    """Any method may raise `Unavailable`.

    part_min_bytes   every part but the last has at least this many bytes (S3: 5 MiB; files: 1)
    """

    part_min_bytes: int

    def put(self, key: str, data: bytes, *, relaxed: bool = False) -> None:
        """Raises ObjectExists. `relaxed`: may reach the disk later (used where a sweeper repairs a loss)."""
        ...

    def get(self, key: str, start: int = 0, end: int | None = None) -> Reading:
        """Bytes start..end (end exclusive; None: to the end). Raises ObjectMissing."""
        ...

    def presign(self, key: str, *, expires_s: int, media_type: str) -> str | None:
        """A link that reads the object without credentials, or None where the store can't serve it."""
        ...

    def begin(self, key: str) -> str:
        """Starts a multipart upload; answers its id. Nothing is to be seen under the key yet."""
        ...

    def part(self, key: str, multipart: str, number: int, offset: int, data: bytes | memoryview) -> Part:
        """Writes a part that starts `offset` bytes into the object. Repeating it replaces it. Raises ObjectMissing."""
        ...

    def complete(self, key: str, multipart: str, parts: Sequence[Part]) -> None:
        """The object exists, durably, made of just these parts (none: an empty object). Repeating it is harmless.

        Raises ObjectMissing if the upload is gone, ObjectExists if another upload made the key.
        """
        ...

    def abort(self, key: str, multipart: str) -> None:
        """Forgets the upload and frees its bytes. Repeating it, or aborting what was completed, is harmless."""
        ...

    def copy(self, source_bucket: str, source_key: str, key: str) -> None:
        """Copies inside the store, moving no bytes through this process. Raises ObjectMissing, ObjectExists."""
        ...

    def delete(self, key: str) -> None:
        """Deleting what is missing is no error."""
        ...

    def list(self, prefix: str, *, cursor: str | None = None, limit: int = 1000) -> Page[ObjectInfo]:
        """Objects whose keys begin so, in key order. A `cursor` may also be any key: the page begins after it."""
        ...
