"""An index takes hold of its children before its own commit, and lets go of them after its own death."""

from dataclasses import dataclass

from .explore import Moves, Process, Step
from .holds import Child, Holder, Rules, World, bumped, hold_of


@dataclass(frozen=True, eq=False)
class IndexPusher(Process):
    rules: Rules
    incarnation: int

    @property
    def hold(self) -> Holder:
        return hold_of(self.rules, self.incarnation)

    def usable(self, child: Child | None) -> bool:
        return child is not None and not (child.hidden and self.rules.bump_refuses_hidden)

    def open_intent(self, world: World, _: None) -> Moves:
        yield self.steps[self.rules.add_child[0]], world.intent(self.incarnation, "OPEN"), None

    def put_hold(self, world: World, _: None) -> Moves:
        yield self.after("hold"), world._replace(holds=world.holds | {self.hold}), None

    def bump_child(self, world: World, _: None) -> Moves:
        """One update: version + 1 if the row is there and not hidden. It reads nothing else."""
        if self.usable(world.child):
            yield self.after("bump"), world._replace(child=bumped(world.child)), None
        else:
            yield self.answer_manifest_unknown, world, None

    def read_child(self, world: World, _: None) -> Moves:
        yield self.after("read") if self.usable(world.child) else self.answer_manifest_unknown, world, None

    def hold_and_bump_child(self, world: World, _: None) -> Moves:
        if self.usable(world.child):
            held = world._replace(child=bumped(world.child), holds=world.holds | {self.hold})
            yield self.after("hold+bump"), held, None
        else:
            yield self.answer_manifest_unknown, world, None

    def commit(self, world: World, _: None) -> Moves:
        """One transaction: INTENT OPEN -> COMMITTED; put the index if absent."""
        fenced_off = self.rules.intent_fence and world.intents[self.incarnation] != "OPEN"
        child_refused = bool(self.rules.commit_children) and not self.usable(world.child)
        if fenced_off or child_refused or world.live_index:
            yield None, world, None
        else:
            child = bumped(world.child) if self.rules.commit_children == "bump" else world.child
            yield (
                None,
                world.intent(self.incarnation, "COMMITTED")._replace(live_index=self.incarnation, child=child),
                None,
            )

    def answer_manifest_unknown(self, world: World, _: None) -> Moves:
        yield None, world, None

    @property
    def steps(self) -> dict[str, Step]:
        return {
            "hold": self.put_hold,
            "bump": self.bump_child,
            "read": self.read_child,
            "hold+bump": self.hold_and_bump_child,
        }

    def after(self, step: str) -> Step:
        place = self.rules.add_child.index(step) + 1
        return self.steps[self.rules.add_child[place]] if place < len(self.rules.add_child) else self.commit

    @property
    def name(self) -> str:
        return f"push index {self.incarnation}"

    @property
    def first(self) -> Step:
        return self.open_intent


@dataclass(frozen=True, eq=False)
class IndexDeleter(Process):
    """The index row goes first, its HOLDs afterwards, by incarnation; its children no longer stay by themselves."""

    rules: Rules

    def find_index(self, world: World, _: None) -> Moves:
        if world.live_index:
            yield (self.delete_index if self.rules.index_before_hold else self.remove_hold), world, world.live_index

    def delete_index(self, world: World, seen: int) -> Moves:
        following = self.remove_hold if self.rules.index_before_hold else None
        yield following, world._replace(live_index=0) if world.live_index == seen else world, seen

    def remove_hold(self, world: World, seen: int) -> Moves:
        child = world.child and world.child._replace(stays=False)
        following = None if self.rules.index_before_hold else self.delete_index
        yield following, world._replace(holds=world.holds - {hold_of(self.rules, seen)}, child=child), seen

    @property
    def name(self) -> str:
        return "delete index"

    @property
    def first(self) -> Step:
        return self.find_index


@dataclass(frozen=True, eq=False)
class Reaper(Process):
    rules: Rules
    incarnation: int

    def abort_intent(self, world: World, _: None) -> Moves:
        if world.intents[self.incarnation] == "OPEN":
            yield (
                self.remove_hold,
                world.intent(self.incarnation, "ABORTED") if self.rules.intent_fence else world,
                None,
            )

    def remove_hold(self, world: World, _: None) -> Moves:
        """The child has lost a holder that never was: it stays if it stayed before."""
        yield None, world._replace(holds=world.holds - {hold_of(self.rules, self.incarnation)}), None

    @property
    def name(self) -> str:
        return f"reap index {self.incarnation}"

    @property
    def first(self) -> Step:
        return self.abort_intent
