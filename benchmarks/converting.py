"""One layer converted by a process of its own: by ours, or by the format's own Go library."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.service_images import TOOLS
from benchmarks.subjects import PROJECT_FOLDER
from chalicelib.estargz.conversion import convert
from chalicelib.estargz.models import Recipe
from chalicelib.layers.entries import Limits

_CHUNK = 256 * 1024
_LONGEST_S = 1800.0
GO = TOOLS / "bin" / "stargz-convert"
"""`.ci/go-stargz` builds it."""


@dataclass(frozen=True)
class Conversion:
    """Bytes and seconds; size of the converted layer, raw of what the source decompresses to, 0 if that is not told."""

    wall_s: float
    cpu_s: float
    size: int
    raw: int
    entries: int
    memory: int


def ours(layer: Path, target: Path, workers: int, first: tuple[str, ...] = ()) -> Conversion:
    command = [sys.executable, "-m", "benchmarks.converting", str(layer), str(target), str(workers), *first]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT_FOLDER).stdout
    return Conversion(**json.loads(told))


def by_go(layer: Path, target: Path, level: str, cores: int) -> Conversion:
    command = [str(GO), str(layer), str(target), level, str(cores)]
    told: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return Conversion(told["seconds"], told["cpu_seconds"], told["bytes"], 0, 0, told["peak_bytes"])


def _convert(layer: Path, target: Path, workers: int, first: tuple[str, ...]) -> Conversion:
    cpu, wall = time.process_time(), time.perf_counter()
    with layer.open("rb") as source, target.open("wb") as output:
        limits = Limits(seconds=_LONGEST_S)
        chunks = iter(lambda: source.read(_CHUNK), b"")
        made = convert(
            chunks, Recipe(first), lambda data: _write(output.fileno(), data), workers=workers, limits=limits
        )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Conversion(wall, cpu, made.size, made.source_bytes, made.entries, memory)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    _layer, _target, _workers, *_first = sys.argv[1:]
    tempfile.tempdir = str(Path(_target).parent)
    print(json.dumps(asdict(_convert(Path(_layer), Path(_target), int(_workers), tuple(_first)))))
