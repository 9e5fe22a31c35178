"""``python -m benchmarks.rescans``: what it costs to judge stored images again when the vulnerability database changes.

Images of some bases, each with packages of its own, in one embedded stack, with reports as scans leave them. Then
databases are imported one after another: one that says something else of some packages of which most images have none,
one of packages that every image has, and one of packages that no image has. Every call of table and objects is counted,
so that layers which were read would show; every result is held to a fresh examination. Prints a page of results;
``--output`` also writes it to a file.
"""

import argparse
import os
import platform
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chalicelib.advisories.database import Database
from chalicelib.advisories.examination import examine
from chalicelib.findings.service import Findings
from chalicelib.findings.vex import silencers
from chalicelib.instances.service import Instances
from chalicelib.kernel.messages import RescanImages
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest
from chalicelib.kernel.settings import Settings
from chalicelib.packages.models import ImageInventory, Installed, LayerRef, OperatingSystem, Package
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack, open_stack
from chalicelib.scanning import databases
from chalicelib.scanning.database_import import DatabaseImport
from chalicelib.scanning.database_models import DatabaseRecord
from chalicelib.scanning.database_sources import Arrived
from chalicelib.scanning.models import Report
from chalicelib.scanning.remembering import RememberingDatabase
from chalicelib.scanning.reports import Reports
from chalicelib.scanning.rescans import missing, rescan
from chalicelib.scanning.results import Results, judged
from tests.scanning.vulndb import make_database

BASES = 10
REPOSITORY = "01J0000000000000000000REPO"
ADVISORIES = 4


@dataclass
class Counting:
    """A port, and how often each of its methods is called; of objects also under which part of the map."""

    port: Any
    name: str
    calls: Counter[str]

    def __getattr__(self, method: str) -> Any:
        found = getattr(self.port, method)
        if not callable(found):
            return found

        def counted(*arguments: Any, **more: Any) -> Any:
            kind = arguments[0].split("/")[1] if self.name == "objects" and method == "get" else ""
            self.calls[f"{self.name}.{method}" + (f" {kind}" if kind else "")] += 1
            return found(*arguments, **more)

        return counted


@dataclass
class Cost:
    name: str
    import_s: float = 0.0
    seconds: float = 0.0
    cpu_s: float = 0.0
    judged: int = 0
    confirmed: int = 0
    messages: int = 0
    longest_s: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def layer_reads(self) -> int:
        return sum(count for call, count in self.calls.items() if call.endswith((" blobs", " surveys", " contents")))

    def row(self) -> str:
        total = self.judged + self.confirmed
        return (
            f"| {self.name} | {self.judged:,} | {self.confirmed:,} | {self.seconds:.0f} | {self.cpu_s:.0f} | "
            f"{1000 * self.seconds / max(total, 1):.1f} | {self.messages} | {self.longest_s:.0f} | "
            f"{self.layer_reads} | {self.import_s:.1f} |"
        )


class Bench:
    def __init__(self, stack: Stack, folder: Path, images: int, packages: int, known: int) -> None:
        self.stack, self.folder, self.dice = stack, folder, random.Random(7)
        self.instance = Instances(stack).create(name="bench", edition="enterprise", bucket="crs", account_id="default")
        # Two of three packages that images have are known to the database, and many more that they do not have.
        self.pool = [f"package-{number}" for number in range(known)]
        self.common = self.pool[:20]
        self.advisories: dict[str, dict[str, Any]] = {name: self._said(n, 2) for n, name in enumerate(self.pool)}
        self.built = self.found = 0
        self.images, self.packages = images, packages

    def _said(self, number: int, fixed: int) -> dict[str, Any]:
        ids = range(number * ADVISORIES, (number + 1) * ADVISORIES)
        # One of four is about the version that images have; what was fixed before is looked at and left alone.
        return {
            f"CVE-2026-{10_000 + one}": {
                "FixedVersion": f"{0 if one % 4 else fixed}.{one % 3}",
                "Severity": 1 + one % 3,
            }
            for one in ids
        }

    def inventory(self, image: int) -> ImageInventory:
        """The same each time that it is asked for: all of them together would take gigabytes."""
        base = random.Random(image % BASES).sample(self.pool, self.packages * 2 // 3)
        own = random.Random(BASES + image).sample(self.pool, self.packages // 3 - len(self.common))
        layers = [LayerRef(digest=Digest.of(f"layer {image % BASES}".encode())), LayerRef(digest=_digest(image))]
        installed = []
        for name in sorted({*self.common, *base, *own}):
            told = {"version": f"1.{len(name)}", "release": "", "source_name": name, "source_version": f"1.{len(name)}"}
            package = Package(type="debian", name=name, **told)  # type: ignore[arg-type]
            installed.append(Installed(package=package, layer=layers[name not in base]))
        return ImageInventory(system=OperatingSystem(family="debian", name="12.5"), packages=tuple(installed))

    def store(self) -> float:
        """As their first scans left them. Seconds."""
        rows = [
            {**keys.manifest(REPOSITORY, _digest(number))._asdict(), "state": "live"} for number in range(self.images)
        ]
        self.stack.table.put_many(rows, relaxed=True)
        record, database = self._used()
        results, now, begun = Results(self.stack), self.stack.clock.now(), time.perf_counter()
        for number in range(self.images):
            inventory = self.inventory(number)
            report = Report(
                digest=_digest(number),
                platform="linux/amd64",
                engine="",
                database="",
                database_updated_at="",
                scanned_at="",
                supported=False,
                examined=0,
                end_of_life=False,
                layers=(),
                inventory=inventory,
                findings=(),
            )
            found = examine(inventory, database, now)
            report = judged(
                report,
                found,
                engine="builtin 1",
                database=record.digest,
                database_updated_at=record.updated_at,
                silencers=silencers(self.stack, self.instance.id),
                now=now,
            )
            self.found += len(report.findings)
            results.store(self.instance, report, repository_id=REPOSITORY)
        return time.perf_counter() - begun

    def _used(self) -> tuple[DatabaseRecord, Database]:
        record, database = databases.opened(self.stack)
        if record is None or database is None:
            raise RuntimeError("no database was imported")
        return record, RememberingDatabase(database)

    def import_database(self, changed: Sequence[str] = (), fixed: int = 2) -> float:
        for name in changed:
            self.advisories[name] = self._said(self.pool.index(name) if name in self.pool else len(self.pool), fixed)
        self.built += 1
        updated_at = to_text(datetime.now(UTC) - timedelta(hours=2) + timedelta(minutes=self.built))
        made = make_database(self.folder / f"database-{self.built}", self.advisories, updated_at=updated_at)
        begun = time.perf_counter()
        DatabaseImport(self.stack).take_over(Arrived(made, "benchmark"))
        return time.perf_counter() - begun

    def change(self, name: str, packages: Sequence[str], fixed: int) -> Cost:
        cost = Cost(name, self.import_database(packages, fixed))
        before = {one.digest: one.report for one in Findings(self.stack).all(self.instance.id)}
        counted = replace(
            self.stack,
            table=Counting(self.stack.table, "table", cost.calls),
            objects=lambda bucket: Counting(self.stack.objects(bucket), "objects", cost.calls),
        )
        waiting: list[RescanImages] = missing(self.stack)
        while waiting:
            begun, worked = time.perf_counter(), time.process_time()
            waiting = [*waiting[1:], *rescan(counted, waiting[0])]
            took = time.perf_counter() - begun
            cost.cpu_s += time.process_time() - worked
            cost.seconds, cost.longest_s, cost.messages = (
                cost.seconds + took,
                max(cost.longest_s, took),
                cost.messages + 1,
            )
        self._count(cost, before)
        return cost

    def _count(self, cost: Cost, before: Mapping[str, str]) -> None:
        """Raises RuntimeError where an image is not as a fresh examination says."""
        record, database = self._used()
        for number in range(self.images):
            digest = _digest(number)
            kept = Findings(self.stack).of(self.instance.id, digest)
            if kept is None or kept.database != record.digest:
                raise RuntimeError(f"{digest} was left behind")
            cost.judged += kept.report != before[digest]
            cost.confirmed += kept.report == before[digest]
            if number % 97 == 0:
                wanted = [
                    one.model_dump()
                    for one in examine(self.inventory(number), database, self.stack.clock.now()).findings
                ]
                report = Reports(self.stack).read(self.instance, kept)
                if [one.model_dump(exclude={"silenced"}) for one in report.findings] != wanted:
                    raise RuntimeError(f"{digest} has other findings than a fresh examination")


def _digest(number: int) -> Digest:
    return Digest.of(f"image {number}".encode())


def page(arguments: argparse.Namespace) -> str:
    with tempfile.TemporaryDirectory(dir=arguments.data) as name:
        folder = Path(name)
        with open_stack(Settings(data=folder / "data")) as stack:
            bench = Bench(stack, folder, arguments.images, arguments.packages, arguments.known)
            first_s = bench.import_database()
            stored_s = bench.store()
            rare = bench.dice.sample(bench.pool[len(bench.common) :], arguments.touched)
            costs = [
                bench.change(f"{arguments.touched} packages, few of them common", rare, 3),
                bench.change(
                    f"{arguments.touched} packages, some in every image", [*bench.common, *rare][: arguments.touched], 4
                ),
                bench.change("packages that no image has", [f"absent-{n}" for n in range(arguments.touched)], 3),
            ]
    return "\n".join(_lines(arguments, bench, first_s, stored_s, costs))


def _lines(
    arguments: argparse.Namespace, bench: Bench, first_s: float, stored_s: float, costs: list[Cost]
) -> list[str]:
    held = sum(len(bench.inventory(number).packages) for number in range(100)) / 100
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    given = (
        f"--images {arguments.images} --packages {arguments.packages} --known {arguments.known} "
        f"--touched {arguments.touched} --data {arguments.data}"
    )
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC: `python -m benchmarks.rescans {given}`",
        "",
        f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[1]:.1f} (5 min). "
        f"{bench.images:,} images of {held:.0f} packages and {bench.found / bench.images:.0f} findings, one process, "
        f"{memory:.0f} MB at most. A database of {arguments.known:,} packages and {arguments.known * ADVISORIES:,} "
        f"advisories, imported in {first_s:.1f} s; judging and storing all images at first took {stored_s:.0f} s.",
        "",
        "| the new database speaks of | judged again | confirmed | s | of CPU | ms per image | messages | longest s "
        "| layer reads | import s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(cost.row() for cost in costs),
        "",
    ]
    for cost in costs:
        busiest = ", ".join(f"{call} {count:,}" for call, count in cost.calls.most_common(8))
        lines.append(f"- {cost.name}: {busiest}")
    return [
        *lines,
        "",
        "One in 97 of the reports equals a fresh examination, finding by finding; every image names the new database.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--packages", type=int, default=300, help="of an image")
    parser.add_argument("--known", type=int, default=40_000, help="packages of the database")
    parser.add_argument("--touched", type=int, default=50)
    parser.add_argument("--data", default="/dev/shm")
    parser.add_argument("--output")
    arguments = parser.parse_args()
    text = page(arguments)
    print(text)
    if arguments.output:
        Path(arguments.output).write_text(text + "\n")


if __name__ == "__main__":
    main()
