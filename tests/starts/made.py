"""Programs, libraries and layers made by hand, as small as they can be."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chalicelib.starts.looking import look

X86_64: Final = 62
ARM64: Final = 183
LOADER: Final = "/lib64/ld-linux-x86-64.so.2"
_ADDRESS: Final = 0x10000


@dataclass(frozen=True)
class Hard:
    """A hard link."""

    target: str


@dataclass(frozen=True)
class Plain:
    """A file that nobody may run."""

    content: bytes


# Bytes are a file that may be run, texts a symlink, None a folder.
What = bytes | str | Hard | Plain | None


def elf(
    *needed: str,
    interpreter: str = "",
    name: str = "",
    runpath: str = "",
    rpath: str = "",
    machine: int = X86_64,
    kind: int = 3,
    wide: bool = True,
    order: str = "<",
    dynamic: bool = True,
    far: int = 0,
) -> bytes:
    """far: bytes between what says where the dynamic section lies, and the section."""
    header, row, word = (64, 56, "Q") if wide else (52, 32, "I")
    loads = interpreter.encode() + b"\0" if interpreter else b""
    count = 1 + bool(interpreter) + dynamic
    loader_at = header + count * row
    strings, tags = b"\0", []
    texts = [(1, each) for each in needed] + [(14, name), (15, rpath), (29, runpath)]
    for tag, text in texts:
        if text:
            tags.append((tag, len(strings)))
            strings += text.encode() + b"\0"
    strings_at = loader_at + len(loads) + far
    tags += [(5, _ADDRESS + strings_at), (10, len(strings)), (0, 0)]
    table = b"".join(struct.pack(order + word * 2, *tag) for tag in tags)
    table_at = strings_at + len(strings)
    end = table_at + len(table)

    def segment(kind: int, at: int, size: int) -> bytes:
        if wide:
            return struct.pack(order + "IIQQQQQQ", kind, 4, at, _ADDRESS + at, 0, size, size, 8)
        return struct.pack(order + "IIIIIIII", kind, at, _ADDRESS + at, 0, size, size, 4, 4)

    rows = segment(1, 0, end)
    if interpreter:
        rows += segment(3, loader_at, len(loads))
    if dynamic:
        rows += segment(2, table_at, len(table))
    start = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    fields = (kind, machine, 1, 0, header, 0, 0, header, row, count, 0, 0, 0)
    start += struct.pack(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), *fields)
    return start + rows + loads + bytes(far) + strings + table


def program(*needed: str, runpath: str = "", rpath: str = "") -> bytes:
    return elf(*needed, interpreter=LOADER, runpath=runpath, rpath=rpath)


def library(*needed: str, name: str = "", runpath: str = "", machine: int = X86_64) -> bytes:
    return elf(*needed, name=name, runpath=runpath, machine=machine)


def tar(files: Mapping[str, What]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, what in files.items():
            info = tarfile.TarInfo(path)
            info.mode = 0o755
            content = b""
            if what is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(what, str):
                info.type, info.linkname = tarfile.SYMTYPE, what
            elif isinstance(what, Hard):
                info.type, info.linkname = tarfile.LNKTYPE, what.target
            elif isinstance(what, Plain):
                info.mode, content = 0o644, what.content
            else:
                content = what
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def layer(files: Mapping[str, What]) -> bytes:
    """Its starts."""
    return look([tar(files)])


def config(
    *entrypoint: str, cmd: Sequence[str] = (), env: Sequence[str] = (), folder: str = ""
) -> Mapping[str, Mapping[str, object]]:
    return {"config": {"Entrypoint": list(entrypoint), "Cmd": list(cmd), "Env": list(env), "WorkingDir": folder}}
