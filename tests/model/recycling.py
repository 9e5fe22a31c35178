"""A deleted tag lives on as a bin entry: delete, restore, expiry, the sweep of the manifest and of its blob.

One manifest M with one blob, one tag; somebody may push another manifest N under the same tag. HOLD rows on M name the
tag or the bin entry. Moving a holder from one row to the other is one transaction, but a query isn't a snapshot: it can
look for the entry before and for the tag after. The new version is what makes the sweeper's kill fail then.
"""

from collections.abc import Callable
from dataclasses import dataclass

from . import core
from .bins import BINNED, INVARIANTS, TAG, Holder, Manifest, Rules, Tag, World, tag_is_m
from .core import Head, Rows, read_next_row
from .explore import Memory, Moves, Process, Step

__all__ = ["INVARIANTS", "LONG", "SHORT", "Rules", "World"]


def _bin(rules: Rules, entry: int) -> Holder:
    return ("bin", entry if rules.hold_names_entry else 0)


@dataclass(frozen=True, eq=False)
class TagDeleter(Process):
    """A person, retention or sync deletes the tag it has looked at."""

    rules: Rules
    entry: int

    def read_tag(self, world: World, _: None) -> Moves:
        if tag_is_m(world):
            yield self.delete_tag, world, world.tag

    def delete_tag(self, world: World, seen: Tag) -> Moves:
        """One transaction: TAG as seen, gone; HOLD(tag) gone; put entry; put HOLD(bin); version + 1."""
        tag = world.tag
        if tag is None or tag.digest != "M" or (self.rules.delete_checks_version and tag.version != seen.version):
            yield None, world, None
            return
        binned = world._replace(
            tag=None,
            entries=world.entries | {self.entry},
            unseen_push_deleted=world.unseen_push_deleted or tag.push != seen.push,
        )
        binned = binned.releasing(TAG).bumped(self.rules.delete_bumps)
        if self.rules.delete_with_hold:
            yield None, binned.holding(_bin(self.rules, self.entry)), None
        else:
            yield self.put_hold_late, binned, None

    def put_hold_late(self, world: World, _: None) -> Moves:
        yield None, world.holding(_bin(self.rules, self.entry)), None

    @property
    def name(self) -> str:
        return f"delete tag into {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_tag


@dataclass(frozen=True, eq=False)
class DigestDeleter(Process):
    """A person deletes M by digest: its tag goes along into one entry, and M can't be pulled any more."""

    rules: Rules
    entry: int

    def read_manifest_and_tag(self, world: World, _: None) -> Moves:
        if world.manifest is not None and not world.manifest.hidden:
            yield self.hide_manifest, world, (world.manifest, world.tag)

    def hide_manifest(self, world: World, memory: tuple[Manifest, Tag | None]) -> Moves:
        """One transaction, if incarnation and version are as seen: hide; TAG, HOLD(tag) gone; put entry, HOLD(bin)."""
        seen, tag = memory
        now = world.manifest
        version_moved = now is not None and self.rules.hide_checks_version and now.version != seen.version
        if now is None or now.incarnation != seen.incarnation or version_moved:
            yield None, world, None
            return
        unseen = tag_is_m(world) and world.tag != tag
        hidden = world._replace(
            manifest=now._replace(hidden=True),
            tag=None if tag_is_m(world) else world.tag,
            entries=world.entries | {self.entry},
            unseen_push_deleted=world.unseen_push_deleted or unseen,
        )
        hidden = hidden.releasing(TAG).bumped()
        yield None, hidden.holding(_bin(self.rules, self.entry)) if self.rules.hide_holds else hidden, None

    @property
    def name(self) -> str:
        return f"delete M into {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_manifest_and_tag


@dataclass(frozen=True, eq=False)
class Restorer(Process):
    rules: Rules
    entry: int
    number: int

    def read_entry(self, world: World, _: None) -> Moves:
        if self.entry in world.entries:
            yield self.restore_tag, world, None

    def restore_tag(self, world: World, _: None) -> Moves:
        """One transaction: entry there, gone; HOLD(bin) gone; put TAG if absent; put HOLD(tag); version + 1."""
        entry_gone = self.rules.restore_checks_entry and self.entry not in world.entries
        tag_taken = self.rules.restore_checks_tag and world.tag is not None
        if entry_gone or tag_taken or world.manifest is None:
            yield None, world, None
            return
        restored = world._replace(
            entries=world.entries - {self.entry},
            ended=(*world.ended, self.entry),
            tag_overwritten=world.tag_overwritten or world.tag is not None,
        )
        restored = restored.tagged(self.rules, "M").releasing(_bin(self.rules, self.entry))
        restored = restored.bumped(self.rules.restore_bumps).shown(self.rules.restore_shows)
        if self.rules.restore_with_hold:
            yield None, restored.holding(TAG), None
        else:
            yield self.put_hold_late, restored, None

    def put_hold_late(self, world: World, _: None) -> Moves:
        yield None, world.holding(TAG), None

    @property
    def name(self) -> str:
        return f"restore {self.entry} ({self.number})"

    @property
    def first(self) -> Step:
        return self.read_entry


@dataclass(frozen=True, eq=False)
class Expirer(Process):
    """The grace period has ended, or a person empties the bin. Takes a holder away, so it needs no new version."""

    rules: Rules
    entry: int

    def read_entry(self, world: World, _: None) -> Moves:
        if self.entry in world.entries:
            yield (self.expire if self.rules.expiry_whole else self.remove_hold_early), world, None

    def remove_hold_early(self, world: World, _: None) -> Moves:
        yield self.expire, world.releasing(_bin(self.rules, self.entry)), None

    def expire(self, world: World, _: None) -> Moves:
        """One transaction: entry there, gone; HOLD(bin) gone."""
        if self.entry in world.entries or not self.rules.expiry_checks_entry:
            ended = world._replace(entries=world.entries - {self.entry}, ended=(*world.ended, self.entry))
            yield None, ended.releasing(_bin(self.rules, self.entry)), None
        else:
            yield None, world, None

    @property
    def name(self) -> str:
        return f"expire {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_entry


@dataclass(frozen=True, eq=False)
class Pusher(Process):
    """Pushes M under the tag: takes over the row that is there, or goes the way of core.py for a new one."""

    rules: Rules
    incarnation: int

    def read_manifest(self, world: World, _: None) -> Moves:
        yield (
            (self.put_edge, world, None)
            if world.manifest is None
            else (self.commit_again, world, world.manifest.incarnation)
        )

    def commit_again(self, world: World, seen: int) -> Moves:
        """One transaction: incarnation as seen; shown; version + 1; put TAG; put HOLD(tag)."""
        if world.manifest is None or world.manifest.incarnation != seen:
            yield self.read_manifest, world, None
        else:
            pushed = world.tagged(self.rules, "M").holding(TAG).shown(self.rules.push_shows)
            yield None, pushed.bumped(self.rules.push_bumps), None

    def put_edge(self, world: World, _: None) -> Moves:
        yield self.read_head, world._replace(edges=world.edges | {self.incarnation}), None

    def read_head(self, world: World, _: None) -> Moves:
        head = world.head
        if head is None or head.state == "D":
            yield None, world, None
        else:
            yield (self.rescue if head.state == "C" else self.commit_new), world, head

    def rescue(self, world: World, seen: Head) -> Moves:
        if world.head == seen:
            yield self.commit_new, world._replace(head=Head("L", seen.generation)), None
        else:
            yield self.read_head, world, None

    def commit_new(self, world: World, _: None) -> Moves:
        if world.manifest is not None:
            yield self.read_manifest, world, None
        else:
            yield None, world._replace(manifest=Manifest(self.incarnation)).tagged(self.rules, "M").holding(TAG), None

    @property
    def name(self) -> str:
        return "push M"

    @property
    def first(self) -> Step:
        return self.read_manifest


@dataclass(frozen=True, eq=False)
class OtherPusher(Process):
    rules: Rules

    def commit_other(self, world: World, _: None) -> Moves:
        """One transaction: TAG points at N; HOLD(tag) on M gone. M has lost a holder, which needs no new version."""
        yield None, world.tagged(self.rules, "N").releasing(TAG), None

    @property
    def name(self) -> str:
        return "push N"

    @property
    def first(self) -> Step:
        return self.commit_other


def _tag_hold(world: World) -> bool:
    return TAG in world.holds


def _bin_hold(world: World) -> bool:
    return any(kind == "bin" for kind, _ in world.holds)


HOLDS = (_tag_hold, _bin_hold)


@dataclass(frozen=True, eq=False)
class Sweeper(Process):
    """Kills M if nobody holds it; then lets go of its blob."""

    rules: Rules
    number: int

    def read_manifest(self, world: World, _: None) -> Moves:
        if world.manifest is not None and self.rules.version_before_query:
            yield self.query_holders, world, (world.manifest, HOLDS)
        elif world.manifest is not None:
            yield self.kill, world, world.manifest

    def query_holders(self, world: World, memory: tuple[Manifest | None, Rows]) -> Moves:
        seen, unread = memory
        for found, rest in read_next_row(world, unread):
            if found:
                yield None, world, None
            elif rest:
                yield self.query_holders, world, (seen, rest)
            elif self.rules.version_before_query:
                yield (self.kill if self.rules.row_before_edge else self.remove_edge), world, seen
            else:
                yield self.read_manifest, world, None

    def kill(self, world: World, seen: Manifest) -> Moves:
        """One transaction, if incarnation and version are as seen: delete the row."""
        now = world.manifest
        version_moved = now is not None and self.rules.kill_checks_version and now.version != seen.version
        if now is None or now.incarnation != seen.incarnation or version_moved:
            yield None, world, None
        else:
            yield (self.remove_edge if self.rules.row_before_edge else None), world._replace(manifest=None), seen

    def remove_edge(self, world: World, seen: Manifest) -> Moves:
        following = None if self.rules.row_before_edge else self.kill
        yield following, world._replace(edges=world.edges - {seen.incarnation}), seen

    @property
    def name(self) -> str:
        return f"sweep {self.number}"

    @property
    def first(self) -> Step:
        return self.read_manifest if self.rules.version_before_query else self.query_holders

    @property
    def memory(self) -> Memory:
        return None if self.rules.version_before_query else (None, HOLDS)


def collector(token: int) -> Process:
    return core.Collector(core.Rules(), token, (lambda world: bool(world.edges),))


Scenario = tuple[World, Callable[[Rules], list[Process]]]
SHORT: dict[str, Scenario] = {
    "deleted, restored, deleted again; sweeps, a collector": (World(), lambda r: [
        TagDeleter(r, 1), Restorer(r, 1, 1), TagDeleter(r, 2), Sweeper(r, 1), Sweeper(r, 2), collector(1)]),
    "an entry restored twice, expired, pushed over; a sweep, a collector": (BINNED, lambda r: [
        Restorer(r, 1, 1), Restorer(r, 1, 2), Expirer(r, 1), OtherPusher(r), Sweeper(r, 1), collector(1)]),
    "deleted by digest, restored, pushed, deleted; a sweep, a collector": (World(), lambda r: [
        DigestDeleter(r, 1), Restorer(r, 1, 1), Pusher(r, 2), TagDeleter(r, 2), Sweeper(r, 1), collector(1)]),
    "deleted twice, pushed again, expired; a sweep, a collector": (World(), lambda r: [
        TagDeleter(r, 1), TagDeleter(r, 2), Pusher(r, 2), Expirer(r, 1), Sweeper(r, 1), collector(1)]),
}  # fmt: skip
LONG: dict[str, Scenario] = {
    "two deletions, a restore, an expiry, two pushes, two sweeps, a collector": (World(), lambda r: [
        TagDeleter(r, 1), TagDeleter(r, 2), Restorer(r, 1, 1), Expirer(r, 1), Pusher(r, 2), OtherPusher(r),
        Sweeper(r, 1), Sweeper(r, 2), collector(1)]),
    "an entry restored, expired, deleted again, pushed; two sweeps, two collectors": (BINNED, lambda r: [
        Restorer(r, 1, 1), Expirer(r, 1), TagDeleter(r, 2), Pusher(r, 2), Sweeper(r, 1), Sweeper(r, 2),
        collector(1), collector(2)]),
    "deleted by digest and by tag, restored both, expired, pushed; two sweeps, a collector": (World(), lambda r: [
        DigestDeleter(r, 1), TagDeleter(r, 2), Restorer(r, 1, 1), Restorer(r, 2, 1), Expirer(r, 1), Pusher(r, 2),
        Sweeper(r, 1), Sweeper(r, 2), collector(1)]),
}  # fmt: skip
