"""P1: never two digests under an enabled rule, whoever pushes at once and whatever happens to the rule meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Check, Table, Write
from tests.faults.ablations import Forgetful
from tests.stacks import TableWith, with_table

from .race import OTHERS, PUSHES, RESTORED, Dawdling, Race


def settled(race: Race, broken: list[str], stack: Stack, ways: Sequence[str]) -> None:
    """ways: that were both open and barred at times; otherwise nothing was shown of them."""
    assert broken == []
    assert list(Fsck(stack).run()) == []
    for way in ways:
        assert race.told[way, "CONFLICT" if way == RESTORED else "TAG_IMMUTABLE"] > 0, way
        assert race.told[way, ""] > 0, way


def test_eight_clients_want_one_tag_at_once_sixty_times(stack: Stack) -> None:
    """P1"""
    race = Race(stack)
    settled(race, race.run(range(60)), stack, PUSHES)


@pytest.mark.parametrize(
    "rounds", [pytest.param(300, marks=pytest.mark.campaign), pytest.param(1000, marks=pytest.mark.exhaustive)]
)
def test_eight_clients_want_one_tag_at_once_hundreds_of_times(stack: Stack, rounds: int) -> None:
    """P1: campaigns have the first 300 rounds, in which every way is both open and barred; 1 000 are exhaustive."""
    race = Race(stack)
    settled(race, race.run(range(rounds)), stack, (*PUSHES, *OTHERS, RESTORED))


def _forgetting_checks(write: Write) -> Write | None:
    return None if isinstance(write, Check) and write.key.sk.startswith("IMMUTABLE#") else write


@pytest.mark.parametrize(("forgets", "breaks"), [(False, False), (True, True)])
def test_without_the_check_of_the_rules_a_tag_moves_under_one(stack: Stack, forgets: bool, breaks: bool) -> None:
    """P1: the race sees it."""
    slow: Table = cast(Table, TableWith(stack.table, Dawdling(0.004)))
    table = cast(Table, Forgetful(slow, _forgetting_checks)) if forgets else slow
    found: list[str] = []
    race = Race(stack, with_table(stack, table))
    for start in range(1, 61, 3):
        found += race.run([start, start + 1])
        if found:
            break
    assert bool(found) is breaks, found
