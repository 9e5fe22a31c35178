"""A repository leaves its name, comes back to it, or is purged, while others push into it and want its name.

NAME row and id row point at each other while it lives; then a bin entry knows of it; then the id row is due for purging
until nothing is left under it. Each change is one transaction. Content lies under the id and never moves.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .estates import AT_REST, INVARIANTS, Pointer, Rules, World
from .explore import Mortal, Moves, Process, Step

__all__ = ["AT_REST", "INVARIANTS", "LONG", "SHORT", "Rules", "World"]


@dataclass(frozen=True, eq=False)
class Deleter(Process):
    rules: Rules
    entry: int

    def read_record(self, world: World, _: None) -> Moves:
        if world.name == "ours":
            yield self.leave, world, world.record

    def leave(self, world: World, seen: int) -> Moves:
        """One transaction: NAME as seen, gone; id live, binned by this entry; put entry; quota -1."""
        unchanged = world.record == seen or not self.rules.delete_as_seen
        if world.name != "ours" or not unchanged:
            yield self.read_record, world, None
            return
        left = world._replace(name="", pointer=Pointer("binned", self.entry), quota=world.quota - 1)
        left = left._replace(entries=world.entries | {(self.entry, seen)})
        yield None, left, None
        yield self.look_back, left, None

    def look_back(self, world: World, _: None) -> Moves:
        """No answer came: the id row tells."""
        ours = world.pointer == Pointer("binned", self.entry)
        yield (None if ours else self.read_record), world, None

    @property
    def name(self) -> str:
        return f"delete into {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_record


@dataclass(frozen=True, eq=False)
class Editor(Process):
    def edit(self, world: World, _: None) -> Moves:
        if world.name == "ours":
            yield None, world._replace(record=world.record + 1, edits=world.edits + 1), None

    @property
    def name(self) -> str:
        return "edit"

    @property
    def first(self) -> Step:
        return self.edit


@dataclass(frozen=True, eq=False)
class Creator(Process):
    """Somebody makes another repository, of this name or of a neighbour's."""

    def create(self, world: World, _: None) -> Moves:
        if world.quota < world.limit:
            if not world.name:
                yield None, world._replace(name="other", quota=world.quota + 1), None
            yield None, world._replace(neighbours=world.neighbours + 1, quota=world.quota + 1), None

    @property
    def name(self) -> str:
        return "create"

    @property
    def first(self) -> Step:
        return self.create


@dataclass(frozen=True, eq=False)
class Restorer(Process):
    rules: Rules
    entry: int

    def read_entry(self, world: World, _: None) -> Moves:
        for entry, record in world.entries:
            if entry == self.entry:
                yield self.come_back, world, record

    def come_back(self, world: World, record: int) -> Moves:
        """One transaction: entry there, gone; put NAME if absent; id binned by it, live; quota +1 where there is."""
        stands = (self.entry, record) in world.entries or not self.rules.restore_checks_entry
        free = not world.name or not self.rules.restore_checks_name
        room = world.quota < world.limit or not self.rules.restore_checks_quota
        if not (stands and free and room) or world.pointer is None:
            yield self.answer_conflict, world, None
            return
        taken = world.name == "other"
        back = world._replace(
            name="ours",
            record=record,
            pointer=Pointer("live", 0),
            entries=frozenset(row for row in world.entries if row[0] != self.entry),
            name_overwritten=world.name_overwritten or taken,
        )
        if self.rules.restore_counts:
            yield None, back._replace(quota=back.quota + 1), None
        else:
            yield self.count, back, None

    def count(self, world: World, _: None) -> Moves:
        yield None, world._replace(quota=world.quota + 1), None

    def answer_conflict(self, world: World, _: None) -> Moves:
        yield None, world, None

    @property
    def name(self) -> str:
        return f"restore {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_entry


@dataclass(frozen=True, eq=False)
class Expirer(Process):
    rules: Rules
    entry: int

    def read_entry(self, world: World, _: None) -> Moves:
        for entry, record in world.entries:
            if entry == self.entry:
                yield (self.expire if self.rules.expiry_whole else self.remove_entry), world, record

    def expire(self, world: World, record: int) -> Moves:
        """One transaction: entry there, gone; id purging."""
        stands = (self.entry, record) in world.entries or not self.rules.expiry_checks_entry
        if stands and world.pointer is not None:
            yield None, self.gone(world)._replace(pointer=Pointer("purging", 0)), None

    def remove_entry(self, world: World, record: int) -> Moves:
        if (self.entry, record) in world.entries:
            yield self.begin_purge, self.gone(world), None

    def begin_purge(self, world: World, _: None) -> Moves:
        yield None, world._replace(pointer=Pointer("purging", 0)), None

    def gone(self, world: World) -> World:
        return world._replace(entries=frozenset(row for row in world.entries if row[0] != self.entry))

    @property
    def name(self) -> str:
        return f"expire {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_entry


@dataclass(frozen=True, eq=False)
class Purger(Process):
    """Buries what is left under the id as long as it is due. The id goes last, after a day: pushes that set out before
    the deletion have ended by then, one way or the other."""

    rules: Rules
    number: int

    def read_pointer(self, world: World, _: None) -> Moves:
        if world.pointer is not None and world.pointer.state == "purging":
            yield self.bury, world, None

    def bury(self, world: World, _: None) -> Moves:
        """A manifest dies under its own fence. With none left, the last look waits for its day."""
        if world.content:
            yield self.read_pointer, world._replace(content=world.content - {min(world.content)}), None
        elif self.rules.last_look_waits and self.rules.looks_after_waiting:
            yield self.wait_a_day, world, None
        else:
            yield self.delete_pointer if not self.rules.last_look_waits else self.wait_too_late, world, None

    def wait_a_day(self, world: World, _: None) -> Moves:
        if "LOOKED" not in world.intents:
            yield self.look_last, world, None

    def look_last(self, world: World, _: None) -> Moves:
        yield (self.read_pointer if world.content else self.delete_pointer), world, None

    def wait_too_late(self, world: World, _: None) -> Moves:
        if "LOOKED" not in world.intents:
            yield self.delete_pointer, world, None

    def delete_pointer(self, world: World, _: None) -> Moves:
        """One call: the id row, if it is purging."""
        still = world.pointer is not None and world.pointer.state == "purging"
        yield None, world._replace(pointer=None) if still else world, None

    @property
    def name(self) -> str:
        return f"purge {self.number}"

    @property
    def first(self) -> Step:
        return self.read_pointer


@dataclass(frozen=True, eq=False)
class Pusher(Process):
    """A new manifest: by the name to the id; the intent first, the id row second."""

    rules: Rules
    incarnation: int

    def find(self, world: World, _: None) -> Moves:
        if world.name == "ours":
            yield (self.open_intent if self.rules.looks_after_intent else self.look_early), world, None

    def open_intent(self, world: World, _: None) -> Moves:
        opened = "OPEN" if self.rules.looks_after_intent else "LOOKED"
        following = self.look if self.rules.looks_after_intent else self.commit
        yield following, world.intent(self.incarnation, opened), None

    def look_early(self, world: World, _: None) -> Moves:
        if world.pointer is not None and world.pointer.state == "live":
            yield self.open_intent, world, None

    def look(self, world: World, _: None) -> Moves:
        """Reads the id row. From here on the purge's last look waits for this intent."""
        if world.intents[self.incarnation] == "ABORTED":
            yield None, world, None
        elif world.pointer is not None and (world.pointer.state == "live" or not self.rules.look_refuses_gone):
            yield self.commit, world.intent(self.incarnation, "LOOKED"), None
        else:
            yield self.answer_missing, world.intent(self.incarnation, "ABORTED"), None

    def commit(self, world: World, _: None) -> Moves:
        """One transaction: INTENT OPEN, gone; put MANIFEST. It doesn't look at the id again."""
        if world.intents[self.incarnation] != "LOOKED" and self.rules.intent_fence:
            yield None, world, None
            return
        kept = world.pointer is not None and world.pointer.state != "purging"
        done = world.intent(self.incarnation, "COMMITTED")
        done = done._replace(content=world.content | {self.incarnation})
        yield None, done._replace(kept=world.kept | {self.incarnation}) if kept else done, None

    def answer_missing(self, world: World, _: None) -> Moves:
        yield None, world, None

    @property
    def name(self) -> str:
        return f"push {self.incarnation}"

    @property
    def first(self) -> Step:
        return self.find


@dataclass(frozen=True, eq=False)
class Reaper(Process):
    incarnation: int

    def abort_intent(self, world: World, _: None) -> Moves:
        if world.intents[self.incarnation] in ("OPEN", "LOOKED"):
            yield None, world.intent(self.incarnation, "ABORTED"), None

    @property
    def name(self) -> str:
        return f"reap {self.incarnation}"

    @property
    def first(self) -> Step:
        return self.abort_intent


Scenario = tuple[World, Callable[[Rules], list[Process]]]
BINNED = World(name="", pointer=Pointer("binned", 1), entries=frozenset({(1, 0)}), quota=0)
SHORT: dict[str, Scenario] = {
    "deleted, edited, restored, deleted again, expired, purged": (World(), lambda r: [
        Deleter(r, 1), Editor(), Restorer(r, 1), Deleter(r, 2), Expirer(r, 1), Purger(r, 1), Creator()]),
    "restored, expired twice, its name and its place in the quota taken": (BINNED._replace(limit=2), lambda r: [
        Restorer(r, 1), Restorer(r, 1), Expirer(r, 1), Expirer(r, 1), Creator(), Deleter(r, 2), Mortal(Purger(r, 1)),
        Purger(r, 2)]),
    "a push sets out, it is deleted, expired and purged": (World(), lambda r: [
        Pusher(r, 0), Reaper(0), Deleter(r, 1), Expirer(r, 1), Purger(r, 1), Purger(r, 2), Restorer(r, 1)]),
    "of a full instance, deleted and restored": (World(limit=1), lambda r: [
        Deleter(r, 1), Restorer(r, 1), Creator()]),
}  # fmt: skip
LONG: dict[str, Scenario] = {
    "two pushes, deleted twice, restored, expired, purged, its name taken": (World(), lambda r: [
        Pusher(r, 0), Pusher(r, 1), Reaper(0), Reaper(1), Deleter(r, 1), Deleter(r, 2), Restorer(r, 1), Expirer(r, 1),
        Expirer(r, 2), Purger(r, 1), Purger(r, 2), Creator()]),
}  # fmt: skip
