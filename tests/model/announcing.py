"""Rows that are their own event: a task that ended, perhaps a second time after a retry, is told of once each time.

A row that is to be told of carries an attribute, by which an index shows it, and which names the moment. Whoever tells
of it makes the deliveries first and takes the attribute off afterwards, if it is still that one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from .explore import Invariant, Mortal, Moves, Process, Step


class Rules(NamedTuple):
    """One switch per mechanism; the registry has all of them on."""

    marks_with_end: bool = True
    tells_first: bool = True
    ids_are_derived: bool = True
    takes_off_as_seen: bool = True


class World(NamedTuple):
    """
    ended       the moment at which the task ended last, 0: it runs
    untold      the moment in the row's attribute, 0: it has none
    deliveries  how many there are of the first end and of the second
    """

    ended: int = 0
    untold: int = 0
    deliveries: tuple[int, int] = (0, 0)

    def told(self, rules: Rules, moment: int) -> "World":
        first, second = (
            count + (place == moment and (not count or not rules.ids_are_derived))
            for place, count in enumerate(self.deliveries, 1)
        )
        return self._replace(deliveries=(first, second))


@dataclass(frozen=True, eq=False)
class Worker(Process):
    """Brings the task to its end; a person has it retried, and it ends again."""

    rules: Rules
    moment: int

    def end(self, world: World, _: None) -> Moves:
        """One call: the task ended, and is to be told of."""
        if world.ended == self.moment - 1:
            ended = world._replace(ended=self.moment)
            if self.rules.marks_with_end:
                yield None, ended._replace(untold=self.moment), None
            else:
                yield self.mark_late, ended, None

    def mark_late(self, world: World, _: None) -> Moves:
        yield None, world._replace(untold=self.moment), None

    @property
    def name(self) -> str:
        return f"end {self.moment}"

    @property
    def first(self) -> Step:
        return self.end


@dataclass(frozen=True, eq=False)
class Announcer(Process):
    rules: Rules
    number: int

    def find_row(self, world: World, _: None) -> Moves:
        """What the index shows is a hint."""
        if world.untold:
            yield self.read_row, world, None

    def read_row(self, world: World, _: None) -> Moves:
        if world.untold:
            yield (self.put_deliveries if self.rules.tells_first else self.take_off), world, world.untold
        else:
            yield self.find_row, world, None

    def put_deliveries(self, world: World, seen: int) -> Moves:
        """Each under an id derived from its event and its webhook, if it isn't there."""
        yield (self.take_off if self.rules.tells_first else self.find_row), world.told(self.rules, seen), seen

    def take_off(self, world: World, seen: int) -> Moves:
        """One call: the attribute, if it is as it was read."""
        still = world.untold == seen or not self.rules.takes_off_as_seen
        following = self.find_row if self.rules.tells_first else self.put_deliveries
        yield following, world._replace(untold=0) if still else world, seen

    @property
    def name(self) -> str:
        return f"announce {self.number}"

    @property
    def first(self) -> Step:
        return self.find_row


INVARIANTS: dict[str, Invariant] = {
    "nobody is told twice": lambda w: max(w.deliveries) <= 1,
}
AT_REST: dict[str, Invariant] = {
    "the last end was told of": lambda w: not w.ended or w.deliveries[w.ended - 1] == 1,
    "nothing is left to tell": lambda w: not w.untold,
}

Scenario = tuple[World, Callable[[Rules], list[Process]]]
SHORT: dict[str, Scenario] = {
    "a task ends, is retried and ends again, one of two who tell of it dies": (World(), lambda r: [
        Mortal(Worker(r, 1)), Worker(r, 2), Mortal(Announcer(r, 1)), Announcer(r, 2)]),
}  # fmt: skip
LONG: dict[str, Scenario] = {
    "the same, three tell of it": (World(), lambda r: [
        Mortal(Worker(r, 1)), Worker(r, 2), Mortal(Announcer(r, 1)), Mortal(Announcer(r, 2)), Announcer(r, 3)]),
}  # fmt: skip
