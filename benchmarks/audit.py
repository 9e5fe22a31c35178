"""``python -m benchmarks.audit``: a month of audit record, 1 000 000 entries, as the management API reads it.

Fills the audit table of an embedded stack of its own, asks through the room's door (without HTTP), seals and verifies,
and writes ``benchmarks/RESULTS-audit.md``. With fewer ``--records`` it only prints.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks.machine import describe_machine
from chalicelib.audit import store
from chalicelib.audit.export import csv_line, json_line
from chalicelib.audit.models import Entry, Filter
from chalicelib.audit.sealing import Sealer
from chalicelib.audit.service import Audit
from chalicelib.kernel.ids import id_at
from chalicelib.kernel.paging import Page
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack, open_stack

_RECORDS: Final = 1_000_000
_DAYS: Final = 30
_SEALED_DAYS: Final = 5
_BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_ENDED: Final = _BEGAN + timedelta(days=_DAYS)
_SCOPE: Final = id_at(_BEGAN)
_RESULTS: Final = Path(__file__).resolve().parent / "RESULTS-audit.md"
_PAGE: Final = 50
_TIMES: Final = 200
_EXPORT_BYTES: Final = 4 * 1024 * 1024
# How often each type is met among a thousand; the rarest has some hundred entries a month.
_TYPES: Final = {"tag": 900, "repository": 60, "namespace": 30, "request": 9, "allowlist": 1}

Row = tuple[str, str, str]


class At:
    """A clock that stands still: at the end of the month, or of its sealed part."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


def _entries(records: int) -> Iterator[Entry]:
    chance = random.Random(3)
    types, weights = list(_TYPES), list(_TYPES.values())
    for number in range(records):
        moment = _BEGAN + (_ENDED - _BEGAN) * number / records
        namespace = f"team-{chance.randrange(15)}"
        yield Entry(
            id=id_at(moment),
            scope=_SCOPE,
            time=moment,
            user=f"user-{chance.randrange(40)}",
            object_type=chance.choices(types, weights)[0],
            namespace=namespace,
            repository=f"{namespace}/service-{chance.randrange(60)}",
            object=f"v{number}@sha256:{chance.getrandbits(256):064x}",
            action="push",
            source_ip=f"192.0.2.{chance.randrange(250)}",
            request_id=f"{chance.getrandbits(88):022x}",
        )


def _fill(stack: Stack, records: int) -> float:
    began, left = time.perf_counter(), _entries(records)
    while batch := [store.entry_item(entry) for entry in islice(left, 5000)]:
        stack.audit.put_many(batch, relaxed=True)
    for minute in range(_DAYS * 24 * 60):
        note = store.note_item(_SCOPE, f"{_BEGAN + timedelta(minutes=minute):%Y-%m-%dT%H:%M}")
        stack.audit.put(note, relaxed=True)
    return time.perf_counter() - began


def _timed(ask: Callable[[int], object], times: int = _TIMES) -> str:
    took = []
    for number in range(times):
        began = time.perf_counter()
        ask(number)
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return f"{statistics.median(took):.2f} ms (p99 {took[int(len(took) * 0.99) - 1]:.2f})"


def _pages(audit: Audit) -> Iterator[Row]:
    def page(wanted: Filter, limit: int = _PAGE) -> Page[Entry]:
        return audit.search(_SCOPE, wanted, None, limit)

    def hour(number: int) -> Filter:
        since = _BEGAN + timedelta(hours=(number * 37) % (_DAYS * 24 - 1))
        return Filter(since=since, until=since + timedelta(hours=1))

    whole = Filter(since=_BEGAN, until=_ENDED)
    yield "newest entries", f"page of {_PAGE}", _timed(lambda _: page(Filter()))
    yield "the whole month by time", f"page of {_PAGE}", _timed(lambda _: page(whole))
    yield "any one hour", f"page of {_PAGE}", _timed(lambda number: page(hour(number)))
    for kind in ("tag", "allowlist"):
        found = f"of {_TYPES[kind] / 10:g} % of the entries"
        yield f"type `{kind}`, {found}", f"page of {_PAGE}", _timed(lambda _, kind=kind: page(Filter(kind)))  # type: ignore[misc]
    yield "keyword that is nowhere", "pass of 5 000", _timed(lambda _: page(Filter(keyword="nobody-has-this")), 20)
    yield "keyword that is nowhere", "the month, pass by pass", _whole_search(audit)
    yield "keyword of every fortieth", f"page of {_PAGE}", _timed(lambda _: page(Filter(keyword="user-7")), 50)


def _whole_search(audit: Audit) -> str:
    began, cursor, passes = time.perf_counter(), None, 0
    while True:
        found = audit.search(_SCOPE, Filter(keyword="nobody-has-this"), cursor, _PAGE)
        cursor, passes = found.next, passes + 1
        if cursor is None:
            return f"{time.perf_counter() - began:.1f} s in {passes} passes"


def _exports(audit: Audit) -> Iterator[Row]:
    for name, line in (("JSON Lines", json_line), ("CSV", csv_line)):
        began, cursor, size, rows, calls = time.perf_counter(), None, 0, 0, 0
        while calls < 12:
            page = audit.export(_SCOPE, Filter(), cursor, _EXPORT_BYTES, line)
            size, rows, calls = size + sum(map(len, page.items)), rows + len(page.items), calls + 1
            cursor = page.next
            if cursor is None:
                break
        took = time.perf_counter() - began
        told = f"{size / took / 1e6:.1f} MB/s, {rows / took:,.0f} entries/s, {took / calls * 1000:.0f} ms a call"
        yield f"export as {name}", f"{calls} calls of 4 MB", told


def _chain(whole: Stack) -> Iterator[Row]:
    """Of some days, since a minute costs what it costs, however many were sealed before."""
    stack = replace(whole, clock=At(_BEGAN + timedelta(days=_SEALED_DAYS)))
    began = time.perf_counter()
    minutes = Sealer(stack).run()
    took = time.perf_counter() - began
    yield "sealing", f"{minutes:,} minutes", f"{took:.1f} s, {took / max(minutes, 1) * 1000:.2f} ms a minute"
    began = time.perf_counter()
    verdict = Audit(stack).verify(_SCOPE, _BEGAN)
    if verdict.finding is not None:
        raise SystemExit(f"the record is not whole: {verdict.finding}")
    yield "verifying", f"{verdict.entries:,} entries", f"{time.perf_counter() - began:.1f} s"


def _report(records: int, filled_s: float, size_bytes: int, rows: list[Row], machine: Iterable[tuple[str, str]]) -> str:
    lines = [
        "# A month of audit record",
        "",
        f"{records:,} entries over {_DAYS} days in the embedded stack's audit table, asked through the room's door,"
        f" without HTTP. Written by `python -m benchmarks.audit`.",
        "",
        *(f"- {name}: {value}" for name, value in machine if name != "client for small GETs"),
        "",
        f"Filled in {filled_s:.0f} s; {size_bytes / 1e6:,.0f} MB on disk, {size_bytes / records:.0f} bytes an entry.",
        "",
        "| request | | took, median of repetitions |",
        "|---|---|---|",
        *(f"| {what} | {how} | {took} |" for what, how, took in rows),
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--records", type=int, default=_RECORDS)
    parser.add_argument("--data", type=Path, help="folder for the table; default a temporary one")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="crs-audit-", dir=options.data) as folder:
        data = Path(folder) / "data"
        with open_stack(Settings(data=data), At(_ENDED)) as stack:
            filled_s = _fill(stack, options.records)
            rows = [*_pages(Audit(stack)), *_exports(Audit(stack)), *_chain(stack)]
            size = sum(path.stat().st_size for path in data.glob("audit.sqlite3*"))
            page = _report(options.records, filled_s, size, rows, describe_machine(data, None))
    print(page)
    if options.records == _RECORDS:
        _RESULTS.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
