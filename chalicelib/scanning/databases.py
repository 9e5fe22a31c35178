"""The vulnerability database as processes read it.

    current(stack)   for whoever examines images: the whole file on this machine, mapped into memory
    folder(stack)    the same as a folder, for engines that want one
    texts(stack)     for whoever shows findings: pages of it, straight from the object store
    pointer(stack)   which one it is

One machine keeps the file once: its folder has a second name of the object. Elsewhere it is copied, once a process and
database, into the temporary folder. A pointer that moves on is noticed with the next call.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import time
from array import array
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from chalicelib.advisories.database import DATABASE_FILE, METADATA_FILE, Database
from chalicelib.advisories.models import DatabaseMetadata, Description
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.ports.objects import ObjectMissing, Objects, Reading
from chalicelib.ports.stack import Stack

from . import database_rows
from . import database_store as store
from .database_models import DatabasePointer, DatabaseRecord

# Folders that a crash left half-made. No download takes as long.
_LEFT_S: Final = 2 * 3600
_PART: Final = ".part"
# Of reads of the object store, each of which waits for the one before it.
_AT_ONCE: Final = 8
# A pointer can move on, and the database behind it go, while it is being looked at.
_ATTEMPTS: Final = 3


def current(stack: Stack) -> Database | None:
    """None where there is none. `opened` says which one it is, too."""
    return opened(stack)[1]


def opened(stack: Stack) -> tuple[DatabaseRecord | None, Database | None]:
    """The database with what is known of it: both or neither."""
    return stack.keep("vulnerability database", lambda: _Local(stack)).opened()


def pointer(stack: Stack) -> DatabasePointer | None:
    return store.pointer(stack.table)


def folder(stack: Stack) -> Path | None:
    """A folder with `trivy.db` and `metadata.json`, to be read only: the file is the service's own."""
    record, _ = opened(stack)
    return None if record is None else place_of(stack, record.digest)


def texts(stack: Stack) -> Describer:
    return stack.keep("vulnerability texts", lambda: Describer(stack))


def rows(stack: Stack, record: DatabaseRecord) -> array[int]:
    """What `database_rows` kept of a database. Raises ObjectMissing."""
    reading = _objects(stack).get(store.object_key(record.digest, record.attempt, store.ROWS_FILE))
    try:
        return database_rows.unpacked(b"".join(reading.chunks()))
    finally:
        reading.close()


def place_of(stack: Stack, digest: str) -> Path:
    return _root(stack) / digest.replace(":", "-")


@contextmanager
def scratch(stack: Stack) -> Iterator[Path]:
    """An empty folder that goes away, on the disk that databases lie on. What crashes left of others goes too."""
    for found in _root(stack).glob(f"*{_PART}"):
        if _age_s(found) > _LEFT_S:
            shutil.rmtree(found, ignore_errors=True)
    made = _root(stack) / f"{new_id()}{_PART}"
    made.mkdir(mode=0o700)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


class _Local:
    """One process's copy. Databases that nobody reads any more are unmapped by themselves."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._lock = threading.Lock()
        self._record: DatabaseRecord | None = None
        self._database: Database | None = None

    def opened(self) -> tuple[DatabaseRecord | None, Database | None]:
        with self._lock:
            for _ in range(_ATTEMPTS):
                used = store.pointer(self._stack.table)
                if used is None:
                    return None, None
                if self._record is None or used.record.digest != self._record.digest:
                    try:
                        self._database = Database.open(_fetched(self._stack, used.record))
                    except (ObjectMissing, FileNotFoundError):
                        continue
                    _clear(self._stack, keep=used.record.digest)
                # Built anew, the same file can have become younger.
                self._record = used.record
                return self._record, self._database
            raise Unavailable("the vulnerability database changes all the time; try again", retry_after_s=30)


class Describer:
    """Texts, scores and references of vulnerabilities, from the database in use."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._lock = threading.Lock()
        self._attempt = ""
        self._database: Database | None = None

    def describe(self, ids: Iterable[str]) -> dict[str, Description]:
        """Of those that it knows; nothing where there is no database. Raises Unavailable."""
        wanted = list(dict.fromkeys(ids))
        for _ in range(_ATTEMPTS):
            database = self._opened()
            if database is None or not wanted:
                return {}
            try:
                return _described(database, wanted)
            except ObjectMissing:
                with self._lock:
                    self._attempt = ""
        raise Unavailable("the vulnerability database changes all the time; try again", retry_after_s=30)

    def _opened(self) -> Database | None:
        # Loaded with the first page of findings: functions that show none do without.
        from .database_pages import ObjectPages

        used = store.pointer(self._stack.table)
        if used is None:
            return None
        record = used.record
        with self._lock:
            if record.attempt != self._attempt:
                key = store.object_key(record.digest, record.attempt, DATABASE_FILE)
                self._database = Database(ObjectPages(_objects(self._stack), key, record.size), metadata_of(record))
                self._attempt = record.attempt
            return self._database


def metadata_of(record: DatabaseRecord) -> DatabaseMetadata:
    return DatabaseMetadata(
        version=record.version,
        updated_at=record.updated_at,
        next_update=record.next_update,
        demonstration=record.demonstration,
    )


def _described(database: Database, ids: list[str]) -> dict[str, Description]:
    if len(ids) < _AT_ONCE:
        return database.describe(ids)
    found: dict[str, Description] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for some in pool.map(database.describe, (ids[at::_AT_ONCE] for at in range(_AT_ONCE))):
            found.update(some)
    return found


def _fetched(stack: Stack, record: DatabaseRecord) -> Path:
    """The folder of the database, made if it is not here. Raises ObjectMissing where it is gone from the store."""
    place = place_of(stack, record.digest)
    if _whole(place, record):
        return place
    with scratch(stack) as part:
        for name in (DATABASE_FILE, METADATA_FILE):
            reading = _objects(stack).get(store.object_key(record.digest, record.attempt, name))
            try:
                _take(reading, part / name, record.digest if name == DATABASE_FILE else "")
            finally:
                reading.close()
        try:
            part.rename(place)
        except OSError:
            # Another process was faster; or, after a power cut, what stands there is not whole.
            if not _whole(place, record):
                shutil.rmtree(place, ignore_errors=True)
                part.rename(place)
    return place


def _whole(place: Path, record: DatabaseRecord) -> bool:
    try:
        return (place / DATABASE_FILE).stat().st_size == record.size and (place / METADATA_FILE).is_file()
    except (FileNotFoundError, NotADirectoryError):
        return False


def _take(reading: Reading, path: Path, digest: str) -> None:
    """Another name of the same file where the store is this machine's disk, else a copy that is compared."""
    if reading.descriptor is not None:
        try:
            os.link(os.readlink(f"/proc/self/fd/{reading.descriptor}"), path)
        except OSError:  # Another disk, or a system without /proc: then it is copied.
            path.unlink(missing_ok=True)
        else:
            return
    hashed = hashlib.sha256()
    with path.open("xb") as file:
        for piece in reading.chunks():
            hashed.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if digest and f"sha256:{hashed.hexdigest()}" != digest:
        raise Unavailable("the object store answered another vulnerability database than was written")


def _clear(stack: Stack, keep: str) -> None:
    """Older databases go; whoever still has one mapped keeps what it reads."""
    kept = place_of(stack, keep)
    for found in _root(stack).iterdir():
        if found != kept and found.suffix != _PART:
            shutil.rmtree(found, ignore_errors=True)


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _root(stack: Stack) -> Path:
    settings = stack.settings
    if settings.one_machine:
        root = settings.data.resolve() / "vulnerabilities"
    else:
        root = Path(tempfile.gettempdir()) / f"crs-vulnerabilities-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    if root.stat().st_uid != os.getuid():
        raise Unavailable(f"{root} belongs to somebody else")
    return root


def _objects(stack: Stack) -> Objects:
    return stack.objects(stack.settings.bucket)
