"""The explorer itself: a model checker that finds nothing proves nothing."""

from dataclasses import dataclass

import pytest

from .explore import NO_REST, Mortal, Moves, Process, Step, TooManyStates, explore


@dataclass(frozen=True, eq=False)
class Increment(Process):
    """Adds one to the world's only number: in one step, or by reading first and writing later."""

    who: str
    atomic: bool

    @property
    def name(self) -> str:
        return self.who

    @property
    def first(self) -> Step:
        return self.add if self.atomic else self.read

    def add(self, world: tuple[int, int], _: None) -> Moves:
        yield None, (world[0] + 1, world[1] + 1), None

    def read(self, world: tuple[int, int], _: None) -> Moves:
        yield self.write_back, world, world[0]

    def write_back(self, world: tuple[int, int], seen: int) -> Moves:
        yield None, (seen + 1, world[1] + 1), None


COUNTED = {"nothing is lost": lambda world: world[0] == world[1]}


def test_atomic_steps_are_safe_in_every_interleaving() -> None:
    found = explore((0, 0), [Increment("a", True), Increment("b", True)], COUNTED)
    assert found.safe
    assert found.states == 4
    assert set(found.worlds) == {(0, 0), (1, 1), (2, 2)}


def test_a_lost_update_is_found_with_a_shortest_trace() -> None:
    found = explore((0, 0), [Increment("a", False), Increment("b", False)], COUNTED)
    assert found.broken == "nothing is lost"
    assert len(found.trace) == 4
    assert {"a: read", "b: read", "a: write back", "b: write back"} == set(found.trace)


def test_a_violation_in_the_first_world_is_found() -> None:
    found = explore((0, 1), [Increment("a", True)], COUNTED)
    assert found.broken == "nothing is lost"
    assert found.trace == ()


def test_every_step_that_was_taken_is_reported() -> None:
    found = explore((0, 0), [Increment("a", False)], COUNTED)
    assert found.fired == {("a", "read"), ("a", "write back")}


def test_a_search_past_its_limit_claims_nothing() -> None:
    with pytest.raises(TooManyStates):
        explore((0, 0), [Increment("a", True), Increment("b", True)], COUNTED, limit=3)


@dataclass(frozen=True, eq=False)
class Restless(Process):
    """Turns the number round and round; `patient`: until it has been round once."""

    patient: bool

    @property
    def name(self) -> str:
        return "turn"

    @property
    def first(self) -> Step:
        return self.turn

    def turn(self, world: tuple[int, int], _: None) -> Moves:
        if world[0] < 2 or not self.patient:
            yield self.turn, ((world[0] + 1) % 3, 0), None


def test_what_must_hold_in_the_end_may_be_otherwise_on_the_way() -> None:
    both = {"both have come": lambda world: world[0] == 2}
    assert explore((0, 0), [Increment("a", True), Increment("b", True)], {}, at_rest=both).safe
    found = explore((0, 0), [Increment("a", True), Mortal(Increment("b", False))], {}, at_rest=both)
    assert found.broken == "both have come"
    assert set(found.trace) == {"a: add", "mortal b: stops at read"}
    assert ("mortal b", "write back") in found.fired


def test_what_never_comes_to_rest_is_found() -> None:
    assert explore((0, 0), [Restless(True)], {}, at_rest={"it is at two": lambda world: world[0] == 2}).safe
    assert explore((0, 0), [Restless(False)], {}, at_rest={"it is": lambda _: True}).broken == NO_REST
