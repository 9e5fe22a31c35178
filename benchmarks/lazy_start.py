"""``python -m benchmarks.lazy_start``: what has to be loaded until a container can answer its first request.

For each of three images (`benchmarks.service_images`) the working set of its entrypoint is traced, page by page. The
image is pushed to the service and accelerated there three times: without files that come first, with those that the
service finds by itself, and with the traced list. Then a client reads the working set over HTTP, of the image pulled
whole and of each accelerated one (`benchmarks.lazy_client`); last the bad case, a program that reads every file.
Linux, as root, for the trace. Prints a section; ``--page FILE`` also writes it there, and a plot beside it.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.acceleration_service import SUFFIX, Accelerated, Repository, serving
from benchmarks.bars import Panel, draw
from benchmarks.lazy_replay import Start, load_all_lazily, load_lazily, pull_whole
from benchmarks.scanning_image import blob_path, manifest_of
from benchmarks.sections import where, write_section
from benchmarks.service_images import SERVICES, Service, ready
from benchmarks.working_set import WorkingSet, trace

_TAG = "v1"
_MB = 1_000_000
# A list that names nothing of the image: without any, the service finds some files by itself.
_NOTHING = ("/no/such/file",)
_WAYS = ("no list", "found by itself", "traced list")
PLOT = "lazy-start.svg"


@dataclass(frozen=True)
class Compared:
    """starts: of `_WAYS`, in their order; unpack_s: to write all of a plain image to the disk, None if not measured"""

    service: Service
    needed: WorkingSet
    plain: Start
    unpack_s: float | None
    starts: tuple[Start, ...]
    conversions: tuple[Accelerated, ...]
    everything: Start | None

    @property
    def packed(self) -> int:
        return sum(layer["size"] for layer in manifest_of(self.service.layout)[1]["layers"])

    @property
    def plain_s(self) -> float:
        return self.plain.link_s + (self.unpack_s or 0.0)


def compare(service: Service, port: int, trace_port: int, whole: bool) -> Compared:
    """whole: with what takes long, unpacking and the bad case."""
    needed = trace(service, trace_port)
    lists = (_NOTHING, (), tuple(f"/{path}" for path in needed.files))
    plain: Start | None = None
    starts, conversions = [], []
    for number, files in enumerate(lists):
        repository = Repository(port, f"{service.name}-{number}")
        repository.create()
        if files:
            repository.tell_first_files(files)
        repository.push_image(service.layout, _TAG)
        print(f"{service.name}: accelerating, {_WAYS[number]}", file=sys.stderr)
        conversions.append(repository.accelerate(_TAG))
        plain = plain or pull_whole(repository.reading(), _TAG)
        starts.append(load_lazily(repository.reading(), _TAG + SUFFIX, needed))
    assert plain is not None
    everything = load_all_lazily(repository.reading(), _TAG + SUFFIX) if whole else None
    unpack_s = _unpacked(service) if whole else None
    return Compared(service, needed, plain, unpack_s, tuple(starts), tuple(conversions), everything)


def _unpacked(service: Service) -> float:
    """One layer after the other, as runtimes unpack them, by the fastest program at hand."""
    with tempfile.TemporaryDirectory(dir=service.layout.parent) as folder:
        began = time.perf_counter()
        for layer in manifest_of(service.layout)[1]["layers"]:
            packing = "--zstd" if layer["mediaType"].endswith("zstd") else "--gzip"
            layers = str(blob_path(service.layout, layer["digest"]))
            subprocess.run(["tar", "-C", folder, packing, "-xf", layers], check=True)
        return time.perf_counter() - began


def _table(found: list[Compared]) -> Iterator[str]:
    yield "| image | how | requests | of them in a row | MB | s here | s over the link |\n" + "| --- " * 7 + "|"
    for one in found:
        rows = [("pulled whole", one.plain), *zip((f"lazy, {way}" for way in _WAYS), one.starts, strict=True)]
        if one.everything is not None:
            rows.append(("lazy, everything is read", one.everything))
        for name, start in rows:
            unpack_s = one.unpack_s if start is one.plain else None
            link = f"{start.link_s:.2f}" + (f" + {unpack_s:.1f} unpacking" if unpack_s else "")
            told = (
                f"{start.requests:,} | {start.round_trips:,} | {start.size / _MB:,.1f} | {start.seconds:.2f} | {link}"
            )
            yield f"| {one.service.title} | {name} | {told} |"


def _parts(found: list[Compared]) -> Iterator[str]:
    yield "\nWhere the requests and bytes of the accelerated ones go:\n"
    yield "| image | how | mounted | before the landmark | while it starts |\n" + "| --- " * 5 + "|"
    for one in found:
        for name, start in zip(_WAYS, one.starts, strict=True):
            parts = (start.mounting, start.prefetched, start.loaded)
            told = (f"{part.requests:,} requests, {part.size / _MB:,.1f} MB" for part in parts)
            yield f"| {one.service.title} | {name} | {' | '.join(told)} |"


def _said(found: list[Compared]) -> Iterator[str]:
    yield "\nThe images, and what was measured of them:\n"
    for one in found:
        needed = one.needed
        took = ", ".join(f"{name} {done.wall_s:.1f} s" for name, done in zip(_WAYS, one.conversions, strict=True))
        whole = sum(start.whole for start in one.starts)
        yield (
            f"- {one.service.title}: {one.packed / _MB:,.0f} MB packed; {len(needed.files):,} files, "
            f"{needed.size / _MB:,.1f} MB of them are read until the answer, which takes {needed.seconds:.1f} s "
            f"on the local disk. Accelerated in: {took}. "
            f"Requests that a whole layer came for: {whole}. Files that no layer has: {one.starts[0].missing}."
        )


_HOW = """
**How to read it.** *Requests* until every byte is there that the entrypoint read before it had answered once; *in a
row* are those that wait for each other. *s here*: over loopback, decompressing and checking included. *s over the
link*: arithmetic for 400 Mbit/s and 5 ms to and fro, the registry's own time left out. Unpacking: all layers by `tar`
on this machine's disk; a lazy image is not unpacked. What the program itself computes comes on top of all of them.
The working set is what the kernel brought into memory of the image's files, its read-ahead of 128 KiB included; the
client reads in order, chunk by chunk, and loads nothing in the background.
The bad case, *everything is read*, is of the image with the traced list: far more requests than a pull has, and a
longer wait for them. Only that nothing has to be unpacked makes up for it.
"""


def _plot(found: list[Compared]) -> str:
    series = ("pulled whole", *(f"lazy, {way}" for way in _WAYS))
    sizes = [[one.plain.size / _MB, *(start.size / _MB for start in one.starts)] for one in found]
    times = [[one.plain_s, *(start.link_s for start in one.starts)] for one in found]
    unpacking = [[one.unpack_s or 0.0, *(0.0 for _ in one.starts)] for one in found]
    panels = (
        Panel("MB until the first answer is possible", "MB", sizes),
        Panel("s over 400 Mbit/s and 5 ms; pale: unpacking", "s", times, unpacking),
    )
    titles = [one.service.title for one in found]
    return draw("Accelerated images beside a plain pull, each to its own scale", titles, series, panels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the two small images, without the bad case")
    parser.add_argument("--images", default="", help="some of them, as python,node")
    parser.add_argument("--port", type=int, default=7752)
    parser.add_argument("--data", default=tempfile.gettempdir())
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    names = arguments.images or ("python,node" if arguments.quick else "python,node,large")
    wanted = [service for service in SERVICES if service.name in names.split(",")]
    with tempfile.TemporaryDirectory(dir=arguments.data) as name:
        told = where("benchmarks.lazy_start", Path(name))
        with serving(Path(name), arguments.port):
            ways = (arguments.port, arguments.port + 1, not arguments.quick)
            found = [compare(service, *ways) for service in wanted if ready(service)]
    plot = f"\n![Megabytes and seconds until a container can answer]({PLOT})"
    lines = ["## 2. Until a container answers\n", told, *_table(found), plot, _HOW, *_said(found), *_parts(found)]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.page:
        write_section(arguments.page, "Accelerated images", text)
        (arguments.page.parent / PLOT).write_text(_plot(found))


if __name__ == "__main__":
    main()
