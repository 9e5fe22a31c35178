"""Programs: whether Go or Rust made them, and of what. One look at each file tells both."""

from __future__ import annotations

from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..models import Package
from ..reading import Places, Told, Unreadable
from .elf import MAGIC, read_elf
from .foreign import MACH, PE, read_mach, read_pe
from .go import go_packages
from .rust import rust_packages

_SMALLEST: Final = 64


class BinaryReader:
    name = "binary"
    places = Places(endings=frozenset({".exe"}), executables=True)

    def wants(self, entry: Entry) -> bool:
        return entry.size >= _SMALLEST and entry.peek(4).startswith((MAGIC, PE, *MACH))

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        start = content.read(4)
        readers = {MAGIC: read_elf, **dict.fromkeys(MACH, read_mach)}
        program = readers.get(start, read_pe)(content)
        if program is None:
            return Told()
        packages: list[Package] = []
        problems: list[str] = []
        for packages_of in (go_packages, rust_packages):
            try:
                packages += packages_of(program, path)
            except Unreadable as error:
                problems.append(str(error))
        return Told(packages=packages, problem="; ".join(problems))
