"""An index comes back from the recycle bin, and its children with it, each of which may have been deleted alone.

A deleted index keeps HOLD rows on its children, so their rows are still there; but a person may have deleted one by
digest meanwhile. An index can have more children than a transaction has room for, so they are shown again after its
commit: from then on nobody may hide them. The event of the restore comes last, and the sweep repairs what a crash left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from .explore import Invariant, Mortal, Moves, Process, Step


class Rules(NamedTuple):
    """One switch per mechanism; the registry has all of them on."""

    commit_puts_outbox: bool = True
    revive_after_commit: bool = True
    revive_checks_index: bool = True
    revive_before_event: bool = True
    sweep_revives: bool = True
    hide_checks_index: bool = True


class Row(NamedTuple):
    """hidden: deleted, kept by a bin entry."""

    hidden: bool
    version: int = 0


class World(NamedTuple):
    """
    parent    the index
    entries   of the index
    outbox    pushes that nobody has told of; events: push objects that are there
    restores  how often the index came back; hidden_at: how often it had by the time a person deleted the child,
              -1 if nobody did
    pulled_in_part, undone   history: a restore was answered for though the child is missing; a deletion was undone
    """

    parent: Row = Row(hidden=True)
    child: Row = Row(hidden=False)
    entries: frozenset[int] = frozenset({1})
    outbox: frozenset[int] = frozenset()
    events: frozenset[int] = frozenset()
    restores: int = 0
    hidden_at: int = -1
    pulled_in_part: bool = False
    undone: bool = False

    def revived(self) -> "World":
        if not self.child.hidden:
            return self
        undone = self.undone or self.hidden_at == self.restores
        return self._replace(child=Row(hidden=False, version=self.child.version + 1), undone=undone)


Restore = tuple[int, int]
"""Its entry, and the version that it gave the index."""


@dataclass(frozen=True, eq=False)
class Reviver(Process):
    """What the restore and the sweep have in common."""

    rules: Rules

    def revive(self, world: World, restore: Restore) -> Moves:
        """One transaction a child: the index is live; the child, hidden, is live, version + 1."""
        may = not world.parent.hidden or not self.rules.revive_checks_index
        yield self.following, world.revived() if may else world, restore

    @property
    def following(self) -> Step:
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Restorer(Reviver):
    entry: int

    def read_entry(self, world: World, _: None) -> Moves:
        if self.entry in world.entries:
            yield (self.commit if self.rules.revive_after_commit else self.revive_early), world, self.entry

    def revive_early(self, world: World, entry: int) -> Moves:
        yield self.commit, world.revived(), entry

    def commit(self, world: World, entry: int) -> Moves:
        """One transaction: entry there, gone; the index live, version + 1; put OUTBOX; its TAG and HOLD."""
        if entry not in world.entries:
            yield None, world, None
            return
        outbox = world.outbox | {entry} if self.rules.commit_puts_outbox else world.outbox
        back = world._replace(
            parent=Row(hidden=False, version=world.parent.version + 1),
            entries=world.entries - {entry},
            outbox=outbox,
            restores=world.restores + 1,
        )
        revives_next = self.rules.revive_after_commit and self.rules.revive_before_event
        yield (self.revive if revives_next else self.announce), back, (entry, back.parent.version)

    def announce(self, world: World, restore: Restore) -> Moves:
        """Writes the push object, whose creation is the event."""
        entry, _ = restore
        late = self.rules.revive_after_commit and not self.rules.revive_before_event
        announced = world._replace(events=world.events | {entry} if entry in world.outbox else world.events)
        yield (self.revive if late else self.answer), announced, restore

    def answer(self, world: World, restore: Restore) -> Moves:
        _, version = restore
        in_part = world.child.hidden and world.parent == Row(hidden=False, version=version)
        yield None, world._replace(pulled_in_part=world.pulled_in_part or in_part), None

    @property
    def following(self) -> Step:
        return self.announce if self.rules.revive_before_event else self.answer

    @property
    def name(self) -> str:
        return f"restore index {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_entry


@dataclass(frozen=True, eq=False)
class Sweeper(Reviver):
    """A push whose event was not handled in time: it is made whole, then its event is made again."""

    def find_outbox(self, world: World, _: None) -> Moves:
        for entry in world.outbox:
            yield (self.revive if self.rules.sweep_revives else self.announce_again), world, (entry, 0)

    def announce_again(self, world: World, restore: Restore) -> Moves:
        entry, _ = restore
        yield self.find_outbox, world._replace(events=world.events | {entry}), None

    @property
    def following(self) -> Step:
        return self.announce_again

    @property
    def name(self) -> str:
        return "sweep"

    @property
    def first(self) -> Step:
        return self.find_outbox


@dataclass(frozen=True, eq=False)
class Handler(Process):
    """The event is handled: OUTBOX goes."""

    def settle(self, world: World, _: None) -> Moves:
        for entry in world.events:
            yield self.settle, world._replace(events=world.events - {entry}, outbox=world.outbox - {entry}), None

    @property
    def name(self) -> str:
        return "handle event"

    @property
    def first(self) -> Step:
        return self.settle


@dataclass(frozen=True, eq=False)
class ChildDeleter(Process):
    """A person deletes the child by digest: refused under a live index."""

    rules: Rules

    def read_child(self, world: World, _: None) -> Moves:
        if not world.child.hidden:
            yield self.read_index, world, world.child

    def read_index(self, world: World, seen: Row) -> Moves:
        yield (self.hide, world, seen) if world.parent.hidden else (self.answer_in_use, world, None)

    def hide(self, world: World, seen: Row) -> Moves:
        """One transaction: the child at the version read, hidden; the index still hidden."""
        child = world.child
        if child == seen and (world.parent.hidden or not self.rules.hide_checks_index):
            hidden = Row(hidden=True, version=child.version + 1)
            yield None, world._replace(child=hidden, hidden_at=world.restores), None
        else:
            yield self.read_child, world, None

    def answer_in_use(self, world: World, _: None) -> Moves:
        yield None, world, None

    @property
    def name(self) -> str:
        return "delete child"

    @property
    def first(self) -> Step:
        return self.read_child


@dataclass(frozen=True, eq=False)
class IndexDeleter(Process):
    """The index is deleted again, into another entry."""

    entry: int

    def read_index(self, world: World, _: None) -> Moves:
        if not world.parent.hidden:
            yield self.hide, world, world.parent

    def hide(self, world: World, seen: Row) -> Moves:
        if world.parent == seen:
            hidden = Row(hidden=True, version=seen.version + 1)
            yield None, world._replace(parent=hidden, entries=world.entries | {self.entry}), None
        else:
            yield self.read_index, world, None

    @property
    def name(self) -> str:
        return f"delete index into {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_index


INVARIANTS: dict[str, Invariant] = {
    "an index that was answered for as restored has its child": lambda w: not w.pulled_in_part,
    "nobody but a restore brings back a child that a person deleted": lambda w: not w.undone,
}
AT_REST: dict[str, Invariant] = {
    "a live index has its child": lambda w: w.parent.hidden or not w.child.hidden,
    "every restore was told of": lambda w: not w.outbox,
}

Scenario = tuple[World, Callable[[Rules], list[Process]]]
APART = World(child=Row(hidden=True), hidden_at=0)
SHORT: dict[str, Scenario] = {
    "an index is restored, its child deleted meanwhile": (World(), lambda r: [
        Restorer(r, 1), ChildDeleter(r), Sweeper(r), Handler()]),
    "a restore dies, its child was deleted before": (APART, lambda r: [
        Mortal(Restorer(r, 1)), ChildDeleter(r), Sweeper(r), Handler()]),
    "restored, deleted again, its child deleted alone, restored again": (World(), lambda r: [
        Mortal(Restorer(r, 1)), IndexDeleter(2), ChildDeleter(r), Restorer(r, 2), Sweeper(r), Handler()]),
}  # fmt: skip
LONG: dict[str, Scenario] = {
    "restored, deleted again, its child deleted alone twice, restored again": (APART, lambda r: [
        Mortal(Restorer(r, 1)), IndexDeleter(2), ChildDeleter(r), ChildDeleter(r), Mortal(Restorer(r, 2)), Sweeper(r),
        Handler()]),
}  # fmt: skip
