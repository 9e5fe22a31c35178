"""Rust: Cargo.lock, which scanners count in images too, though it tells what was asked for, not what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..models import Package
from ..reading import Places, Told, Unreadable, lines

TYPE: Final = "cargo"
_FILE: Final = "Cargo.lock"
_FIELD: Final = re.compile(r"(name|version)\s*=(.*)")
_VALUE: Final = re.compile(r"""\s*("{3}|'{3}|"|')((?:[^"'\\]|\\.)*)\1\s*(?:#.*)?""")
_TABLE: Final = re.compile(r"\[{1,2}[^\]]+\]{1,2}\s*(?:#.*)?")


class CargoReader:
    """Cargo writes it itself, so that reading it line by line does; TOML by hand would read the same."""

    name = "cargo"
    places = Places(names=frozenset({_FILE}))

    def wants(self, entry: Entry) -> bool:
        return entry.path.rpartition("/")[2] == _FILE

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        packages = [
            Package(type=TYPE, name=each.get("name", ""), version=each.get("version", ""), path=path)
            for each in _tables(content)
        ]
        return Told(packages=packages)


def _tables(content: BinaryIO) -> Iterator[dict[str, str]]:
    """Each `[[package]]`'s name and version; none of either has a character that TOML would escape."""
    current: dict[str, str] | None = None
    for line in lines(content):
        stripped = line.strip()
        if _TABLE.fullmatch(stripped):
            if current is not None:
                yield current
            current = {} if stripped.startswith("[[package]]") else None
        elif current is not None and (found := _FIELD.fullmatch(stripped)):
            value = _VALUE.fullmatch(found[2])
            if not value:
                raise Unreadable(f"its {found[1]} is no text")
            current[found[1]] = value[2]
    if current is not None:
        yield current
