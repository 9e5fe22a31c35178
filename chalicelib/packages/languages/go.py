"""Go: the build information that its linker leaves in every program.

    magic (14 bytes) | pointer size | flags | …        since 1.18: version and modules follow as texts
                                            | pointers  before: to Go strings, each a pointer and a length

Source: Go's debug/buildinfo and runtime/debug, whose rules are followed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from chalicelib.layers.entries import MIB

from ..models import Package
from ..reading import MOST_PACKAGES, Unreadable
from .executables import Executable
from .go_flags import choose, is_version, version_from_flags
from .go_symbols import version_symbols

TYPE: Final = "gobinary"
_MAGIC: Final = b"\xff Go buildinf:"
_ALIGNED: Final = 16
_HEADER: Final = 32
_CHUNK: Final = MIB
_INLINE, _BIG_ENDIAN = 2, 1
# Modules' lines stand between two marks of 16 bytes.
_MARK: Final = 16
# The largest programs of Go have 500 modules, in 50 KB.
_LARGEST_MODULES: Final = 4 * MIB
_DEVELOPMENT: Final = "(devel)"
# A version made up from a commit, where none was given: golang.org/ref/mod#pseudo-versions.
_PSEUDO: Final = re.compile(
    r"v[0-9]+\.(0\.0-|\d+\.\d+-([^+]*\.)?0\.)\d{14}-[A-Za-z0-9]+(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)


@dataclass(slots=True)
class _Built:
    """modules: name and version of what counts after replacements, but for the main one."""

    main: tuple[str, str] | None = None
    modules: list[tuple[str, str]] = field(default_factory=list)
    flags: str = ""


def go_packages(program: Executable, path: str) -> Iterator[Package]:
    """None of a program that is none of Go. Raises Unreadable for build information that is broken."""
    told = _build_information(program)
    if told is None:
        return
    go_version, text = told
    built = _parsed(text)
    found = {("stdlib", _standard_library(go_version)): None}
    found |= dict.fromkeys((name, _known(version)) for name, version in built.modules if name)
    if built.main and built.main[0]:
        found[built.main[0], _main_version(program, built)] = None
    for name, version in found:
        yield Package(type=TYPE, name=name, version=version, path=path)


def _standard_library(go_version: str) -> str:
    """`go1.22.3 X:boringcrypto` and `go1.26.0-X:nodwarf5` name experiments, which are no part of the version."""
    return "v" + go_version.removeprefix("go").partition(" X:")[0].partition("-X:")[0]


def _known(version: str) -> str:
    return "" if version == _DEVELOPMENT else version


def _main_version(program: Executable, built: _Built) -> str:
    """A real one if there is, else what the linker was told, else what it left in the symbols."""
    if built.main is None:
        return ""
    module, version = built.main[0], _known(built.main[1])
    if version and not (version.count("-") >= 2 and is_version(version) and _PSEUDO.fullmatch(version)):
        return version
    return version_from_flags(module, built.flags) or choose(module, version_symbols(program)) or version


def _build_information(program: Executable) -> tuple[str, str] | None:
    """Go's version, and the lines about modules."""
    address = _find(program)
    header = program.loaded(address, _HEADER) if address is not None else b""
    if address is None or len(header) < _HEADER:
        return None
    pointer_bytes, flags = header[14], header[15]
    if flags & _INLINE:
        version, modules = _inline(program, address + _HEADER)
    elif pointer_bytes in (4, 8):
        layout = (">" if flags & _BIG_ENDIAN else "<") + ("I" if pointer_bytes == 4 else "Q")
        version = _go_string(program, layout, struct.unpack_from(layout, header, 16)[0])
        modules = _go_string(program, layout, struct.unpack_from(layout, header, 16 + pointer_bytes)[0])
    else:
        return None
    if not version:
        return None
    framed = len(modules) >= 2 * _MARK + 1 and modules[-_MARK - 1 : -_MARK] == b"\n"
    text = modules[_MARK:-_MARK] if framed else b""
    return version.decode("utf-8", "replace"), text.decode("utf-8", "replace")


def _find(program: Executable) -> int | None:
    """The address of the magic: in a section of its own, or somewhere in the writable data."""
    section = program.section(".go.buildinfo", "__go_buildinfo") or next(
        (each for each in program.segments if each.writable_data), None
    )
    if section is None:
        return None
    start = -(-section.address // _ALIGNED) * _ALIGNED
    end = section.address + section.memory_bytes
    while start < end:
        data = program.loaded(start, min(_CHUNK, end - start))
        at = data.find(_MAGIC)
        while at >= 0:
            if at % _ALIGNED == 0:
                return start + at
            at = data.find(_MAGIC, at + 1)
        if len(data) < _CHUNK:
            return None
        start += _CHUNK
    return None


def _inline(program: Executable, address: int) -> tuple[bytes, bytes]:
    """Two texts, each after its length. Both empty where either ends before it is through."""
    texts = []
    for _ in range(2):
        length, taken = _varint(program.loaded(address, 10))
        if not taken or length > _LARGEST_MODULES:
            return b"", b""
        text = program.loaded(address + taken, length) if length else b""
        if len(text) < length:
            return b"", b""
        texts.append(text)
        address += taken + length
    return texts[0], texts[1]


def _varint(data: bytes) -> tuple[int, int]:
    value = 0
    for number, byte in enumerate(data):
        value |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return value, number + 1
    return 0, 0


def _go_string(program: Executable, layout: str, address: int) -> bytes:
    size = struct.calcsize(layout)
    header = program.loaded(address, 2 * size)
    if len(header) < 2 * size:
        return b""
    (start,), (length,) = struct.unpack_from(layout, header), struct.unpack_from(layout, header, size)
    data = program.loaded(start, length) if 0 < length <= _LARGEST_MODULES else b""
    return data if len(data) == length else b""


def _parsed(text: str) -> _Built:
    """Lines of `go version -m`: what kind, then columns with tabs between."""
    built = _Built()
    replaceable = False
    for number, line in enumerate(text.split("\n")[:-1], 1):
        kind, _, rest = line.partition("\t")
        columns = rest.split("\t")
        if kind in {"mod", "dep"}:
            if len(columns) not in (2, 3):
                raise Unreadable(f"line {number} of its build information has {len(columns)} columns")
            if kind == "mod":
                built.main = (columns[0], columns[1])
            else:
                built.modules.append((columns[0], columns[1]))
            replaceable = kind == "dep"
        elif kind == "=>":
            if len(columns) != 3:
                raise Unreadable(f"line {number} of its build information has {len(columns)} columns")
            # The main module keeps its name whatever replaces it.
            if replaceable:
                built.modules[-1] = (columns[0], columns[1])
            replaceable = False
        elif kind == "build" and not built.flags and rest.startswith("-ldflags="):
            built.flags = _unquoted(rest.removeprefix("-ldflags="))
        if len(built.modules) > MOST_PACKAGES:
            raise Unreadable(f"more than {MOST_PACKAGES} modules")
    return built


_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPED: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)


def _unquoted(value: str) -> str:
    """A Go literal's text."""
    if len(value) >= 2 and value[0] == value[-1] == "`":
        return value[1:-1]
    if not (len(value) >= 2 and value[0] == value[-1] == '"'):
        return value

    def plain(found: re.Match[str]) -> str:
        code = found[1]
        if code[0] in "xuU" and len(code) > 1:
            return chr(min(int(code[1:], 16), 0x10FFFF))
        return chr(int(code, 8)) if len(code) == 3 else _ESCAPES.get(code, code)

    return _ESCAPED.sub(plain, value[1:-1])
