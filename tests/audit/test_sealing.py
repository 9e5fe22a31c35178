"""Closed minutes are sealed in a chain, and whoever touches the table is found out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from chalicelib.audit.handlers import seal
from chalicelib.audit.models import Deed, Verdict
from chalicelib.audit.sealing import Sealer
from chalicelib.audit.service import Audit
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.ids import id_at
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, Key, Table, Write
from tests.ports_aws.adapters import open_moto_table
from tests.stacks import FrozenClock, embedded_stack

from .deeds import SCOPE, deed, fill, lying, seals

BEGAN = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture(params=["embedded", "dynamodb"])
def stack(request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened:
        if request.param == "embedded":
            yield opened
        else:
            with open_moto_table(tmp_path) as table:
                yield replace(opened, audit=table)


def verdict(stack: Stack, known: str = "") -> Verdict:
    return Audit(stack).verify(SCOPE, BEGAN, known)


def found(stack: Stack) -> tuple[str, str]:
    """Minute and words of the finding."""
    finding = verdict(stack).finding
    assert finding is not None, "nothing was found"
    return finding.minute, finding.what


def test_what_nobody_touched_is_proved_whole(stack: Stack, clock: FrozenClock) -> None:
    """G1"""
    fill(stack, clock, minutes=3, each=2)
    told = verdict(stack)
    assert (told.finding, told.minutes, told.entries, told.unsealed) == (None, 3, 6, 0)
    assert told.last == seals(stack)[-1]["hash"]


def test_a_seal_is_the_hash_of_its_minute_and_of_the_seal_before(stack: Stack, clock: FrozenClock) -> None:
    """G1: anybody can compute it from the table alone."""
    fill(stack, clock, minutes=2, each=2)
    first, second = seals(stack)
    assert (first["previous"], second["previous"]) == ("", first["hash"])
    assert (first["minute"], first["number"], second["number"]) == ("2026-01-31T08:00", 1, 2)
    head = {"scope": SCOPE, "minute": "2026-01-31T08:01", "number": 2, "previous": first["hash"]}
    lines = [head, *sorted(lying(stack)[2:], key=lambda item: item["id"])]
    text = "".join(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n" for line in lines)
    assert second["hash"] == hashlib.sha256(text.encode()).hexdigest()


def test_a_minute_is_not_sealed_before_late_pushes_had_their_time(stack: Stack, clock: FrozenClock) -> None:
    Audit(stack).record(SCOPE, deed(clock))
    clock.advance(239)
    seal(stack)
    assert seals(stack) == []
    assert verdict(stack).unsealed == 1
    clock.advance(1)
    seal(stack)
    assert len(seals(stack)) == 1


TAMPERING: dict[str, tuple[Callable[[Stack], None], str, str]] = {}


def tampering(minute: str, words: str) -> Callable[[Callable[[Stack], None]], Callable[[Stack], None]]:
    def keep(act: Callable[[Stack], None]) -> Callable[[Stack], None]:
        TAMPERING[act.__name__] = (act, minute, words)
        return act

    return keep


@tampering("2026-01-31T08:01", "edited")
def entry_edited(stack: Stack) -> None:
    stack.audit.put({**lying(stack)[2], "user": "somebody else"})


@tampering("2026-01-31T08:01", "edited")
def entry_gets_a_field(stack: Stack) -> None:
    stack.audit.put({**lying(stack)[3], "note": "harmless"})


@tampering("2026-01-31T08:01", "edited")
def two_entries_change_places(stack: Stack) -> None:
    one, other = lying(stack)[2:4]
    stack.audit.put({**other, "sk": one["sk"], "id": one["id"]})
    stack.audit.put({**one, "sk": other["sk"], "id": other["id"]})


@tampering("2026-01-31T08:01", "removed")
def entry_removed(stack: Stack) -> None:
    item = lying(stack)[2]
    stack.audit.delete(Key(item["pk"], item["sk"]))


@tampering("2026-01-31T08:01", "removed")
def minute_emptied(stack: Stack) -> None:
    for item in lying(stack)[2:4]:
        stack.audit.delete(Key(item["pk"], item["sk"]))


@tampering("2026-01-31T08:01", "added")
def entry_added_to_a_sealed_minute(stack: Stack) -> None:
    forged = id_at(datetime(2026, 1, 31, 8, 1, 30, tzinfo=UTC))
    stack.audit.put({**lying(stack)[2], "sk": f"ENTRY#{forged}", "id": forged})


@tampering("2026-01-31T07:30", "added")
def entry_added_before_all(stack: Stack) -> None:
    forged = id_at(datetime(2026, 1, 31, 7, 30, tzinfo=UTC))
    stack.audit.put({**lying(stack)[2], "sk": f"ENTRY#{forged}", "id": forged})


@tampering("2026-01-31T08:04", "added")
def entry_added_behind_the_last_seal(stack: Stack) -> None:
    forged = id_at(datetime(2026, 1, 31, 8, 4, tzinfo=UTC))
    stack.audit.put({**lying(stack)[2], "sk": f"ENTRY#{forged}", "id": forged})


@tampering("2026-01-31T00:00", "added")
def entry_added_under_an_id_of_another_day(stack: Stack) -> None:
    forged = id_at(datetime(2026, 1, 20, tzinfo=UTC))
    stack.audit.put({**lying(stack)[2], "sk": f"ENTRY#{forged}", "id": forged})


@tampering("2026-01-31T08:01", "edited")
def hash_of_a_seal_changed(stack: Stack) -> None:
    stack.audit.put({**seals(stack)[1], "hash": "0" * 64})


@tampering("2026-01-31T08:01", "changed")
def seal_made_nonsense(stack: Stack) -> None:
    stack.audit.put({**seals(stack)[1], "number": "two and a half"})


@tampering("2026-01-31T08:01", "added")
def seal_removed_from_the_middle(stack: Stack) -> None:
    item = seals(stack)[1]
    stack.audit.delete(Key(item["pk"], item["sk"]))


@tampering("2026-01-31T08:02", "removed")
def seal_and_entries_removed_from_the_middle(stack: Stack) -> None:
    minute_emptied(stack)
    seal_removed_from_the_middle(stack)


@tampering("2026-01-31T08:02", "removed")
def last_seal_and_its_entries_removed(stack: Stack) -> None:
    for item in [*lying(stack)[4:], seals(stack)[-1]]:
        stack.audit.delete(Key(item["pk"], item["sk"]))


@tampering("2026-01-31T08:02", "seal was removed")
def last_seal_removed_and_the_mark_set_back(stack: Stack) -> None:
    before, last = seals(stack)[-2:]
    stack.audit.delete(Key(last["pk"], last["sk"]))
    stack.audit.put({**before, "sk": "HEAD"})


@tampering("2026-01-31T08:00", "seal was removed")
def all_seals_removed(stack: Stack) -> None:
    for item in seals(stack):
        stack.audit.delete(Key(item["pk"], item["sk"]))
    stack.audit.delete(Key(f"SEALS#{SCOPE}", "HEAD"))


@pytest.mark.parametrize("kind", TAMPERING)
def test_tampering_shows_and_the_first_minute_is_named(stack: Stack, clock: FrozenClock, kind: str) -> None:
    """G1"""
    fill(stack, clock, minutes=3, each=2)
    act, minute, words = TAMPERING[kind]
    act(stack)
    told_minute, told = found(stack)
    assert told_minute == minute
    assert words in told


def test_a_past_made_wholly_anew_shows_against_a_seal_from_the_log(stack: Stack, clock: FrozenClock) -> None:
    """G1: what no chain can show by itself."""
    fill(stack, clock, minutes=3, each=2)
    logged = seals(stack)[1]["hash"]
    for item in [*lying(stack), *seals(stack)]:
        stack.audit.delete(Key(item["pk"], item["sk"]))
    stack.audit.delete(Key(f"SEALS#{SCOPE}", "HEAD"))
    fill(stack, clock, minutes=3, each=2)
    assert verdict(stack).finding is None
    finding = verdict(stack, logged).finding
    assert finding is not None and "not among the seals" in finding.what


def test_sealing_twice_leaves_one_seal(stack: Stack, clock: FrozenClock) -> None:
    fill(stack, clock)
    before = seals(stack)
    for item in before:
        stack.audit.put({**Key(f"UNSEALED#{_shard()}", f"{item['minute']}#{SCOPE}")._asdict(), **_note(item)})
    assert Sealer(stack).run() == 3
    assert seals(stack) == before
    assert verdict(stack).finding is None


def _note(item: Item) -> dict[str, str]:
    return {"scope": SCOPE, "minute": item["minute"]}


def _shard() -> str:
    from chalicelib.ports import audit_keys

    return audit_keys.unsealed(SCOPE, "").pk.partition("#")[2]


class Interrupted:
    """An audit table that does something of its own, once, before the transaction that seals."""

    def __init__(self, table: Table, before: Callable[[], None]) -> None:
        self._table = table
        self._before: list[Callable[[], None]] = [before]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def transact(self, writes: list[Write]) -> None:
        if self._before:
            self._before.pop()()
        self._table.transact(writes)


def test_two_sealers_at_once_make_one_chain(stack: Stack, clock: FrozenClock) -> None:
    audit = Audit(stack)
    for _ in range(3):
        audit.record(SCOPE, deed(clock))
        clock.advance(60)
    clock.advance(300)
    rival = Sealer(stack)
    quick: list[int] = []
    slow = replace(stack, audit=cast(Table, Interrupted(stack.audit, lambda: quick.append(rival.run()))))
    Sealer(slow).run()
    assert quick == [3]
    assert [item["number"] for item in seals(stack)] == [1, 2, 3]
    assert verdict(stack).finding is None


def test_a_sealer_that_dies_is_followed_by_one_that_goes_on(stack: Stack, clock: FrozenClock) -> None:
    audit = Audit(stack)
    for _ in range(3):
        audit.record(SCOPE, deed(clock))
        clock.advance(60)
    clock.advance(300)

    def down() -> None:
        raise Unavailable

    broken = replace(stack, audit=cast(Table, Interrupted(stack.audit, down)))
    # The minutes after the one that failed wait for it, so that the chain keeps the order of time.
    assert Sealer(broken).run() == 0
    assert seals(stack) == []
    assert Sealer(stack).run() == 3
    assert verdict(stack).finding is None


def test_a_writer_that_died_before_its_entry_leaves_no_seal(stack: Stack, clock: FrozenClock) -> None:
    stack.audit.put(
        {"pk": f"UNSEALED#{_shard()}", "sk": f"2026-01-31T08:00#{SCOPE}", "scope": SCOPE, "minute": "2026-01-31T08:00"}
    )
    clock.advance(600)
    Sealer(stack).run()
    assert seals(stack) == []
    assert verdict(stack).finding is None


def test_what_comes_late_keeps_its_time_and_is_filed_once_under_the_present(stack: Stack, clock: FrozenClock) -> None:
    """G1: the minute of the deed is sealed already."""
    audit, late = Audit(stack), deed(clock, object="late")
    kept: list[str] = []

    def claim(seen: str, wanted: str) -> str:
        if not kept or kept[-1] == seen:
            kept.append(wanted)
        return kept[-1]

    fill(stack, clock)
    for _ in range(2):
        audit.file(SCOPE, late, "T" * 16, claim)
        clock.advance(1)
    clock.advance(600)
    Sealer(stack).run()
    audit.file(SCOPE, late, "T" * 16, claim)
    told = [item for item in lying(stack) if item["object"] == "late"]
    assert [item["time"] for item in told] == ["2026-01-31T08:00:00.000000Z"]
    assert told[0]["id"] == kept[0]
    assert (verdict(stack).finding, verdict(stack).minutes) == (None, 4)


def test_what_was_claimed_and_not_filed_is_filed_later(stack: Stack, clock: FrozenClock) -> None:
    """The process died in between, and the minute it wanted is closed now."""
    audit, late = Audit(stack), deed(clock, object="late")
    clock.advance(3600)
    kept = [id_at(clock.now(), "T" * 16)]

    def claim(seen: str, wanted: str) -> str:
        if kept[-1] == seen:
            kept.append(wanted)
        return kept[-1]

    clock.advance(600)
    audit.file(SCOPE, late, "T" * 16, claim)
    assert [item["id"] for item in lying(stack)] == [kept[1]]


def test_a_deed_told_twice_in_time_is_one_entry(stack: Stack, clock: FrozenClock) -> None:
    told: Deed = deed(clock)
    clock.advance(100)
    for _ in range(2):
        Audit(stack).file(SCOPE, told, "T" * 16, lambda seen, wanted: pytest.fail("nothing is late"))
    assert len(lying(stack)) == 1
    clock.advance(300)
    seal(stack)
    assert verdict(stack).finding is None


def test_scopes_have_chains_of_their_own(stack: Stack, clock: FrozenClock) -> None:
    fill(stack, clock)
    Audit(stack).record("acme", deed(clock))
    clock.advance(timedelta(minutes=10).total_seconds())
    Sealer(stack).run()
    assert [item["number"] for item in seals(stack, "acme")] == [1]
    assert Audit(stack).verify("acme", BEGAN).entries == 1
