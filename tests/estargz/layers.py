"""Layers for tests, and what becomes of them."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import NamedTuple

from chalicelib.estargz.conversion import convert
from chalicelib.estargz.models import Converted, Recipe
from chalicelib.estargz.toc import Toc, TocEntry
from chalicelib.estargz.verification import verify
from chalicelib.layers.entries import Limits
from tests.layers import archives

USUAL = Limits()


class Layer(NamedTuple):
    """tar: what the blob decompresses to."""

    converted: Converted
    blob: bytes
    tar: bytes
    toc: Toc

    def entry(self, path: str) -> TocEntry:
        return next(entry for entry in self.toc.entries if entry.path == path and entry.type != "chunk")

    @property
    def names(self) -> list[str]:
        return [entry.name for entry in self.toc.entries if entry.type != "chunk"]


def converted(data: bytes, *files: str, workers: int = 1, limits: Limits = USUAL, chunk: int = 100_000) -> Layer:
    """Verified, as each of them has to be."""
    parts: list[bytes] = []
    result = convert(archives.chunked(data, chunk), Recipe(files), parts.append, workers=workers, limits=limits)
    blob = b"".join(parts)
    return Layer(result, blob, gzip.decompress(blob), verified(blob, result.toc_digest))


def verified(blob: bytes, toc_digest: str = "") -> Toc:
    return verify(lambda at, size: blob[at : at + size], len(blob), toc_digest)


class Fact(NamedTuple):
    """An entry as the standard library reads it."""

    name: str
    type: bytes
    mode: int
    owner: tuple[int, int, str, str]
    modified: float
    target: str
    device: tuple[int, int]
    records: tuple[tuple[str, str], ...]
    content: bytes


def facts(tar: bytes) -> list[Fact]:
    found = []
    with tarfile.open(fileobj=io.BytesIO(tar), errorlevel=2) as archive:
        for info in archive:
            content = archive.extractfile(info) if info.isreg() else None
            # That of the landmark is the one thing that is added.
            records = {key: value for key, value in info.pax_headers.items() if (key, value) != ("comment", "\x0f")}
            found.append(
                Fact(
                    info.name,
                    info.type,
                    info.mode,
                    (info.uid, info.gid, info.uname, info.gname),
                    info.mtime,
                    info.linkname,
                    (info.devmajor, info.devminor) if info.isdev() else (0, 0),
                    tuple(sorted(records.items())),
                    content.read() if content else b"",
                )
            )
    return found


def file(name: str, content: bytes = b"", **told: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in told.items():
        setattr(info, key, value)
    return info, content


def folder(name: str, uid: int = 0) -> tuple[tarfile.TarInfo, bytes]:
    return file(name, type=tarfile.DIRTYPE, mode=0o755, uid=uid)


def link(name: str, target: str, kind: bytes = tarfile.LNKTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return file(name, type=kind, linkname=target)


def tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, errors="surrogateescape") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
