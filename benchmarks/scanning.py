"""``python -m benchmarks.scanning``: what it costs to scan a large image, alone, through the service, and beside Trivy.

The image is made of a folder with a Debian (see `benchmarks.scanning_image`) and kept. Its layers are read by a process
of their own, as a scan reads them; then the service runs as its users run it, is given the image and a database, and is
asked for a scan, for another, and for one of the same image with a small layer more. Trivy, if it is there, gets the
same image and the same database, and what only one of them found is listed. Prints a page; ``--output`` also writes it.
"""

import argparse
import gzip
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.scanning_image import TREE, blob_path, manifest_of, write_database, write_image
from benchmarks.scanning_service import ScanTimes, through_the_service
from benchmarks.trivy_compare import differences_from, find_trivy, inventory_of, trivy_command
from chalicelib.layers.contents import ContentsWriter
from chalicelib.layers.entries import MIB
from chalicelib.layers.reading import read_layer
from chalicelib.packages.inspection import LayerInspector

_CHUNK = 256 * 1024
_SHOWN = 20


@dataclass(frozen=True)
class LayerRead:
    media_type: str
    packed: int
    size: int
    entries: int
    packages: int
    cpu_s: float


def read_layers(layout: Path) -> None:
    """In a process of its own: a line of JSON for each layer, then the memory that it took at most."""
    for layer in manifest_of(layout)[1]["layers"]:
        began = time.process_time()
        raw = 0
        inspector, contents = LayerInspector(), ContentsWriter()
        with blob_path(layout, layer["digest"]).open("rb") as file:
            for entry in read_layer(iter(lambda file=file: file.read(_CHUNK), b"")):  # type: ignore[misc]
                contents.add(entry)
                inspector.look(entry)
                raw += 512 + entry.size + -entry.size % 512
        contents.finish()
        found = inspector.finish()
        packages = sum(len(one.packages) for one in found.found)
        told = (layer["mediaType"], layer["size"], raw, found.entries, packages, time.process_time() - began)
        print(json.dumps(told))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def inventory_alone(layout: Path) -> tuple[list[LayerRead], int]:
    command = [sys.executable, "-m", "benchmarks.scanning", "--read", str(layout)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [LayerRead(*json.loads(line)) for line in lines[:-1]], int(lines[-1])


@dataclass(frozen=True)
class TrivyTimes:
    wall_s: float
    cpu_s: float
    memory: int
    different: list[str]


def trivy_alone(layout: Path, database: Path, trivy: Path) -> TrivyTimes:
    with tempfile.TemporaryDirectory() as folder:
        command = trivy_command(layout, database, trivy, Path(folder))
        began = time.perf_counter()
        report = Path(folder) / "report.json"
        with report.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        if status:
            raise SystemExit(f"trivy ended with {os.waitstatus_to_exitcode(status)}")
        different = differences_from(layout, database, report.read_text())
    return TrivyTimes(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, different)


def judged_again(images: int) -> str:
    """The page of `benchmarks.rescans`."""
    command = [sys.executable, "-m", "benchmarks.rescans", "--images", str(images)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def small_layer() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        text = f"built {datetime.now(UTC).isoformat()}\n".encode()
        info = tarfile.TarInfo("etc/built")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    return gzip.compress(buffer.getvalue())


def _page(
    arguments: argparse.Namespace,
    read: tuple[list[LayerRead], int],
    scans: ScanTimes,
    trivy: TrivyTimes | None,
    advisories: int,
) -> Iterator[str]:
    layers, memory = read
    size, cpu_s = sum(one.size for one in layers), sum(one.cpu_s for one in layers)
    yield f"# Scanning\n\n{datetime.now(UTC):%Y-%m-%d %H:%M} UTC:"
    yield f"`python -m benchmarks.scanning --images {arguments.images}`\n"
    yield "| | |\n| --- | --- |"
    yield from (f"| {name} | {value} |" for name, value in describe_machine(Path(arguments.data), None))
    yield f"\nThe image: {arguments.tree.name}, {size / MIB:,.0f} MiB in {len(layers)} layers,"
    packed, entries = sum(one.packed for one in layers), sum(one.entries for one in layers)
    yield f"{packed / MIB:,.0f} MiB compressed, {entries:,} entries."
    yield f"The database: {advisories:,} advisories, one of every third package.\n\n## Reading layers, one process\n"
    yield "| layer | MiB | compressed | entries | packages | CPU s | MiB/s of a core |\n" + "| --- " * 7 + "|"
    for one in layers:
        yield (
            f"| {one.media_type.rpartition('+')[2]} | {one.size / MIB:,.0f} | {one.packed / MIB:,.0f} "
            f"| {one.entries:,} | {one.packages:,} | {one.cpu_s:.2f} | {one.size / MIB / one.cpu_s:,.0f} |"
        )
    yield f"| all | {size / MIB:,.0f} | | | | {cpu_s:.2f} | **{size / MIB / cpu_s:,.0f}** |"
    yield f"\nMemory at most: {memory / MIB:.0f} MiB, Python and all modules included.\n\n## Through the service\n"
    yield "| scan | s, from asking to the result | layer bytes read |\n| --- | --- | --- |"
    yield from (f"| {one.name} | {one.wall_s:.1f} | {one.layer_bytes:,} |" for one in scans.scans)
    yield f"\nOf the processes that read layers, each had {scans.memory / MIB:.0f} MiB at most."
    yield f"What it came to: {scans.findings}."
    if trivy is not None:
        yield f"\n## Trivy\n\n{trivy.wall_s:.1f} s, {trivy.cpu_s:.1f} s of CPU, {trivy.memory / MIB:,.0f} MiB at most."
        yield f"Differences in packages and findings: {len(trivy.different)}.\n"
        yield from (f"- {line}" for line in trivy.different[:_SHOWN])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, default=TREE)
    parser.add_argument("--image", type=Path, default=TREE.parents[1] / "scanning" / "image", help="kept there")
    parser.add_argument("--data", default=tempfile.gettempdir())
    parser.add_argument("--port", type=int, default=7650)
    parser.add_argument("--images", type=int, default=10_000, help="judged again by a new database; 0: none")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        read_layers(arguments.read)
        return
    text = "\n".join(_measured(arguments)) + "\n"
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


def _measured(arguments: argparse.Namespace) -> Iterator[str]:
    if not (arguments.image / "index.json").is_file():
        write_image(arguments.tree, arguments.image)
    with tempfile.TemporaryDirectory(dir=arguments.data) as name:
        folder = Path(name)
        database = folder / "database"
        updated = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        advisories = write_database(database, inventory_of(arguments.image), updated)
        read = inventory_alone(arguments.image)
        trivy = find_trivy()
        beside = trivy_alone(arguments.image, database, trivy) if trivy else None
        scans = through_the_service(folder, arguments.port, arguments.image, database, small_layer())
    yield from _page(arguments, read, scans, beside, advisories)
    if arguments.images:
        yield f"\n## A new database, {arguments.images:,} stored images\n"
        yield judged_again(arguments.images)


if __name__ == "__main__":
    main()
