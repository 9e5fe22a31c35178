"""What a layer may hold that is easily lost on the way: folders to make layers of, and archives written by hand.

Root is needed: devices, owners, capabilities.
"""

from __future__ import annotations

import io
import os
import random
import stat
import tarfile
from pathlib import Path

# ping's: the network, for whoever runs it. VFS_CAP_REVISION_2 with the effective bit, little-endian.
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
LONG = "a-folder-of-a-name-that-a-header-of-a-hundred-bytes-does-not-hold" * 2
LARGE_BYTES = 10 * 1024 * 1024 + 123
SMALL_FILES = 3000
# More than seven octal digits hold.
LARGE_OWNER = 3_000_000
_NOON_NS = 1_700_000_000 * 1_000_000_000


def odd_tree(root: Path) -> None:
    """Sparse files, links, devices, rights, extended attributes, names, fractions of seconds."""
    odd = root / "odd"
    for folder in ("sparse", "links", "devices", "rights", "names", "times", "replaced/by-file", "opaque/below"):
        (odd / folder).mkdir(parents=True)
    _sparse(odd / "sparse")
    _links(odd / "links")
    _devices(odd / "devices")
    _rights(odd / "rights")
    _names(odd / "names")
    for fraction in (0, 1, 123_456_789, 500_000_000, 999_999_999):
        _file(odd / "times" / str(fraction), b"", mtime_ns=_NOON_NS + fraction)
    _file(odd / "times" / "first", b"of the epoch", mtime_ns=0)
    for name in (
        "gone",
        "replaced/by-folder",
        "replaced/by-file/lost",
        "replaced/by-link",
        "opaque/a",
        "opaque/below/b",
    ):
        _file(odd / name, name.encode())
    _settle(root)


def changes(root: Path) -> None:
    """What a layer above says of the one that `odd_tree` made: deletions, hidden folders, things that became others."""
    odd = root / "odd"
    (odd / "replaced" / "by-folder").mkdir(parents=True)
    _file(odd / ".wh.gone", b"")
    _file(odd / "replaced" / "by-folder" / "inside", b"a folder now")
    _file(odd / "replaced" / "by-file", b"a file now")
    (odd / "replaced" / "by-link").symlink_to("by-file")
    (odd / "opaque").mkdir()
    _file(odd / "opaque" / ".wh..wh..opq", b"")
    _file(odd / "opaque" / "new", b"all that is left")
    _settle(root)


def sparse_tree(root: Path, name: str) -> None:
    """A file that begins with a hole, has some and ends with one."""
    (root / "holes").mkdir()
    with (root / "holes" / name).open("wb") as file:
        for at in range(1, 6):
            file.seek(at * 1024 * 1024)
            file.write(f"island {at}".encode() * 100)
        file.truncate(7 * 1024 * 1024)
    _settle(root)


def many_files(target: Path) -> None:
    """GNU headers, many small files, one of 10 MB, numbers in base 256, long names."""
    source = random.Random(7)
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        _add_folder(archive, "./")
        for folder in ("many", "many/small", f"many/{LONG}"):
            _add_folder(archive, folder)
        _add(archive, "many/large", source.randbytes(LARGE_BYTES // 2) + bytes(LARGE_BYTES - LARGE_BYTES // 2))
        for number in range(SMALL_FILES):
            _add(archive, f"many/small/{number:05}", source.randbytes(number % 700))
        _add(archive, f"many/{LONG}/{LONG}", b"long", uid=LARGE_OWNER, gid=LARGE_OWNER + 1)
        _add_link(archive, "many/hard", f"many/{LONG}/{LONG}")
        _add_link(archive, "many/soft", f"/many/{LONG}/{LONG}", soft=True)


def twice(target: Path) -> None:
    """One name twice: what comes later holds."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        _add_folder(archive, "./")
        _add(archive, "twice", b"what stood here first")
        _add(archive, "between", b"and what stands between")
        _add(archive, "twice", b"what is left")


def empty(target: Path) -> None:
    """As builders write layers of instructions that changed nothing."""
    target.write_bytes(bytes(1024))


def _sparse(folder: Path) -> None:
    with (folder / "holes").open("wb") as file:
        file.seek(3 * 1024 * 1024)
        file.write(b"far out")
        file.truncate(9 * 1024 * 1024)
    with (folder / "nothing").open("wb") as file:
        file.truncate(5 * 1024 * 1024)


def _links(folder: Path) -> None:
    _file(folder / "first", b"one file, three names")
    (folder / "below").mkdir()
    os.link(folder / "first", folder / "second")
    os.link(folder / "first", folder / "below" / "third")
    (folder / "soft").symlink_to("first")
    (folder / "nowhere").symlink_to("/does/not/exist")
    (folder / ("l" * 60)).symlink_to("../" * 40 + "odd/links/first")
    os.link(folder / "soft", folder / "soft-again", follow_symlinks=False)


def _devices(folder: Path) -> None:
    os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(folder / "disk", 0o660 | stat.S_IFBLK, os.makedev(7, 200))
    os.mkfifo(folder / "queue", 0o640)


def _rights(folder: Path) -> None:
    for name, mode in (("setuid", 0o4755), ("setgid", 0o2755), ("nothing", 0o000), ("all", 0o777)):
        _file(folder / name, name.encode())
        os.chown(folder / name, 1000, 2000)
        (folder / name).chmod(mode)
    (folder / "sticky").mkdir()
    (folder / "sticky").chmod(0o1777)
    _file(folder / "far-owner", b"")
    os.chown(folder / "far-owner", LARGE_OWNER, LARGE_OWNER)
    _file(folder / "capable", b"#!/bin/sh\n")
    os.setxattr(folder / "capable", "security.capability", CAPABILITY)
    os.setxattr(folder / "all", "user.note", "größer".encode())
    os.setxattr(folder / "all", "user.bytes", bytes(range(256)))
    os.setxattr(folder / "sticky", "user.of-a-folder", b"1")


def _names(folder: Path) -> None:
    for name in (
        "空のファイル",
        "größe",
        "with spaces",
        'quo"te',
        "new\nline",
        "e\u0301-and-é",
        "-dash",
        ".hidden",
        "wh.",
        "é" * 120,
    ):
        _file(folder / name, name.encode())
    deep = folder
    for number in range(12):
        deep = deep / f"{number}-{'d' * 30}"
        deep.mkdir()
    _file(deep / ("f" * 200), b"deep")
    _file(folder / "stargz.index.json", b"{}")
    _file(folder / ".prefetch.landmark", b"a name below the root means nothing")


def _file(path: Path, content: bytes, mtime_ns: int = _NOON_NS) -> None:
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))


def _settle(root: Path) -> None:
    """Times that do not tell when the tree was made, so that it makes the same layer again."""
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        if status.st_mtime_ns > _NOON_NS + 1_000_000_000:
            os.utime(path, ns=(_NOON_NS, _NOON_NS + 250_000_000), follow_symlinks=False)
    root.chmod(0o755)


def _add_folder(archive: tarfile.TarFile, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, 1_700_000_001
    archive.addfile(member)


def _add(archive: tarfile.TarFile, name: str, content: bytes, uid: int = 0, gid: int = 0) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime, member.uid, member.gid = len(content), 0o644, 1_700_000_002, uid, gid
    archive.addfile(member, io.BytesIO(content))


def _add_link(archive: tarfile.TarFile, name: str, target: str, soft: bool = False) -> None:
    """Of a hard link, rights, owner and time as its target has them: containerd gives the file what comes last."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE if soft else tarfile.LNKTYPE, target
    member.mode, member.uid, member.gid = (0o777, 0, 0) if soft else (0o644, LARGE_OWNER, LARGE_OWNER + 1)
    member.mtime = 1_700_000_002
    archive.addfile(member)
