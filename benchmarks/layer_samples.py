"""Layers to convert: those of real images, and two that ask much of a converter. Made once, then kept."""

import os
import random
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scanning_image import blob_path, manifest_of
from benchmarks.service_images import SERVICES, TOOLS, ready

_KEPT = TOOLS / "services" / "layers"
_CHUNK = 1 << 20
_SEED = 7


@dataclass(frozen=True)
class Sample:
    name: str
    file: Path


def real_layers(images: tuple[str, ...], smallest: int) -> list[Sample]:
    """Of so many bytes at least, packed; a layer that two images have comes once."""
    found: dict[str, Sample] = {}
    for service in SERVICES:
        if service.name in images and ready(service):
            for number, layer in enumerate(manifest_of(service.layout)[1]["layers"]):
                if layer["size"] >= smallest:
                    kind = layer["mediaType"].rpartition("+")[2]
                    sample = Sample(f"{service.name} {number + 1}, {kind}", blob_path(service.layout, layer["digest"]))
                    found.setdefault(layer["digest"], sample)
    return list(found.values())


def one_file(mebibytes: int) -> Sample:
    """Text of random digits: gzip halves it."""
    return Sample(f"one file of {mebibytes:,} MiB", _made(f"one-{mebibytes}.tar.gz", _one_file(mebibytes)))


def many_entries(count: int) -> Sample:
    """Small files, a thousand to a folder."""
    return Sample(f"{count:,} entries", _made(f"entries-{count}.tar.gz", _many_entries(count)))


def _made(name: str, chunks: Iterator[bytes]) -> Path:
    place = _KEPT / name
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(f".{os.getpid()}")
        with part.open("wb") as file, subprocess.Popen(["gzip", "-1n"], stdin=subprocess.PIPE, stdout=file) as packing:
            assert packing.stdin is not None
            for chunk in chunks:
                packing.stdin.write(chunk)
            packing.stdin.close()
        part.rename(place)
    return place


def _one_file(mebibytes: int) -> Iterator[bytes]:
    chance = random.Random(_SEED)
    yield _header("srv/data", mebibytes * _CHUNK)
    for _ in range(mebibytes):
        yield chance.randbytes(_CHUNK // 2).hex().encode()
    yield bytes(1024)


def _many_entries(count: int) -> Iterator[bytes]:
    for number in range(count):
        if number % 1000 == 0:
            yield _header(f"srv/{number // 1000:04d}", 0, tarfile.DIRTYPE)
        elif number:
            text = f"{number}\n".encode()
            yield _header(f"srv/{number // 1000:04d}/{number % 1000:03d}.txt", len(text)) + text.ljust(512, b"\0")
    yield bytes(1024)


def _header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.mode = size, kind, 0o755
    return entry.tobuf(tarfile.GNU_FORMAT)
