"""Writing files: under a name of our own until whole, and early onto the disk so that the last sync is short."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from chalicelib.kernel.ids import new_id

# Linux: ask for the writing to begin, do not wait for it (SYNC_FILE_RANGE_WRITE).
_BEGIN_WRITING: Final = 2
# Longer writes make the kernel look for larger pieces of free memory: measured on ext4, 64 MiB in strides of 1 MiB cost
# half as much CPU again as in strides of 128 KiB.
_STRIDE_BYTES: Final = 128 * 1024
_libc: Final = ctypes.CDLL(None, use_errno=True)
_sync_file_range = getattr(_libc, "sync_file_range", None)
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)

# Past the file system's limit of names (65 000 on ext4), on another file system, of another owner's file.
_UNLINKABLE: Final = (errno.EMLINK, errno.EXDEV, errno.EPERM)


class NewFile(NamedTuple):
    descriptor: int
    path: str


@contextlib.contextmanager
def new_file(folder: str) -> Iterator[NewFile]:
    """An empty file to fill and link to its name. Its own name is gone afterwards; a crash leaves a `.new` file."""
    path = f"{folder}/{new_id()}.new"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield NewFile(descriptor, path)
    finally:
        os.close(descriptor)
        os.unlink(path)


def empty_file(path: str) -> str:
    """Makes an empty file, durably, unless it is there. Empty objects are further names of it: a file made and deleted
    for each event keeps ext4 searching for an inode that was not in use a minute ago."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path


def write_all(descriptor: int, data: bytes | memoryview, offset: int) -> int:
    """Writes everything at the offset; answers how many bytes that were."""
    view = memoryview(data).cast("B")
    size = len(view)
    written = 0
    while written < size:
        written += os.pwrite(descriptor, view[written : written + _STRIDE_BYTES], offset + written)
    return size


def start_writeback(descriptor: int, offset: int, size: int) -> None:
    """Lets the disk begin with these bytes. Only speed depends on it, so its outcome is not asked for."""
    if _sync_file_range is not None and size:
        _sync_file_range(descriptor, offset, size, _BEGIN_WRITING)


def link_or_copy(source: str, path: str, spare: str) -> None:
    """Gives a whole file one more name; where it can have none a copy, made in `spare`.

    Raises FileExistsError if the name is taken, FileNotFoundError without its folder.
    """
    try:
        os.link(source, path)
    except OSError as error:
        if error.errno not in _UNLINKABLE:
            raise
        with new_file(spare) as copy, open(source, "rb") as reader:
            offset = 0
            while copied := os.sendfile(copy.descriptor, reader.fileno(), offset, 1 << 30):
                offset += copied
            os.fsync(copy.descriptor)
            os.link(copy.path, path)
