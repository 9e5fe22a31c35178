"""``python -m benchmarks.storage_returns``: what is deleted gives its bytes back, and what stays costs nothing.

Fills an embedded stack of its own through the registry's door, first to a tenth of ``--gib``, then whole; deletes the
same amount of tags at both sizes, then nine tenths of all, and lets the clock go on past the grace period and the
tombstones. Collection is what the schedules run (`Sweeper`); its port calls and CPU seconds are counted. With the full
20 GiB it writes ``benchmarks/RESULTS-storage.md``; the folder is removed afterwards.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from benchmarks.machine import describe_machine
from benchmarks.operations import Blob, BlobMaker, build_manifest
from chalicelib.chain import CHAIN
from chalicelib.collection.service import Fsck, Sweeper
from chalicelib.edge.consume import send
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, NamespaceName, RepositoryName, TagName
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.settings import Settings
from chalicelib.namespaces.models import NewNamespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.objects import Objects
from chalicelib.ports.stack import Stack, open_stack
from chalicelib.ports.table import Table
from chalicelib.registry import handlers
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry

_GIB: Final = 20.0
_RESULTS: Final = Path(__file__).resolve().parent / "RESULTS-storage.md"
_LAYER_BYTES: Final = 2 * 1024 * 1024
_LAYERS: Final = 8
_IMAGE_BYTES: Final = _LAYERS * _LAYER_BYTES
_CONFIG_BYTES: Final = 512
_REPOSITORIES: Final = 8
_GRACE: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)
_NOT_COUNTED: Final = frozenset({"epoch", "close", "presign"})
_WRITES: Final = frozenset({"put", "put_many", "update", "delete", "transact", "begin", "part", "complete", "abort"})


class Moving:
    """A clock that stands where it was put."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def go_on(self, duration: timedelta) -> None:
        self._now += duration


class Counted:
    """A port whose calls are counted by what they do."""

    def __init__(self, port: object, name: str, calls: Counter[str]) -> None:
        self._port = port
        self._name = name
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name in _NOT_COUNTED or not callable(found):
            return found

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._calls[f"{self._name} {'writes' if name in _WRITES else 'reads'}"] += 1
            return found(*args, **kwargs)

        return counted


@dataclass(frozen=True)
class Collected:
    """What one collection did. Folder sizes in bytes, before the deletion and at the end."""

    what: str
    images: int
    stored_before: int
    stored_after: int
    cpu_s: float
    calls: Counter[str]
    quiet_calls: int
    table_bytes: int
    table_free_bytes: int


@dataclass
class World:
    """An instance that fills up. tags: those that stand, oldest first."""

    stack: Stack
    data: Path
    clock: Moving
    instance: Instance
    calls: Counter[str]
    layers: BlobMaker = field(default_factory=lambda: BlobMaker(_LAYER_BYTES))
    configs: BlobMaker = field(default_factory=lambda: BlobMaker(_CONFIG_BYTES))
    tags: list[tuple[RepositoryName, TagName]] = field(default_factory=list)
    pushed: int = 0

    @classmethod
    def opened(cls, stack: Stack, clock: Moving) -> World:
        calls: Counter[str] = Counter()
        buckets = stack.objects
        counted = replace(
            stack,
            table=cast(Table, Counted(stack.table, "table", calls)),
            objects=lambda bucket: cast(Objects, Counted(buckets(bucket), "object", calls)),
        )
        bucket = stack.settings.bucket
        instance = Instances(stack).create(name="ci", edition="enterprise", bucket=bucket, account_id="default")
        Namespaces(stack).create(instance, NewNamespace(name=NamespaceName("library"), auto_create_repository=True))
        return cls(counted, stack.settings.data, clock, instance, calls)

    @property
    def stored_bytes(self) -> int:
        """Of the whole data folder as the disk counts it."""
        return sum(path.stat().st_blocks * 512 for path in self.data.rglob("*") if path.is_file())

    # Filling

    def fill(self, images: int) -> None:
        """Until so many images stand, all their leases over."""
        while len(self.tags) < images:
            self._push()
            if len(self.tags) % 64 == 0:
                print(f"  {len(self.tags)} of {images} images", file=sys.stderr, flush=True)
                self._handle_events()
        self._handle_events()
        self.clock.go_on(2 * _DAY)
        self._sweep()

    def _push(self) -> None:
        registry = Registry(self.stack)
        caller = Caller(self.instance, Principal("primary", "admin", self.instance.id, 1))
        name = RepositoryName(f"library/app-{self.pushed % _REPOSITORIES}")
        config, layers = self.configs.make(), [self.layers.make() for _ in range(_LAYERS)]
        for blob in (config, *layers):
            self._upload(registry, caller, name, blob)
        body, tag = build_manifest(config, layers), TagName(f"t{self.pushed}")
        registry.push(caller, name, tag, [], body, media.OCI_MANIFEST)
        self.tags.append((name, tag))
        self.pushed += 1

    def _upload(self, registry: Registry, caller: Caller, name: RepositoryName, blob: Blob) -> None:
        writer = registry.resume(caller, name, registry.start_upload(caller, name).id, 0)
        try:
            for part in blob.parts:
                writer.append(part)
            writer.finish(Digest.parse(blob.digest))
        finally:
            writer.close()

    def _handle_events(self) -> None:
        bucket = self.instance.bucket
        for push in self.stack.objects(bucket).list(f"{self.instance.id}/pushes/").items:
            send(self.stack, handlers.object_created(self.stack, bucket, push.key), CHAIN)

    # Deleting and collecting

    def collect(self, what: str, images: int) -> Collected:
        """Deletes the oldest so many images by their tags, and lets time pass until their bytes are gone."""
        before = self.stored_bytes
        registry = Registry(self.stack)
        caller = Caller(self.instance, Principal("primary", "admin", self.instance.id, 1))
        leaving, self.tags = self.tags[:images], self.tags[images:]
        for name, tag in leaving:
            registry.delete(caller, name, tag)
        self.calls.clear()
        cpu_s = 0.0
        for pause in (_GRACE + timedelta(minutes=1), _DAY + timedelta(minutes=1)):
            self.clock.go_on(pause)
            cpu_s += self._sweep()
        calls = Counter(self.calls)
        self.calls.clear()
        self._sweep()
        table, free = self._table_bytes()
        return Collected(what, images, before, self.stored_bytes, cpu_s, calls, self.calls.total(), table, free)

    def _sweep(self) -> float:
        """CPU seconds of everything that is due now."""
        begun = time.process_time()
        Sweeper(self.stack).run()
        return time.process_time() - begun

    def _table_bytes(self) -> tuple[int, int]:
        """Of the table's file, and of the pages in it that wait to be used again."""
        path = self.data / "table.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reading:
            size, count, free = (
                int(reading.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_size", "page_count", "freelist_count")
            )
        return size * count, size * free


def stages(world: World, gib: float) -> Iterator[Collected]:
    """A twentieth of all is deleted where a tenth is stored, and where all is; then nine tenths of all."""
    images = int(gib * 1024**3 / _IMAGE_BYTES)
    some = max(1, images // 20)
    world.fill(images // 10)
    yield world.collect("small instance", some)
    world.fill(images)
    yield world.collect("large instance, as much", some)
    world.fill(images)
    yield world.collect("large instance, 90 %", images * 9 // 10)


def _report(gib: float, rows: list[Collected], filled_s: float, machine: Iterator[str]) -> str:
    lines = [
        "# Storage returns",
        "",
        f"`python -m benchmarks.storage_returns`: images of {_LAYERS} layers of {_LAYER_BYTES >> 20} MiB, none like"
        f" another, pushed through the registry's door into the embedded stack until {gib:g} GiB are stored; tags"
        " deleted, then seven days of grace and a day of tombstone by a clock that the program moves. Counted is all"
        " that collection did from the first day to the last.",
        "",
        *machine,
        f"- run: {filled_s:.0f} s in all",
        "",
        "| stored | deleted | folder before → after | given back | table calls: reads · writes | object deletions |"
        " CPU s | calls for each deleted image | CPU ms for each | then a sweep with nothing due |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *map(_line, rows),
        "",
        "The table's file:",
        "",
        "| after | size MiB | of it free for new rows MiB |",
        "|---|---|---|",
        *(f"| {row.what} | {row.table_bytes / 2**20:.1f} | {row.table_free_bytes / 2**20:.1f} |" for row in rows),
        "",
        "SQLite keeps the pages of rows that went for rows to come: the file does not grow again until they are used"
        " up, and it does not shrink.",
    ]
    return "\n".join(lines) + "\n"


def _line(row: Collected) -> str:
    gone, deleted = row.stored_before - row.stored_after, row.images * _IMAGE_BYTES
    calls = row.calls.total()
    return (
        f"| {row.stored_before / 2**30:.2f} GiB, {row.what} | {deleted / 2**30:.2f} GiB, {row.images:,} images"
        f" | {row.stored_before / 2**30:.2f} → {row.stored_after / 2**30:.2f} GiB | {100 * gone / deleted:.1f} %"
        f" | {row.calls['table reads']:,} · {row.calls['table writes']:,} | {row.calls['object writes']:,}"
        f" | {row.cpu_s:.2f} | {calls / row.images:.1f} | {row.cpu_s / row.images * 1000:.2f}"
        f" | {row.quiet_calls} calls |"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storage_returns", description=__doc__)
    parser.add_argument("--gib", type=float, default=_GIB)
    parser.add_argument("--data", type=Path, help="folder for the data; default a temporary one")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    clock = Moving(datetime(2026, 1, 1, tzinfo=UTC))
    with tempfile.TemporaryDirectory(prefix="crs-storage-", dir=options.data) as folder:
        machine = describe_machine(Path(folder), None)
        with open_stack(Settings(data=Path(folder) / "data"), clock) as stack:
            world = World.opened(stack, clock)
            rows = list(stages(world, options.gib))
            findings = list(Fsck(stack, deep=True).run())
    if findings:
        raise SystemExit(f"what is left is not whole: {findings[:5]}")
    told = (f"- {name}: {value}" for name, value in machine if name != "client for small GETs")
    page = _report(options.gib, rows, time.monotonic() - began, told)
    print(page)
    if options.gib == _GIB:
        _RESULTS.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
