"""Archives for tests, written by the standard library, or by hand where it writes only good ones."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator

from chalicelib.layers.entries import Limits
from chalicelib.layers.reading import read_layer
from chalicelib.layers.zstandard import zstd

END = bytes(1024)
USUAL = Limits()


def chunked(data: bytes, size: int = 100_000) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def header(
    name: bytes, size: int = 0, kind: bytes = b"0", *, target: bytes = b"", size_field: bytes = b"", prefix: bytes = b""
) -> bytes:
    """One header as ustar has it."""
    fields = (
        name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + (size_field or b"%011o\0" % size) + b"%011o\0" % 1000
    )
    rest = kind + target.ljust(100, b"\0") + b"ustar\00000" + bytes(64) + bytes(16) + prefix.ljust(155, b"\0")
    block = (fields + b" " * 8 + rest).ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def entry(name: bytes, content: bytes = b"", kind: bytes = b"0") -> bytes:
    return header(name, len(content), kind) + padded(content)


def pax(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = []
    for key, value in records:
        rest = b" " + key + b"=" + value + b"\n"
        length = len(rest) + 1
        while length != len(str(length)) + len(rest):
            length = len(str(length)) + len(rest)
        lines.append(str(length).encode() + rest)
    return entry(b"PaxHeaders/x", b"".join(lines), b"x")


def tar(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": lambda data: gzip.compress(data, 1, mtime=0),
    "gzip members": lambda data: gzip.compress(data[:700], 1, mtime=0) + gzip.compress(data[700:], 1, mtime=0),
    "zstd": lambda data: zstd.compress(data),
    "zstd frames": lambda data: zstd.compress(data[:700]) + zstd.compress(data[700:]),
    "zstd with an index": lambda data: zstd.compress(data) + b"\x5e\x2a\x4d\x18\x08\0\0\0whatever",
}


def paths(data: bytes, limits: Limits = USUAL) -> list[str]:
    return [entry.path for entry in read_layer(chunked(data), limits)]


def contents(data: bytes, limits: Limits = USUAL) -> dict[str, bytes]:
    """Of its files."""
    return {entry.path: entry.content().read() for entry in read_layer(chunked(data), limits) if entry.kind == "file"}
