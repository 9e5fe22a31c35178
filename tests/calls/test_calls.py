"""Calls per operation: how many, exactly, on either stack, and that what is stored does not change them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest

from . import costs, operations
from .costs import NOTHING, READS, Read
from .counting import told
from .operations import Prepare
from .worlds import WORLDS, World

SMALL, LARGE = 20, 2000
# moto takes 10 ms a row.
_ON_MOTO = 40


class Case(NamedTuple):
    stack: str
    size: int


@pytest.fixture(
    scope="module",
    params=[
        Case("embedded", SMALL),
        Case("embedded", LARGE),
        Case("aws", _ON_MOTO),
        pytest.param(Case("aws", LARGE), marks=pytest.mark.campaign),
    ],
    ids=str,
)
def held(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, World]]:
    case: Case = request.param
    with WORLDS[case.stack](tmp_path_factory.mktemp("calls"), case.size) as world:
        yield case.stack, world


def measured(world: World, prepare: Prepare, wanted: Read, stack: str) -> Read:
    act = prepare(world)
    act()
    world.forget()
    cold, warm = told(world.count(act)), told(world.count(act))
    new = ""
    if wanted.new:
        world.serve_anew()
        new = told(world.count(act))
    return Read(cold, wanted.warm, warm, new) if stack == "embedded" else Read(cold, warm, wanted.here, new)


def _counted(world: World, prepare: Prepare) -> str:
    act = prepare(world)
    world.forget()
    return told(world.count(act))


def test_operations_ask_just_what_they_are_known_to_ask(held: tuple[str, World]) -> None:
    """R1, R3, R4, R5, N4: cold, a read is one batch for all that access is decided by; warm, nothing by digest and the
    tag alone by tag. One test, since what the writes leave behind is what the management API finds."""
    stack, world = held
    reads: Mapping[str, tuple[Prepare, Read]] = {
        **{name: (prepare, READS[name]) for name, prepare in operations.READS.items()},
        "blob GET": (operations.BLOB_GET, costs.BLOB_GET[stack]),
    }
    found = {name: measured(world, prepare, wanted, stack) for name, (prepare, wanted) in reads.items()}
    assert found == {name: wanted for name, (_, wanted) in reads.items()}

    written = {name: _counted(world, prepare) for name, prepare in operations.WRITES.items()}
    assert written == {**costs.WRITES, **costs.UPLOADS[stack]}

    # What events note of pushes is not left to the first look at them.
    world.library.handle_events()
    assert {name: _counted(world, prepare) for name, prepare in operations.API.items()} == costs.API


def test_a_warm_pull_asks_the_table_for_nothing_but_where_its_tag_points() -> None:
    """The promise itself, whatever else the tables above may come to say."""
    for name, read in READS.items():
        if name.startswith("manifest"):
            assert read.warm == ("table.get 1" if "by tag" in name else NOTHING)
            assert read.cold == ("table.get 2" if "by tag" in name else "table.get 1") + f", {costs.ACCESS}"
