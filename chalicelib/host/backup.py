"""Backup of a data folder while its service runs, and restore.

    T   the tables, each by SQLite's own backup: one consistent state each, `table.sqlite3` first
        then every object that these tables know of and the backup does not hold yet, under the name it has
        then the tables are given their names, then what the data folder no longer holds is removed
    ─────────────────────────────────────────────────────────────────────────────────────────► time

Rows first, objects second is safe because of three promises. A row that names bytes is written after the bytes are
whole, so all that the tables of T name existed at T. Objects are never written twice, so what is copied later is what
it was at T. Bytes are deleted `tombstone_s` (a day) after their row let go of them, and not before, so nothing that
was alive at T can vanish before T + tombstone_s: a backup that took longer is refused, and the next attempt has less
to copy. Uploads under way are copied as they are; one that ended meanwhile starts again after a restore.

Until its tables have their names, an older backup in the same folder stays whole.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chalicelib.kernel.errors import Conflict, Invalid
from chalicelib.kernel.moment import SystemClock, to_text
from chalicelib.kernel.settings import Settings
from chalicelib.ports import keys
from chalicelib.ports.embedded.spool import EMPTY
from chalicelib.ports.embedded.table import SqliteTable

from .first_start import write_durably
from .lock import LOCK_FILE

SEAL: Final = "backup.json"
_TABLES: Final = ("table.sqlite3", "audit.sqlite3", "queues.sqlite3")
_OF_SQLITE: Final = (".sqlite3", ".sqlite3-wal", ".sqlite3-shm", ".lock")
_NEW: Final = "+tables"
_PARTS: Final = "+parts"
# Second names of objects, by which processes map the vulnerability database.
_CACHES: Final = "vulnerabilities"
_BLOB: Final = re.compile(r"buckets/[^/]+/[^/]+/blobs/[^/]+/([^/]+)")
_FICLONE: Final = 0x40049409  # linux/fs.h: share the blocks, where the file system can


@dataclass(frozen=True)
class Report:
    tables: int
    files: int
    copied: int


def backup(settings: Settings, folder: Path, elapsed_s: Callable[[], float] = time.monotonic) -> Report:
    """Raises Invalid where there is nothing to back up, Conflict on a folder of something else or after too long."""
    data = settings.data.resolve()
    if not (data / _TABLES[0]).is_file():
        raise Invalid("CRS_DATA", f"there is no service's data in {data}")
    folder = folder.resolve()
    _open_target(folder, data)
    began = elapsed_s()
    tables = [name for name in _TABLES if (data / name).exists()]
    for name in tables:
        _copy_table(data / name, folder / _NEW / name)
    names = set(_known(_files(data), folder / _NEW / _TABLES[0]))
    copied = [name for name in sorted(names) if _copy_missing(data, folder, name)]
    if elapsed_s() - began >= settings.tombstone_s:
        raise Conflict("the backup took longer than deleted bytes are kept (CRS_TOMBSTONE_S); start it again")
    os.sync()
    for name in tables:
        (folder / _NEW / name).replace(folder / name)
    shutil.rmtree(folder / _NEW)
    write_durably(folder / SEAL, json.dumps({"made_at": to_text(SystemClock().now()), "tables": tables}))
    for name in set(_files(folder)) - names:
        (folder / name).unlink()
    return Report(len(tables), len(names), len(copied))


def restore(settings: Settings, folder: Path) -> None:
    """Makes the data folder, whole or not at all. Raises Conflict if there is one, Invalid if it is no whole backup."""
    data = settings.data.resolve()
    if not (folder / SEAL).is_file():
        raise Invalid("folder", f"{folder} holds no complete backup")
    if data.exists() and any(entry.name != LOCK_FILE for entry in data.iterdir()):
        raise Conflict(f"the data folder {data} is not empty; move it away first")
    part = data.with_name(data.name + ".restoring")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700, parents=True)
    for name in (*_files(folder), *json.loads((folder / SEAL).read_text())["tables"]):
        _copy(folder / name, part / name)
    os.sync()
    if data.exists():
        shutil.rmtree(data)
    part.replace(data)


def _open_target(folder: Path, data: Path) -> None:
    if folder == data or data in folder.parents:
        raise Invalid("folder", f"a backup may not lie inside the data folder {data}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / SEAL).exists() and not (folder / _NEW).exists():
        raise Conflict(f"{folder} is not empty and holds no backup; name another folder")


def _copy_table(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, exist_ok=True)
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live, closing(sqlite3.connect(target)) as copy:
        target.chmod(0o600)
        live.backup(copy)
        # In this mode the copy is one file, with nothing beside it that could be left behind.
        copy.execute("PRAGMA journal_mode=DELETE")


def _files(root: Path) -> Iterator[str]:
    """Every file but the tables and what is made anew where it is missing, by its path below the root."""
    for folder, _, names in os.walk(root):
        relative = Path(folder).relative_to(root)
        for name in names:
            at_top = relative == Path() and (name.endswith((*_OF_SQLITE, ".part")) or name in (LOCK_FILE, SEAL))
            if not at_top and name != EMPTY and relative.parts[:1] not in ((_NEW,), (_CACHES,)):
                yield str(relative / name)


def _known(names: Iterable[str], tables: Path) -> Iterator[str]:
    """Without the blobs that were finished after T: no upload and no tombstone of that moment names them."""
    rows = SqliteTable(tables)
    try:
        for name in names:
            match = _BLOB.fullmatch(name)
            if not match or rows.get_many([keys.upload(match[1]), keys.tombstone(match[1])]):
                yield name
    finally:
        rows.close()


def _copy_missing(data: Path, folder: Path, name: str) -> bool:
    """Whether it was copied. Objects never change; uploads under way and secrets do, and are copied each time."""
    parts = Path(name).parts
    is_object = parts[0] == "buckets" and _PARTS not in parts
    if is_object and (folder / name).exists():
        return False
    try:
        _copy(data / name, folder / name)
    except FileNotFoundError:
        if (data / name).exists():
            raise
        return False  # an upload that ended, or an event that was handled, since the listing
    return True


def _copy(source: Path, target: Path) -> None:
    """Under its name only once it is whole; sharing blocks where source and target lie on a file system that can."""
    with source.open("rb") as reading:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        with part.open("wb") as writing:
            os.fchmod(writing.fileno(), 0o600)
            try:
                fcntl.ioctl(writing, _FICLONE, reading.fileno())
            except OSError:
                shutil.copyfileobj(reading, writing, 1 << 20)
        part.replace(target)
