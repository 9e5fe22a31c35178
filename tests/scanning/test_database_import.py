"""Importing a vulnerability database: only one that is whole is used, and only for good reasons instead of another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.advisories.bolt import DatabaseCorrupt
from chalicelib.advisories.database import Database
from chalicelib.kernel.errors import Invalid, Unavailable
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, Write
from chalicelib.scanning import database_store as store
from chalicelib.scanning import databases
from chalicelib.scanning.database_import import DatabaseImport
from chalicelib.scanning.database_models import DatabasePointer
from chalicelib.scanning.database_sources import Arrived
from tests.stacks import FrozenClock, TableWith, with_table

from .vulndb import NOON, Packages, make_database, packages


def imported(
    stack: Stack, folder: Path, advisories: Packages | None = None, *, force: bool = False, **told: Any
) -> DatabasePointer:
    made = make_database(folder, advisories, **told)
    return DatabaseImport(stack).take_over(Arrived(made, str(folder)), force=force)


def used(stack: Stack) -> Database:
    found = databases.current(stack)
    assert found is not None
    return found


def keys_in_store(stack: Stack) -> set[str]:
    return {info.key for info in stack.objects(stack.settings.bucket).list("vulnerabilities/").items}


def test_an_imported_database_is_the_one_in_use(stack: Stack, tmp_path: Path) -> None:
    """S2"""
    assert databases.current(stack) is None
    pointer = imported(stack, tmp_path / "one")
    assert set(used(stack).advisories("debian 12", "package-7")) == {"CVE-2026-1007"}
    assert (pointer.record.rows, pointer.record.size) == (100, (tmp_path / "one" / "trivy.db").stat().st_size)
    assert pointer.record.digest.startswith("sha256:")


def test_a_newer_one_takes_its_place_at_once_in_every_process(stack: Stack, tmp_path: Path) -> None:
    """S2"""
    imported(stack, tmp_path / "one")
    first = used(stack)
    imported(stack, tmp_path / "two", packages(fixed="3.0"), updated_at=NOON)
    assert used(stack).advisories("debian 12", "package-7")["CVE-2026-1007"].fixed == "3.0"
    assert first.advisories("debian 12", "package-7")["CVE-2026-1007"].fixed == "2.0", "who reads on, reads on"


def test_one_machine_keeps_the_file_once(stack: Stack, tmp_path: Path) -> None:
    pointer = imported(stack, tmp_path / "one")
    folder = databases.folder(stack)
    assert folder is not None
    assert (folder / "trivy.db").stat().st_nlink == 2
    assert folder == databases.place_of(stack, pointer.record.digest)


def test_the_same_database_again_changes_nothing(stack: Stack, tmp_path: Path) -> None:
    first = imported(stack, tmp_path / "one")
    before = keys_in_store(stack)
    assert imported(stack, tmp_path / "two") == first
    assert keys_in_store(stack) == before


def test_the_same_rows_built_later_are_younger_and_nothing_else(stack: Stack, tmp_path: Path) -> None:
    """S2: nobody reported anything for six hours, and the database is not stale for that."""
    first = imported(stack, tmp_path / "one")
    assert databases.opened(stack)[0] == first.record
    before = keys_in_store(stack)
    later = imported(stack, tmp_path / "two", updated_at=NOON)
    assert databases.opened(stack)[0] == later.record
    assert (later.record.digest, later.record.updated_at) == (first.record.digest, NOON)
    assert store.pointer(stack.table) == later
    assert keys_in_store(stack) == before


@pytest.mark.parametrize(
    ("advisories", "told", "why"),
    [
        (packages(fixed="1.0"), {"updated_at": "2026-01-30T06:00:00Z"}, "newer"),
        (packages(94), {"updated_at": NOON}, "94 rows"),
        (packages(106), {"updated_at": NOON}, "106 rows"),
        ({}, {"updated_at": NOON}, "no advisories"),
        (packages(fixed="3.0"), {"updated_at": NOON, "Demonstration": True}, "demonstration"),
        (packages(fixed="3.0"), {"updated_at": "2026-02-03T06:00:00Z"}, "in the future"),
        (packages(fixed="3.0"), {"updated_at": "yesterday"}, "for a time"),
    ],
    ids=["older", "smaller", "larger", "empty", "demonstration", "future", "no time"],
)
def test_a_database_that_had_better_not_be_used_is_refused_with_the_reason(
    stack: Stack, tmp_path: Path, advisories: Packages, told: dict[str, Any], why: str
) -> None:
    """S2"""
    first = imported(stack, tmp_path / "one")
    with pytest.raises(Invalid, match=why):
        imported(stack, tmp_path / "two", advisories, **told)
    assert store.pointer(stack.table) == first


@pytest.mark.parametrize(
    ("advisories", "updated_at"), [(packages(95), NOON), (packages(105), NOON), (packages(500), "2026-03-01T00:00:00Z")]
)
def test_a_little_more_or_less_is_as_usual_and_months_bring_more(
    stack: Stack, clock: FrozenClock, tmp_path: Path, advisories: Packages, updated_at: str
) -> None:
    imported(stack, tmp_path / "one")
    clock.advance(timedelta(days=40).total_seconds())
    pointer = imported(stack, tmp_path / "two", advisories, updated_at=updated_at)
    assert pointer.record.updated_at == updated_at


def test_the_operator_can_go_back_by_force(stack: Stack, tmp_path: Path) -> None:
    imported(stack, tmp_path / "one")
    imported(stack, tmp_path / "two", packages(10), updated_at="2026-01-30T06:00:00Z", force=True)
    assert used(stack).advisories("debian 12", "package-70") == {}


def test_no_force_makes_an_empty_database_one(stack: Stack, tmp_path: Path) -> None:
    """An image would have no vulnerabilities by it."""
    with pytest.raises(Invalid):
        imported(stack, tmp_path / "one", {}, force=True)


def test_any_real_database_takes_the_place_of_a_demonstration(stack: Stack, tmp_path: Path) -> None:
    """S2: though it is older, or smaller."""
    assert imported(stack, tmp_path / "one", Demonstration=True).record.demonstration
    pointer = imported(stack, tmp_path / "two", packages(10), updated_at="2025-01-01T00:00:00Z")
    assert not pointer.record.demonstration


@pytest.mark.parametrize("end", [0, 100, 4096, 12_000])
def test_what_is_cut_off_is_refused(stack: Stack, tmp_path: Path, end: int) -> None:
    folder = make_database(tmp_path / "one")
    whole = (folder / "trivy.db").read_bytes()
    (folder / "trivy.db").write_bytes(whole[:end])
    with pytest.raises(DatabaseCorrupt):
        DatabaseImport(stack).take_over(Arrived(folder, "a folder"))
    assert store.pointer(stack.table) is None


def test_a_page_that_is_damaged_far_inside_is_found(stack: Stack, tmp_path: Path) -> None:
    """Every page is read before the database is used."""
    folder = make_database(tmp_path / "one", packages(5000))
    whole = bytearray((folder / "trivy.db").read_bytes())
    middle = len(whole) // 2 // 4096 * 4096
    whole[middle : middle + 4096] = b"\xff" * 4096
    (folder / "trivy.db").write_bytes(whole)
    with pytest.raises(DatabaseCorrupt):
        DatabaseImport(stack).take_over(Arrived(folder, "a folder"))


def test_an_unknown_format_is_refused(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises((DatabaseCorrupt, Invalid)):
        imported(stack, tmp_path / "one", Version=3)


def test_three_databases_are_kept(stack: Stack, clock: FrozenClock, tmp_path: Path) -> None:
    """S2: and what goes first can still be read for an hour."""
    digests = []
    for day in range(5):
        clock.advance(timedelta(days=1).total_seconds())
        updated_at = f"2026-02-0{1 + day}T00:00:00Z"
        digests.append(
            imported(stack, tmp_path / str(day), packages(fixed=str(day)), updated_at=updated_at).record.digest
        )
    assert [one.digest for one in store.records(stack.table)] == digests[:1:-1]
    clock.advance(2 * 3600)
    DatabaseImport(stack).clear()
    kept = {key.split("/")[1].replace("-", ":") for key in keys_in_store(stack)}
    assert kept == set(digests[2:])
    assert store.leftovers(stack.table) == []


def test_one_that_went_can_come_again(stack: Stack, clock: FrozenClock, tmp_path: Path) -> None:
    """Though its objects are not cleared away yet."""
    for fixed in ("1", "2", "3", "4"):
        clock.advance(1)
        imported(stack, tmp_path / fixed, packages(fixed=fixed), force=True)
    imported(stack, tmp_path / "again", packages(fixed="1"), force=True)
    clock.advance(24 * 3600)
    DatabaseImport(stack).clear()
    assert used(stack).advisories("debian 12", "package-7")["CVE-2026-1007"].fixed == "1"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("call", range(1, 9))
def test_an_import_killed_at_any_call_leaves_a_whole_database_and_is_cleared_away(
    stack: Stack, clock: FrozenClock, tmp_path: Path, call: int
) -> None:
    """S2"""
    first = imported(stack, tmp_path / "one")
    before = keys_in_store(stack)
    rigged = _dying(stack, call)
    with suppress(Killed):
        imported(rigged, tmp_path / "two", packages(fixed="3.0"), updated_at=NOON)
    pointer = store.pointer(stack.table)
    assert pointer is not None
    assert used(stack).advisories("debian 12", "package-7")["CVE-2026-1007"].fixed in ("2.0", "3.0")
    clock.advance(24 * 3600)
    DatabaseImport(stack).clear()
    assert used(stack).advisories("debian 12", "package-7")["CVE-2026-1007"].fixed in ("2.0", "3.0")
    assert store.leftovers(stack.table) == []
    if pointer == first:
        assert keys_in_store(stack) == before
    parts = stack.settings.data / "buckets" / stack.settings.bucket / "+parts"
    assert [path for path in parts.iterdir() if path.stat().st_size] == [], "nothing half-written stays on the disk"


def _dying(stack: Stack, call: int) -> Stack:
    """A process that dies instead of making its so-manieth write of table or objects."""
    left = [call]

    def count() -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise Killed

    class Dying:
        def __init__(self, part: Any, names: Sequence[str]) -> None:
            self._part, self._names = part, names

        def __getattr__(self, name: str) -> Any:
            found = getattr(self._part, name)
            if name not in self._names:
                return found

            def dying(*arguments: Any, **more: Any) -> Any:
                count()
                return found(*arguments, **more)

            return dying

    table = Dying(stack.table, ("put", "transact", "delete", "update"))
    writes = ("put", "begin", "part", "complete", "abort", "delete")
    return replace(stack, table=table, objects=lambda bucket: Dying(stack.objects(bucket), writes))


def test_folders_that_killed_imports_left_behind_go_with_a_later_one(stack: Stack) -> None:
    """A download that was killed leaves a gigabyte."""
    with databases.scratch(stack) as mine:
        left, others = mine.with_name("left.part"), mine.with_name("others.part")
        for made in (left, others):
            made.mkdir()
            (made / "trivy.db").write_bytes(b"half")
        os.utime(left, (0, 0))
        with databases.scratch(stack):
            assert (left.exists(), others.exists(), mine.exists()) == (False, True, True)
    assert not mine.exists()


def test_of_two_imports_at_once_one_is_used_and_both_are_whole(stack: Stack, tmp_path: Path) -> None:
    """S2: the slower one looks again whether it may follow upon the quicker one."""
    imported(stack, tmp_path / "one")

    def quicker() -> None:
        if not (tmp_path / "quick").exists():
            imported(stack, tmp_path / "quick", packages(fixed="4.0"), updated_at="2026-01-31T18:00:00Z")

    slower = with_table(stack, TableWith(stack.table, quicker))
    with pytest.raises(Invalid, match="newer"):
        imported(slower, tmp_path / "slow", packages(fixed="3.0"), updated_at=NOON)
    assert used(stack).advisories("debian 12", "package-7")["CVE-2026-1007"].fixed == "4.0"


def test_two_imports_of_the_same_database_come_to_one(stack: Stack, clock: FrozenClock, tmp_path: Path) -> None:
    def quicker() -> None:
        if not (tmp_path / "quick").exists():
            imported(stack, tmp_path / "quick", packages(fixed="3.0"))

    slower = with_table(stack, TableWith(stack.table, quicker))
    imported(slower, tmp_path / "slow", packages(fixed="3.0"))
    clock.advance(24 * 3600)
    DatabaseImport(stack).clear()
    assert len(keys_in_store(stack)) == 3
    assert used(stack).advisories("debian 12", "package-7")["CVE-2026-1007"].fixed == "3.0"


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_switch_whose_answer_is_lost_is_looked_up(stack: Stack, tmp_path: Path, carried_out: bool) -> None:
    class Losing(TableWith):
        def transact(self, writes: Sequence[Write], *, relaxed: bool = False) -> None:
            if carried_out:
                super().transact(writes, relaxed=relaxed)
            raise OutcomeUnknown

    losing = with_table(stack, Losing(stack.table, lambda: None))
    if carried_out:
        assert imported(losing, tmp_path / "one").version == 1
    else:
        with pytest.raises(Unavailable):
            imported(losing, tmp_path / "one")
        assert store.pointer(stack.table) is None


def test_a_file_that_is_written_to_while_it_is_read_is_not_believed(stack: Stack, tmp_path: Path) -> None:
    """An operator's folder, into which something else downloads."""
    folder = make_database(tmp_path / "one")

    class Meddling(TableWith):
        def put(self, item: Any, *more: Any, **options: Any) -> None:
            super().__getattr__("put")(item, *more, **options)
            with (folder / "trivy.db").open("r+b") as file:
                file.seek(-1, 2)
                file.write(b"!")

    with pytest.raises(Exception, match="changed while it was read"):
        DatabaseImport(with_table(stack, Meddling(stack.table, lambda: None))).take_over(Arrived(folder, "a folder"))
    assert store.pointer(stack.table) is None
    assert keys_in_store(stack) == set()
