"""A walk over two trees of files: every name, and all that a file system tells of it.

found = walk(folder)                      path below the folder → Entry
differences(before, after)                one line each; an image pulled in two ways has none
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

NANOSECONDS = 1_000_000_000
_KINDS = {
    stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "symlink", stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """
    mtime_ns  of its content, in nanoseconds
    device    major and minor, of devices
    target    of symbolic links
    links     every path below the folder that is the same file, sorted, if there is more than one
    content   sha256, of regular files
    """

    kind: str
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    size: int = 0
    device: tuple[int, int] = (0, 0)
    target: str = ""
    links: tuple[str, ...] = ()
    xattrs: tuple[tuple[str, bytes], ...] = ()
    content: str = ""


def walk(folder: Path) -> dict[str, Entry]:
    """The folder itself is `.`. Nothing in it is followed to elsewhere."""
    paths = {".": folder, **{str(path.relative_to(folder)): path for path in _below(folder)}}
    found = {name: path.lstat() for name, path in paths.items()}
    same: dict[tuple[int, int], list[str]] = defaultdict(list)
    for name, status in found.items():
        if not stat.S_ISDIR(status.st_mode):
            same[status.st_dev, status.st_ino].append(name)
    return {
        name: _entry(paths[name], status, sorted(same.get((status.st_dev, status.st_ino), [])))
        for name, status in found.items()
    }


def differences(before: Mapping[str, Entry], after: Mapping[str, Entry], *, whole_seconds: bool = False) -> list[str]:
    """whole_seconds: times are compared as a format tells them that knows no fractions."""
    told = [f"{name} is gone" for name in sorted(before.keys() - after.keys())]
    told += [f"{name} is new" for name in sorted(after.keys() - before.keys())]
    for name in sorted(before.keys() & after.keys()):
        was, became = asdict(before[name]), asdict(after[name])
        if whole_seconds:
            was["mtime_ns"] //= NANOSECONDS
            became["mtime_ns"] //= NANOSECONDS
        told += [f"{name}: {what} {was[what]!r} → {became[what]!r}" for what in was if was[what] != became[what]]
    return told


def _below(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        children = sorted(entries, key=lambda entry: entry.name)
    found = []
    for child in children:
        found.append(Path(child.path))
        if child.is_dir(follow_symlinks=False):
            found += _below(Path(child.path))
    return found


def _entry(path: Path, status: os.stat_result, links: list[str]) -> Entry:
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    is_device = kind.endswith("device")
    return Entry(
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        owner=(status.st_uid, status.st_gid),
        mtime_ns=status.st_mtime_ns,
        size=status.st_size if kind == "file" else 0,
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if is_device else (0, 0),
        target=os.readlink(path) if kind == "symlink" else "",
        links=tuple(links) if len(links) > 1 else (),
        xattrs=tuple(
            (name, os.getxattr(path, name, follow_symlinks=False))
            for name in sorted(os.listxattr(path, follow_symlinks=False))
        ),
        content=_sha256(path) if kind == "file" else "",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
