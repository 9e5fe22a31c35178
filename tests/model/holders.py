"""Who keeps a manifest: tags and indexes, by HOLD rows on it; and how a manifest nobody keeps dies.

One child manifest, one index digest, one tag. A sweeper reads the child's (incarnation, version), then looks for
holders, then kills if neither has changed; so whoever adds a holder has to change the version, and
not before its HOLD is there. An index can have more children than a transaction has room for, so it takes hold of them
before its commit.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .core import Rows, read_next_row
from .explore import Memory, Moves, Process, Step
from .holds import INVARIANTS, TAG, TAGGED, Child, Rules, World, bumped, pullable
from .indexes import IndexDeleter, IndexPusher, Reaper

__all__ = ["INVARIANTS", "LONG", "ORDERS", "SHORT", "Rules", "World"]


@dataclass(frozen=True, eq=False)
class Tagger(Process):
    rules: Rules

    def commit_tag(self, world: World, _: None) -> Moves:
        """One transaction: version + 1 if the manifest is there and not hidden; put TAG; put HOLD(tag)."""
        if self.rules.tag_checks_child and not pullable(world):
            yield None, world, None
        else:
            child = bumped(world.child) if self.rules.tag_bumps else world.child
            tagged = world._replace(child=child, tag=True)
            held = tagged._replace(holds=world.holds | {TAG})
            yield (None, held, None) if self.rules.tag_with_hold else (self.put_hold_late, tagged, None)

    def put_hold_late(self, world: World, _: None) -> Moves:
        yield None, world._replace(holds=world.holds | {TAG}), None

    @property
    def name(self) -> str:
        return "tag"

    @property
    def first(self) -> Step:
        return self.commit_tag


@dataclass(frozen=True, eq=False)
class Untagger(Process):
    def delete_tag(self, world: World, _: None) -> Moves:
        """One transaction: delete TAG; delete HOLD(tag); the manifest no longer stays by itself. No new version."""
        if world.tag:
            child = world.child and world.child._replace(stays=False)
            yield None, world._replace(tag=False, holds=world.holds - {TAG}, child=child), None

    @property
    def name(self) -> str:
        return "untag"

    @property
    def first(self) -> Step:
        return self.delete_tag


@dataclass(frozen=True, eq=False)
class ChildPusher(Process):
    """Push of the child by digest: an existing row is taken over as it is, an absent one made anew."""

    rules: Rules
    incarnation: int

    def read_child(self, world: World, _: None) -> Moves:
        yield (self.commit_again if world.child else self.commit_new), world, world.child and world.child.incarnation

    def commit_again(self, world: World, seen: int) -> Moves:
        """One transaction: incarnation as seen; stays, not hidden; version + 1."""
        child = world.child
        if child is None or child.incarnation != seen:
            yield self.read_child, world, None
        else:
            version = child.version + self.rules.repush_bumps
            yield None, world._replace(child=Child(seen, version)), None

    def commit_new(self, world: World, _: None) -> Moves:
        yield (
            (self.read_child, world, None)
            if world.child
            else (None, world._replace(child=Child(self.incarnation)), None)
        )

    @property
    def name(self) -> str:
        return "push child"

    @property
    def first(self) -> Step:
        return self.read_child


def _is_held_by_tag(world: World) -> bool:
    return TAG in world.holds


def _is_held_by_index(world: World) -> bool:
    return any(kind == "index" for kind, _ in world.holds)


HELD = (_is_held_by_tag, _is_held_by_index)


def _query(rules: Rules, world: World, memory: tuple[Child | None, Rows], again: Step, none: Step) -> Moves:
    """Reads the holders one after the other, in any order; ends when it finds one."""
    seen, unread = memory
    for found, rest in read_next_row(world, unread, rules.consistent_query):
        if found:
            yield None, world, None
        else:
            yield (again, world, (seen, rest)) if rest else (none, world, seen)


def _unchanged(rules: Rules, now: Child | None, seen: Child, check_version: bool) -> bool:
    same_incarnation = now is not None and (now.incarnation == seen.incarnation or not rules.kill_checks_incarnation)
    same_version = now is not None and (now.version == seen.version or not check_version)
    return same_incarnation and same_version


@dataclass(frozen=True, eq=False)
class Sweeper(Process):
    """Kills the child if nobody holds it."""

    rules: Rules
    number: int

    def read_child(self, world: World, _: None) -> Moves:
        child = world.child
        if child is None or (child.stays and not child.hidden and self.rules.kill_spares_pushed):
            yield None, world, None
        elif self.rules.version_before_query:
            yield self.query_holders, world, (child, HELD)
        else:
            yield self.kill, world, child

    def query_holders(self, world: World, memory: tuple[Child | None, Rows]) -> Moves:
        yield from _query(
            self.rules,
            world,
            memory,
            self.query_holders,
            self.kill if self.rules.version_before_query else self.read_child,
        )

    def kill(self, world: World, seen: Child) -> Moves:
        """One transaction, if incarnation and version are as seen: delete the row."""
        if _unchanged(self.rules, world.child, seen, self.rules.kill_checks_version):
            stayed = world.child is not None and world.child.stays and not world.child.hidden
            yield None, world._replace(child=None, killed_a_pushed_one=world.killed_a_pushed_one or stayed), None
        else:
            yield None, world, None

    @property
    def name(self) -> str:
        return f"sweep {self.number}"

    @property
    def first(self) -> Step:
        return self.read_child if self.rules.version_before_query else self.query_holders

    @property
    def memory(self) -> Memory:
        return None if self.rules.version_before_query else (None, HELD)


@dataclass(frozen=True, eq=False)
class Hider(Process):
    """DELETE of the child by digest: refused if an index holds it, takes its tag along, hides it for the bin."""

    rules: Rules

    def read_child(self, world: World, _: None) -> Moves:
        if not pullable(world):
            yield None, world, None
        else:
            asked = (_is_held_by_index,) if self.rules.hide_asks_for_indexes else ()
            yield (self.query_indexes, world, (world.child, asked)) if asked else (self.hide, world, world.child)

    def query_indexes(self, world: World, memory: tuple[Child | None, Rows]) -> Moves:
        yield from _query(self.rules, world, memory, self.query_indexes, self.hide)

    def hide(self, world: World, seen: Child) -> Moves:
        """One transaction, if incarnation and version are as seen: hide; delete the tags seen, their HOLDs."""
        if world.child and _unchanged(self.rules, world.child, seen, self.rules.hide_checks_version):
            hidden = world.child._replace(hidden=True)
            yield None, world._replace(child=hidden, tag=False, holds=world.holds - {TAG}), None
        else:
            yield self.read_child, world, None

    @property
    def name(self) -> str:
        return "delete child"

    @property
    def first(self) -> Step:
        return self.read_child


Scenario = tuple[World, Callable[[Rules], list[Process]]]
SHORT: dict[str, Scenario] = {
    "an index is pushed, dies, is pushed; sweeps and a reaper": (World(), lambda r: [
        IndexPusher(r, 1), IndexPusher(r, 2), IndexDeleter(r), Sweeper(r, 1), Sweeper(r, 2), Reaper(r, 1)]),
    "an index, a tag, an untagging, sweeps": (TAGGED, lambda r: [
        IndexPusher(r, 1), Untagger(), Tagger(r), Sweeper(r, 1), Sweeper(r, 2)]),
    "the child is pushed again, tagged, deleted by digest": (World(), lambda r: [
        ChildPusher(r, 2), Tagger(r), IndexPusher(r, 1), Hider(r), Sweeper(r, 1), Sweeper(r, 2)]),
}  # fmt: skip
LONG: dict[str, Scenario] = {
    "everything on one child": (TAGGED, lambda r: [
        IndexPusher(r, 1), IndexPusher(r, 2), IndexDeleter(r), Reaper(r, 1), Untagger(), Tagger(r),
        Sweeper(r, 1), Sweeper(r, 2)]),
    "everything on a child pushed again and deleted by digest": (World(), lambda r: [
        IndexPusher(r, 1), IndexDeleter(r), Reaper(r, 1), ChildPusher(r, 2), ChildPusher(r, 3), Tagger(r),
        Hider(r), Sweeper(r, 1), Sweeper(r, 2)]),
}  # fmt: skip

# How an index push may add a child, and whether it is safe.
ORDERS: dict[str, tuple[Rules, bool]] = {
    "hold, then bump": (Rules(), True),
    "hold and bump in one transaction": (Rules(add_child=("hold+bump",)), True),
    "hold; the commit bumps": (Rules(add_child=("hold",), commit_children="bump"), True),
    "bump, then hold": (Rules(add_child=("bump", "hold")), False),
    "hold, then read": (Rules(add_child=("hold", "read")), False),
    "bump, then hold, then read": (Rules(add_child=("bump", "hold", "read")), False),
    "hold, then read; the commit reads again": (Rules(add_child=("hold", "read"), commit_children="read"), False),
}
