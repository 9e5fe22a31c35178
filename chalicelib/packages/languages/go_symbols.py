"""Versions that Go's linker left in a program's symbols, each as a text of its own: `main.version.str`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from chalicelib.layers.entries import MIB

from .elf import SYMBOLS
from .executables import LARGEST_SECTION, Executable, Section, bytes_at
from .go_flags import is_version, is_version_key

_STEP: Final = MIB
_LONGEST_NAME: Final = 1000
_STRING_SYMBOL: Final = b".str\0"


def version_symbols(program: Executable) -> Iterator[tuple[str, str]]:
    """What `-X` set, for programs built with `-trimpath`, which keeps the flags out of the build information."""
    table = next((each for each in program.sections if program.is_elf and each.kind == SYMBOLS), None)
    if table is None or table.link >= len(program.sections):
        return
    wanted = _version_names(program, program.sections[table.link])
    layout = struct.Struct(program.order + ("IBBHQQ" if program.is_wide else "IIIBBH"))
    step = _STEP // layout.size * layout.size
    # Without such a name, which most programs are, the table is of no interest.
    for start in range(0, table.size_bytes if wanted else 0, step):
        rows = bytes_at(program.content, table.offset + start, min(step, table.size_bytes - start))
        if not rows:
            return
        for row in layout.iter_unpack(rows[: len(rows) // layout.size * layout.size]):
            if key := wanted.get(row[0]):
                section, address, size = (row[3], row[4], row[5]) if program.is_wide else (row[5], row[1], row[2])
                text = _symbol_text(program, section, address, size)
                if is_version(text):
                    yield key, text


def _version_names(program: Executable, names_section: Section) -> dict[int, str]:
    """By where they stand: variables that are called like versions, without the `.str` of their texts."""
    if names_section.size_bytes > LARGEST_SECTION:
        return {}
    names = program.whole(names_section)
    found: dict[int, str] = {}
    end = names.find(_STRING_SYMBOL)
    while end >= 0:
        start = names.rfind(b"\0", max(end - _LONGEST_NAME, 0), end) + 1
        key = names[start:end].decode("utf-8", "replace")
        if start and is_version_key(key):
            found[start] = key
        end = names.find(_STRING_SYMBOL, end + 1)
    return found


def _symbol_text(program: Executable, section: int, address: int, size: int) -> str:
    if not 0 < size < _LONGEST_NAME or section >= len(program.sections):
        return ""
    held = program.sections[section]
    value = bytes_at(program.content, held.offset + address - held.address, size)
    return value.rstrip(b"\0").decode("utf-8", "replace")
