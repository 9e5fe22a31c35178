"""``python -m benchmarks.conversion``: how fast layers become loadable lazily, and in how much memory.

Each layer is converted by a process of its own, in turn by ours and by the format's own Go library (`.ci/go-stargz`),
with one core's work and with two. Two more layers ask for memory: a file of 2 GiB, and half a million entries. What
that means for a function on AWS is reckoned at the end. Prints a section; ``--page FILE`` also writes it there.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.converting import GO, Conversion, by_go, ours
from benchmarks.layer_samples import Sample, many_entries, one_file, real_layers
from benchmarks.sections import where, write_section

_MB, _MIB = 1_000_000, 1 << 20
_SMALLEST = 5 * _MB
# Packed; what takes minutes is converted once.
_LONG = 60 * _MB
_FUNCTION_S, _FUNCTION_MB, _FUNCTION_DISK_MB = 900, 3538, 10_240 * 1.048576
_ASKED_MB = 2048 * 1.048576
_MARGIN = 2


@dataclass(frozen=True)
class Extent:
    images: tuple[str, ...]
    mebibytes: int
    entries: int
    rounds: int


_QUICK = Extent(("python",), 256, 50_000, 1)
_FULL = Extent(("python", "node", "large"), 2048, 500_000, 3)


@dataclass(frozen=True)
class Way:
    name: str
    run: Callable[[Path, Path], Conversion]


@dataclass(frozen=True)
class Measured:
    """Medians; of the ways, in their order."""

    sample: Sample
    raw: int
    found: tuple[Conversion, ...]


def _ways() -> list[Way]:
    mine = [Way(f"ours, {workers}", partial(ours, workers=workers)) for workers in (1, 2)]
    if not GO.is_file():
        print(f"{GO} is missing: .ci/go-stargz builds it; measured without it", file=sys.stderr)
        return mine
    levels = {"6": "6", "9": "default"}
    return mine + [
        Way(f"Go {told}, {cores}", partial(by_go, level=level, cores=cores))
        for told, level in levels.items()
        for cores in (1, 2)
    ]


def _measure(samples: Sequence[Sample], ways: Sequence[Way], rounds: int, folder: Path) -> Iterator[Measured]:
    """Ways take turns, so that what else the machine does falls on all of them."""
    for sample in samples:
        print(f"converting {sample.name}", file=sys.stderr)
        runs: list[list[Conversion]] = [[] for _ in ways]
        for _ in range(1 if sample.file.stat().st_size > _LONG else rounds):
            for number, way in enumerate(ways):
                runs[number].append(way.run(sample.file, folder / "converted"))
        yield Measured(sample, runs[0][0].raw, tuple(_middle(found) for found in runs))


def _middle(found: Sequence[Conversion]) -> Conversion:
    one = found[0]
    wall_s, cpu_s = median(each.wall_s for each in found), median(each.cpu_s for each in found)
    return Conversion(wall_s, cpu_s, one.size, one.raw, one.entries, max(each.memory for each in found))


def _speeds(measured: Sequence[Measured], ways: Sequence[Way]) -> Iterator[str]:
    yield "MB of uncompressed layer a second, of a core (CPU seconds of all threads) and by the clock:\n"
    heads = [f"{way.name}: core | clock" for way in ways]
    yield f"| layer | MB | packed | {' | '.join(heads)} |\n" + "| --- " * (3 + 2 * len(ways)) + "|"
    for one in measured:
        rates = (f"{one.raw / _MB / run.cpu_s:.0f} | {one.raw / _MB / run.wall_s:.0f}" for run in one.found)
        packed = one.sample.file.stat().st_size / _MB
        yield f"| {one.sample.name} | {one.raw / _MB:,.0f} | {packed:,.0f} | {' | '.join(rates)} |"
    raw = sum(one.raw for one in measured)
    cpu = [sum(one.found[number].cpu_s for one in measured) for number in range(len(ways))]
    wall = [sum(one.found[number].wall_s for one in measured) for number in range(len(ways))]
    whole = (f"**{raw / _MB / c:.0f}** | {raw / _MB / w:.0f}" for c, w in zip(cpu, wall, strict=True))
    yield f"| all | {raw / _MB:,.0f} | | {' | '.join(whole)} |"


def _sizes(measured: Sequence[Measured], ways: Sequence[Way]) -> Iterator[str]:
    yield "\nSize beside the source, and the most memory that a process took, Python and modules included:\n"
    shown = range(1, len(ways), 2)
    yield (
        f"| layer | {' | '.join(f'{ways[number].name}: size | MiB' for number in shown)} |\n"
        + "| --- " * (1 + 2 * len(shown))
        + "|"
    )
    for one in measured:
        packed = one.sample.file.stat().st_size
        told = (
            f"{(one.found[number].size / packed - 1) * 100:+.1f} % | {one.found[number].memory / _MIB:.0f}"
            for number in shown
        )
        yield f"| {one.sample.name} | {' | '.join(told)} |"


def _large(samples: Sequence[Sample], folder: Path) -> Iterator[str]:
    yield "\nLayers that ask much, two workers; a list names a file of the layer, which means two passes:\n"
    yield "| layer | MB | list | s | MB/s | MiB of memory |\n" + "| --- " * 6 + "|"
    for sample in samples:
        for first in ((), ("srv/data", "srv/0000/001.txt")):
            print(f"converting {sample.name}, {len(first)} first", file=sys.stderr)
            run = ours(sample.file, folder / "converted", 2, first)
            rate = run.raw / _MB / run.wall_s
            told = "yes" if first else "no"
            numbers = f"{run.raw / _MB:,.0f} | {told} | {run.wall_s:.1f} | {rate:.0f} | {run.memory / _MIB:.0f}"
            yield f"| {sample.name} | {numbers} |"


def _function(measured: Sequence[Measured]) -> Iterator[str]:
    """Two cores are two workers, the second way."""
    slowest = min(one.raw / _MB / one.found[1].wall_s for one in measured)
    fits = _FUNCTION_S / _MARGIN * slowest
    asked = _ASKED_MB / slowest
    yield f"\n### A function on AWS\n\nMemory {_FUNCTION_MB:,} MB, which is two cores; {_FUNCTION_S} s; 10 GiB of disk."
    yield f"At the rate of the slowest layer above, {slowest:.0f} MB/s by the clock with two workers:\n"
    yield f"- a layer of 2 GiB takes {asked:.0f} s, {asked / _FUNCTION_S:.0%} of a function's time. With a list it lies"
    yield f"  on the disk once, uncompressed: {_ASKED_MB / _FUNCTION_DISK_MB:.0%} of it. Without one nothing does."
    yield f"- with half of the time to spare, {fits / 1000:.0f} GB of one layer fit by the clock;"
    yield f"  with a list the disk says {_FUNCTION_DISK_MB * 0.9 / 1000:.1f} GB, a tenth of it to spare."
    yield "- layers are messages of their own: an image takes as long as its largest layer, not as long as their sum."
    yield "- a core of a function is not one of this machine: at half its speed a layer of 2 GiB takes"
    yield f"  {2 * asked:.0f} s, {2 * asked / _FUNCTION_S:.0%} of the time."


def _measured(arguments: argparse.Namespace) -> Iterator[str]:
    extent = _QUICK if arguments.quick else _FULL
    rounds = arguments.rounds or extent.rounds
    ways = _ways()
    yield "## 1. Conversion\n"
    with tempfile.TemporaryDirectory(dir=arguments.data) as name:
        folder = Path(name)
        yield where("benchmarks.conversion", folder)
        images = tuple(arguments.images.split(",")) if arguments.images else extent.images
        measured = list(_measure(real_layers(images, _SMALLEST), ways, rounds, folder))
        yield from _speeds(measured, ways)
        yield from _sizes(measured, ways)
        yield from _large([one_file(extent.mebibytes), many_entries(extent.entries)], folder)
    yield from _function(measured)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one image, small layers, once")
    parser.add_argument("--images", default="", help="some of python,node,large")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--data", default=tempfile.gettempdir())
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    text = "\n".join(_measured(arguments)) + "\n"
    print(text)
    if arguments.page:
        write_section(arguments.page, "Accelerated images", text)


if __name__ == "__main__":
    main()
