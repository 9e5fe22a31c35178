"""Rust: the list of crates that cargo-auditable leaves in a program, as packed JSON in a section of its own."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Final

from chalicelib.layers.entries import MIB

from ..models import Package
from ..reading import Unreadable
from .documents import json_object, listed, text
from .executables import Executable

TYPE: Final = "rustbinary"
# The others are what its first releases wrote, on each system.
_SECTIONS: Final = (".dep-v0", ".rust-deps-v0", "rdep-v0", "rust-deps-v0")
_RUNTIME: Final = "runtime"
# The largest programs of Rust have a thousand crates, in 100 KB.
_LARGEST: Final = 4 * MIB


def rust_packages(program: Executable, path: str) -> Iterator[Package]:
    """None of a program without such a section. What only its making needed is no part of it."""
    section = program.section(*_SECTIONS)
    if section is None:
        return
    document = json_object(BytesIO(_unpacked(program.whole(section))))
    for crate in listed(document.get("packages"), "packages"):
        if text(crate.get("kind"), "kind") in ("", _RUNTIME):
            name, version = text(crate.get("name"), "name"), text(crate.get("version"), "version")
            yield Package(type=TYPE, name=name, version=version, path=path)


def _unpacked(data: bytes) -> bytes:
    inflate = zlib.decompressobj()
    try:
        unpacked = inflate.decompress(data, _LARGEST)
    except zlib.error as error:
        raise Unreadable(f"its list of crates is corrupt: {error}") from None
    if not inflate.eof:
        raise Unreadable("its list of crates is truncated or too large")
    return unpacked
