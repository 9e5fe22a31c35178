"""R8: every row says its version, and what is newer than this code is refused, never misread."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import decode, encode
from chalicelib.host.first_start import first_start
from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.messages import ContinueTask
from chalicelib.kernel.roles import Role
from chalicelib.kernel.versions import FIELD, READS
from chalicelib.ports.embedded.items import decode as row_of
from chalicelib.ports.embedded.table import SqliteTable
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    ConditionFailed,
    Delete,
    Key,
    Put,
    Table,
    TransactionCancelled,
    Update,
    absent,
    equals,
    present,
)
from chalicelib.ports.versioned import RowTooNew, VersionedTable
from tests.api.test_every_path import ENDPOINTS
from tests.api.world import World, examples
from tests.faults.points.catalogue import OPERATIONS
from tests.faults.points.scenes import Files, furnished, opened
from tests.faults.points.service import rest
from tests.management import Api
from tests.ports_aws.adapters import open_engine_table, open_moto_table
from tests.ports_aws.emulators import installed
from tests.stacks import FrozenClock, embedded_stack

OLD, NEW, NONE = Key("P", "old"), Key("P", "new"), Key("P", "none")


def unsaid(data: Path) -> list[tuple[str, str, str]]:
    """Rows of a data folder that do not say their version."""
    found = []
    for name in ("table", "audit"):
        with sqlite3.connect(data / f"{name}.sqlite3") as file:
            for (body,) in file.execute("SELECT body FROM items"):
                row = row_of(body)
                if row.get(FIELD) != READS:
                    found.append((name, row["pk"], row["sk"]))
        file.close()
    return found


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_row_that_an_operation_leaves_says_its_version(tmp_path: Path, name: str) -> None:
    """R8"""
    clock, rng = FrozenClock(), random.Random(name)
    with opened(tmp_path, clock) as stack:
        files = Files(tmp_path / "data")
        scene = furnished(tmp_path, stack, clock, files, rng)
        asking = OPERATIONS[name].prepare(scene, rng)
        if asking.refused is None:
            asking.ask(scene)
        left = unsaid(tmp_path / "data")
        rest(scene)
        files.close()
        assert left + unsaid(tmp_path / "data") == []


def test_every_row_that_the_management_api_leaves_says_its_version(tmp_path: Path) -> None:
    """R8"""
    with embedded_stack(tmp_path, allow_private_addresses=True) as stack:
        first_start(stack)
        world = World(stack, stack.objects.create)  # type: ignore[attr-defined]
        for endpoint in ENDPOINTS:
            ask = examples()[endpoint.name](world.home)
            # Whoever signs out is not asked again.
            ask.send(endpoint, Api.signed_in(stack, Role.READER) if endpoint.name == "sign_out" else world.operator)
        assert unsaid(tmp_path / "data") == []


def _tables() -> dict[str, Callable[[Path], Any]]:
    engines = {"dynoxide": open_engine_table} if installed("dynoxide") else {}
    return {"sqlite": _Sqlite, "moto": open_moto_table, **engines}


class _Sqlite:
    def __init__(self, folder: Path) -> None:
        self._table = SqliteTable(folder / "table.sqlite3")

    def __enter__(self) -> SqliteTable:
        return self._table

    def __exit__(self, *_: object) -> None:
        self._table.close()


@pytest.fixture(params=_tables())
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Table]:
    """Holds a row of before there were versions, and one of the next."""
    with _tables()[request.param](tmp_path) as table:
        table.put({**OLD._asdict(), "n": 1, "i1pk": "I", "i1sk": "1"})
        table.put({**NEW._asdict(), "n": 1, FIELD: READS + 1, "i1pk": "I", "i1sk": "2"})
        yield table


READING: dict[str, Callable[[Table], object]] = {
    "get": lambda table: table.get(NEW),
    "get_many": lambda table: table.get_many([OLD, NEW]),
    "query": lambda table: table.query("P"),
    "query an index": lambda table: table.query("I", index="i1"),
    "refused put": lambda table: table.put(NEW._asdict(), absent()),
    "refused delete": lambda table: table.delete(NEW, equals("n", 2)),
    "refused transaction": lambda table: table.transact([Put(NONE._asdict()), Delete(NEW, equals("n", 2))]),
    "changed row": lambda table: table.update(Update(NEW, set={"n": 2}, when=present("n"))),
}
BLIND: dict[str, Callable[[Table], object]] = {
    "count": lambda table: table.update(Update(NEW, add={"n": 1})),
    "count up to": lambda table: table.update(Update(NEW, add={"n": 1}, when=absent("other"))),
    "count in a transaction": lambda table: table.transact([Put(NONE._asdict()), Update(NEW, add={"n": 1})]),
}


@pytest.mark.parametrize("way", READING | BLIND)
def test_a_newer_row_is_refused(bare: Table, way: str) -> None:
    """R8"""
    with pytest.raises(RowTooNew) as refused:
        (READING | BLIND)[way](VersionedTable(bare))
    assert (refused.value.status, refused.value.version) == (503, READS + 1)


@pytest.mark.parametrize("way", BLIND)
def test_a_change_that_looks_at_nothing_leaves_a_newer_row_alone(bare: Table, way: str) -> None:
    """R8"""
    with pytest.raises(RowTooNew):
        BLIND[way](VersionedTable(bare))
    assert bare.get(NEW) == {**NEW._asdict(), "n": 1, FIELD: READS + 1, "i1pk": "I", "i1sk": "2"}
    assert bare.get(NONE) is None


def test_rows_from_before_there_were_versions_are_read_and_changed(bare: Table) -> None:
    """R8"""
    table = VersionedTable(bare)
    assert table.get(OLD) == bare.get(OLD)
    assert table.update(Update(OLD, add={"n": 1}))["n"] == 2
    assert table.get_many([OLD])[OLD][FIELD] == READS
    with pytest.raises(ConditionFailed):
        table.put(OLD._asdict(), absent())
    with pytest.raises(TransactionCancelled):
        table.transact([Delete(OLD, equals("n", 7))])


def test_every_way_of_writing_says_the_version(bare: Table) -> None:
    """R8"""
    table = VersionedTable(bare)
    table.put({"pk": "Q", "sk": "put"})
    table.put_many([{"pk": "Q", "sk": f"many {number}"} for number in range(30)])
    table.update(Update(Key("Q", "update"), add={"n": 1}))
    table.update(Update(Key("Q", "bare update")))
    table.transact([Put({"pk": "Q", "sk": "transacted"}), Update(Key("Q", "counted"), add={"n": 1}, when=absent("x"))])
    rows = bare.query("Q").items
    assert len(rows) == 35
    assert {row[FIELD] for row in rows} == {READS}


def test_a_message_of_a_newer_version_waits_for_who_understands_it(stack: Stack) -> None:
    """R8. It fails, and so is delivered again: to the newer process beside this one, or to this one's successor."""
    body = encode(ContinueTask(instance_id="i", task_id="t"))
    assert decode(body, CHAIN) == ContinueTask.model_validate_json(body)
    newer = body.replace(f'"{FIELD}":{READS}', f'"{FIELD}":{READS + 1}')
    with pytest.raises(Invalid):
        decode(newer, CHAIN)
    assert decode(body.replace("{", '{"added":1,', 1), CHAIN) == decode(body, CHAIN)
