"""What follows from a push, exactly once, though events are lost, doubled and late and whoever handles them dies.

OUTBOX is committed with the push. Writing the push object is the event. A handler reads OUTBOX, writes each follow-up
under an id that is always the same, and settles last. The sweep makes the event again as long as OUTBOX stands.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from .explore import Invariant, Mortal, Moves, Process, Step


class Rules(NamedTuple):
    """One switch per mechanism; the registry has all of them on."""

    commit_puts_outbox: bool = True
    ids_are_derived: bool = True
    settles_last: bool = True
    counts_with_settling: bool = True
    settling_checks_outbox: bool = True
    sweeps: bool = True
    object_before_outbox: bool = True
    tidies_late_objects: bool = True


class World(NamedTuple):
    """
    events   on their way; lost: how many may still be lost, doubled: how many may still come twice
    entries  in the audit record; deliveries: to the one webhook; pushes: counted
    dropped, remade, handling   history: an event was lost; a sweep made the object; who has taken an event and not come
             to its end
    """

    committed: bool = False
    outbox: bool = False
    object: bool = False
    events: int = 0
    lost: int = 1
    doubled: int = 1
    entries: int = 0
    deliveries: int = 0
    pushes: int = 0
    dropped: bool = False
    remade: bool = False
    handling: frozenset[int] = frozenset()

    def announced(self) -> "World":
        """More events than two on their way make no difference."""
        return self if self.object else self._replace(object=True, events=min(self.events + 1, 2))

    def filed(self, rules: Rules) -> "World":
        return self._replace(entries=self.entries + (self.entries == 0 or not rules.ids_are_derived))

    def noted(self, rules: Rules) -> "World":
        return self._replace(deliveries=self.deliveries + (self.deliveries == 0 or not rules.ids_are_derived))


@dataclass(frozen=True, eq=False)
class Pusher(Process):
    rules: Rules

    def commit(self, world: World, _: None) -> Moves:
        """One transaction: the push and its OUTBOX."""
        pushed = world._replace(committed=True, outbox=self.rules.commit_puts_outbox)
        yield (self.announce if self.rules.commit_puts_outbox else self.put_outbox_late), pushed, None

    def put_outbox_late(self, world: World, _: None) -> Moves:
        yield self.announce, world._replace(outbox=True), None

    def announce(self, world: World, _: None) -> Moves:
        yield None, world.announced(), None

    @property
    def name(self) -> str:
        return "push"

    @property
    def first(self) -> Step:
        return self.commit


@dataclass(frozen=True, eq=False)
class Weather(Process):
    """Loses an event, or makes two of one."""

    def blow(self, world: World, _: None) -> Moves:
        if world.events and world.lost:
            yield self.blow, world._replace(events=world.events - 1, lost=world.lost - 1, dropped=True), None
        if world.events == 1 and world.doubled:
            yield self.blow, world._replace(events=2, doubled=world.doubled - 1), None

    @property
    def name(self) -> str:
        return "weather"

    @property
    def first(self) -> Step:
        return self.blow


@dataclass(frozen=True, eq=False)
class Handler(Process):
    rules: Rules
    number: int

    def take_event(self, world: World, _: None) -> Moves:
        if world.events:
            taken = world._replace(events=world.events - 1, handling=world.handling | {self.number})
            yield self.read_outbox, taken, None

    def ended(self, world: World) -> World:
        return world._replace(handling=world.handling - {self.number})

    def read_outbox(self, world: World, _: None) -> Moves:
        if world.outbox:
            yield self.file_entry, world, None
        elif self.rules.tidies_late_objects:
            yield self.delete_late_object, world, None
        else:
            yield self.take_event, self.ended(world), None

    def delete_late_object(self, world: World, _: None) -> Moves:
        yield self.take_event, self.ended(world)._replace(object=False), None

    def file_entry(self, world: World, _: None) -> Moves:
        following = self.put_delivery if self.rules.settles_last else self.first_settling
        yield following, world.filed(self.rules), None

    def put_delivery(self, world: World, _: None) -> Moves:
        following = self.first_settling if self.rules.settles_last else self.end
        yield following, world.noted(self.rules), None

    @property
    def first_settling(self) -> Step:
        return self.delete_object if self.rules.object_before_outbox else self.settle

    @property
    def settled(self) -> Step:
        return self.end if self.rules.settles_last else self.put_delivery

    def delete_object(self, world: World, _: None) -> Moves:
        yield (self.settle if self.rules.object_before_outbox else self.settled), world._replace(object=False), None

    def end(self, world: World, _: None) -> Moves:
        yield self.take_event, self.ended(world), None

    def settle(self, world: World, _: None) -> Moves:
        """One transaction: OUTBOX there, gone; pushes + 1. No answer: what happened, happened once."""
        following = self.settled if self.rules.object_before_outbox else self.delete_object
        if not world.outbox and self.rules.settling_checks_outbox:
            yield following, world, None
        elif self.rules.counts_with_settling:
            yield following, world._replace(outbox=False, pushes=min(2, world.pushes + 1)), None
        else:
            yield self.count_late, world._replace(outbox=False), None

    def count_late(self, world: World, _: None) -> Moves:
        yield self.settled, world._replace(pushes=world.pushes + 1), None

    @property
    def name(self) -> str:
        return f"handle {self.number}"

    @property
    def first(self) -> Step:
        return self.take_event


@dataclass(frozen=True, eq=False)
class Sweeper(Process):
    """The event of a push that is due was not handled: its object is made anew, which makes another."""

    rules: Rules

    def find_outbox(self, world: World, _: None) -> Moves:
        if world.outbox and self.rules.sweeps:
            yield self.delete_object, world, None

    def delete_object(self, world: World, _: None) -> Moves:
        yield self.put_object, world._replace(object=False), None

    def put_object(self, world: World, _: None) -> Moves:
        yield self.find_outbox, world.announced()._replace(remade=True), None

    @property
    def name(self) -> str:
        return "sweep"

    @property
    def first(self) -> Step:
        return self.find_outbox


INVARIANTS: dict[str, Invariant] = {
    "nothing follows twice": lambda w: max(w.entries, w.deliveries, w.pushes) <= 1,
    "a push is forgotten only when everything has followed": lambda w: (
        not w.committed or w.outbox or w.entries == w.deliveries == w.pushes == 1
    ),
}
AT_REST: dict[str, Invariant] = {
    "everything has followed": lambda w: not w.committed or (w.entries == w.deliveries == w.pushes == 1),
    "no push object is left, unless a sweep made it and its event was lost": lambda w: (
        not w.object or (w.remade and (w.dropped or bool(w.handling)))
    ),
}

STORMY = World(lost=2, doubled=2)
Scenario = tuple[World, Callable[[Rules], list[Process]]]
SHORT: dict[str, Scenario] = {
    "a push, its event is lost and doubled, a handler dies, a sweep": (World(), lambda r: [
        Mortal(Pusher(r)), Weather(), Mortal(Handler(r, 1)), Handler(r, 2), Sweeper(r)]),
    "a push, a sweep that is late": (World(lost=0), lambda r: [
        Mortal(Pusher(r)), Mortal(Handler(r, 1)), Handler(r, 2), Sweeper(r)]),
}  # fmt: skip
LONG: dict[str, Scenario] = {
    "a push, two events are lost and doubled, a handler and a sweep die, another sweep": (STORMY, lambda r: [
        Mortal(Pusher(r)), Weather(), Mortal(Handler(r, 1)), Handler(r, 2), Mortal(Sweeper(r)), Sweeper(r)]),
}  # fmt: skip
