"""Objects as files: the key is the path below the bucket's folder.

A file gets its name only when it is whole and on the disk; until then it lies in `+parts`, which no key can name.
Names are given by hard link, which never replaces what is there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.paging import Page
from chalicelib.ports.objects import ObjectExists, ObjectInfo, ObjectMissing, Part
from chalicelib.ports.paths import is_push

from . import listing
from .folders import Folders
from .reading import FileReading
from .spool import EMPTY
from .writing import empty_file, link_or_copy, new_file, start_writeback, write_all

KEY_LIMIT_BYTES: Final = 512
_KEY: Final = re.compile(r"[a-zA-Z0-9._-]+(?:/[a-zA-Z0-9._-]+)*", re.ASCII)
_SEGMENT_LIMIT_BYTES: Final = 255  # of a file's name
_PARTS: Final = "+parts"
_LEFTOVER_S: Final = 24 * 3600


def check_key(key: str) -> None:
    """Raises ValueError unless the key keeps to the contract: then it cannot lead out of the bucket's folder."""
    segments = key.split("/")
    if len(key) > KEY_LIMIT_BYTES or not _KEY.fullmatch(key) or "." in segments or ".." in segments:
        raise ValueError(f"{key!r} is no key of an object")
    if max(map(len, segments)) > _SEGMENT_LIMIT_BYTES:
        raise ValueError(f"a segment of a key has at most {_SEGMENT_LIMIT_BYTES} bytes")


class FileObjects:
    """See `ports.objects.Objects`. No key may continue another one with a slash, since a file is no folder.

    folder    of the bucket; buckets are siblings, so that copies between them are hard links
    created   is told the key of every push object (`paths.is_push`) after it exists
    """

    part_min_bytes = 1

    def __init__(self, folder: Path, created: Callable[[str], None]) -> None:
        self._root = str(folder)
        self._folders = Folders(self._root)
        self._created = created
        self._parts = f"{self._root}/{_PARTS}"
        os.makedirs(self._parts, mode=0o700, exist_ok=True)
        self._empty = empty_file(f"{self._root}/{EMPTY}")
        self._clear_leftovers()

    def put(self, key: str, data: bytes, *, relaxed: bool = False) -> None:
        path = self._path(key)
        with _translated(key):
            if not data:
                self._name(self._empty, path, relaxed=relaxed)
                self._announce(key)
                return
            if os.path.lexists(path):
                raise ObjectExists(key)
            with new_file(self._parts) as new:
                write_all(new.descriptor, data, 0)
                if not relaxed:
                    os.fsync(new.descriptor)
                self._name(new.path, path, relaxed=relaxed)
        self._announce(key)

    def get(self, key: str, start: int = 0, end: int | None = None) -> FileReading:
        with _translated(key):
            descriptor = os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        reading = FileReading(descriptor, status.st_size, start, end)
        if not stat.S_ISREG(status.st_mode):  # a folder of other objects
            reading.close()
            raise ObjectMissing(key)
        return reading

    def presign(self, key: str, *, expires_s: int, media_type: str) -> str | None:
        return None

    def begin(self, key: str) -> str:
        check_key(key)
        multipart = new_id()
        with _translated(key):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(self._part_path(key, multipart), flags, 0o600))
        return multipart

    def part(self, key: str, multipart: str, number: int, offset: int, data: bytes | memoryview) -> Part:
        with _translated(key):
            descriptor = os.open(self._part_path(key, multipart), os.O_WRONLY | os.O_CLOEXEC)
            try:
                size = write_all(descriptor, data, offset)
                start_writeback(descriptor, offset, size)
            finally:
                os.close(descriptor)
        return Part(number, size, str(offset))

    def complete(self, key: str, multipart: str, parts: Sequence[Part]) -> None:
        path, source = self._path(key), self._part_path(key, multipart)
        size = _size_of(parts)
        with _translated(key):
            try:
                descriptor = os.open(source, os.O_WRONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                if self._was_completed(path, size):
                    return
                raise
            try:
                self._finish(descriptor, source, path, size)
            finally:
                os.close(descriptor)
            _unlink(source)
        self._announce(key)

    def abort(self, key: str, multipart: str) -> None:
        with contextlib.suppress(ObjectMissing), _translated(key):
            _unlink(self._part_path(key, multipart))

    def copy(self, source_bucket: str, source_key: str, key: str) -> None:
        check_key(source_key)
        if "/" in source_bucket or source_bucket.startswith("."):
            raise ValueError(f"{source_bucket!r} is no bucket's name")
        source = f"{os.path.dirname(self._root)}/{source_bucket}/{source_key}"
        path = self._path(key)
        if not os.path.isfile(source):
            raise ObjectMissing(source_key)
        with _translated(key):
            self._name(source, path)
        self._announce(key)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with contextlib.suppress(ObjectMissing), _translated(key):
            os.unlink(path)
            # Events come and go all the time: a folder that goes with each last one costs more than it takes up.
            if not is_push(key):
                self._folders.prune(os.path.dirname(path))

    def list(self, prefix: str, *, cursor: str | None = None, limit: int = 1000) -> Page[ObjectInfo]:
        found: list[ObjectInfo] = []
        with _translated(prefix):
            for info in islice(self._infos(prefix, cursor or ""), limit + 1):
                if len(found) == limit:
                    return Page(tuple(found), found[-1].key)
                found.append(info)
        return Page(tuple(found))

    def _infos(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        for key in listing.keys(self._root, prefix, after):
            with contextlib.suppress(FileNotFoundError):  # deleted while we listed
                status = os.lstat(f"{self._root}/{key}")
                # The moment this name was given, at the earliest: a copy shares the older one's time of writing.
                yield ObjectInfo(key, status.st_size, datetime.fromtimestamp(status.st_ctime, UTC))

    def _finish(self, descriptor: int, source: str, path: str, size: int) -> None:
        status = os.fstat(descriptor)
        if _is_file(path, status):  # by an earlier call that was cut short before it removed the upload's name
            return self._folders.sync(os.path.dirname(path))
        if status.st_size < size:
            raise ObjectMissing("bytes of the upload were lost")
        if status.st_size > size:  # the tail of a part that was repeated with less
            os.ftruncate(descriptor, size)
        os.fsync(descriptor)
        try:
            return self._name(source, path)
        except (FileExistsError, FileNotFoundError):  # another call for the same upload may have been faster
            if not _is_file(path, status):
                raise
        return self._folders.sync(os.path.dirname(path))

    def _was_completed(self, path: str, size: int) -> bool:
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if status.st_size != size:
            raise ObjectExists(path[len(self._root) + 1 :])
        return True

    def _name(self, source: str, path: str, *, relaxed: bool = False) -> None:
        folder = os.path.dirname(path)
        try:
            self._folders.fill(folder, lambda: link_or_copy(source, path, self._parts))
        except NotADirectoryError as error:
            raise ValueError(f"the key continues that of an object: {path}") from error
        except FileNotFoundError:  # what was to get the name went away, and left a folder made for nothing
            self._folders.prune(folder)
            raise
        if not relaxed:
            self._folders.sync(folder)

    def _announce(self, key: str) -> None:
        if is_push(key):
            self._created(key)

    def _path(self, key: str) -> str:
        check_key(key)
        return f"{self._root}/{key}"

    def _part_path(self, key: str, multipart: str) -> str:
        if not is_id(multipart):
            raise ObjectMissing(key)
        return f"{self._parts}/{multipart}"

    def _clear_leftovers(self) -> None:
        """Removes what crashes left behind of single puts; what is younger may be another process at work."""
        eldest = time.time() - _LEFTOVER_S
        with os.scandir(self._parts) as entries:
            for entry in entries:
                if entry.name.endswith(".new") and entry.stat().st_ctime < eldest:
                    _unlink(entry.path)


def _is_file(path: str, status: os.stat_result) -> bool:
    """Whether the path names this very file."""
    try:
        return os.path.samestat(os.lstat(path), status)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _size_of(parts: Sequence[Part]) -> int:
    """Bytes of all parts. Raises ValueError if they do not follow upon one another."""
    end = 0
    for part in sorted(parts):
        if part.etag != str(end):
            raise ValueError(f"part {part.number} does not begin where the one before it ends")
        end += part.size
    return end


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


@contextlib.contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise ObjectMissing(key) from None
    except FileExistsError:
        raise ObjectExists(key) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ObjectMissing(key) from None
        raise Unavailable(f"the object store did not answer: {error.strerror}") from error
