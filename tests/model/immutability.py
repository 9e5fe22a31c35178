"""Pushers, deleters and a restorer of one tag, while others enable, disable and take away the rule over it.

Whoever moves a tag that is there reads one copy of the policy, and its transaction checks that copy; whoever changes
the rules writes every copy in one transaction, one version up. So of a move and an edit one comes first, and the other
sees it. A tag that is not there is made by whoever comes first.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .explore import Moves, Process, Step
from .policies import INVARIANTS, PUSHED, RULED, Copy, Rules, Tag, World

__all__ = ["INVARIANTS", "LONG", "SHORT", "Rules", "World"]

Seen = tuple[Tag | None, int | None]
"""The tag, and the version of the copy that judged it; None where nobody needs to be asked."""


@dataclass(frozen=True, eq=False)
class Mover(Process):
    """What pushes, rollbacks and deletions of an existing tag have in common: they ask the policy."""

    rules: Rules

    def judge(self, world: World, tag: Tag) -> Moves:
        """Reads the copy over the tag: rules and version in one read. An unreadable policy refuses."""
        copy = world.copies[1]
        if not copy.rule:
            yield self.carry_out, world, (tag, copy.version)
        else:
            yield self.answer_immutable, world, None
        if not self.rules.unread_refuses:
            yield self.carry_out, world, (tag, None)

    def read_version(self, world: World, _: Tag) -> Moves:
        """The verdict of before is taken as still good: nothing in the registry does this."""
        if world.tag is not None:
            yield self.carry_out, world, (world.tag, world.copies[1].version)
        else:
            yield None, world, None

    def carry_out(self, world: World, seen: Seen) -> Moves:
        raise NotImplementedError

    def answer_immutable(self, world: World, _: None) -> Moves:
        yield None, world, None

    def checks(self, world: World, version: int | None, wanted: bool) -> bool:
        return version is None or not wanted or world.copies[1].version == version


@dataclass(frozen=True, eq=False)
class Pusher(Mover):
    """A push, a copy or a rollback of this digest."""

    digest: str

    def read_tag(self, world: World, _: None) -> Moves:
        tag = world.tag
        if tag is None or tag.digest == self.digest:
            yield self.carry_out, world, (tag, None)
        else:
            yield self.judge, world, tag

    def carry_out(self, world: World, seen: Seen) -> Moves:
        """One transaction: TAG absent, or as seen; the copy that judged it as read."""
        tag, version = seen
        if tag is None:
            unchanged = world.tag is None or not self.rules.put_if_absent
        elif tag.digest == self.digest:
            unchanged = world.tag == tag or not self.rules.same_digest_as_seen
        else:
            unchanged = world.tag == tag
        if unchanged and self.checks(world, version, self.rules.move_checks_policy):
            yield self.answer_pushed, world.tagged(self.digest), None
        elif version is not None and tag is not None and not self.rules.verdict_in_loop:
            yield self.read_version, world, tag
        else:
            yield self.read_tag, world, None

    def answer_pushed(self, world: World, _: None) -> Moves:
        """Or no answer came: then its outbox row tells that it took effect."""
        yield None, world, None

    @property
    def name(self) -> str:
        return f"push {self.digest}"

    @property
    def first(self) -> Step:
        return self.read_tag


@dataclass(frozen=True, eq=False)
class Deleter(Mover):
    """A person or retention deletes the tag."""

    def read_tag(self, world: World, _: None) -> Moves:
        if world.tag is not None:
            yield self.judge, world, world.tag

    def carry_out(self, world: World, seen: Seen) -> Moves:
        """One transaction: TAG as seen, gone; put the bin entry; the copy that judged it as read."""
        tag, version = seen
        if world.tag == tag and self.checks(world, version, self.rules.delete_checks_policy):
            yield None, world.untagged(), None
        else:
            yield self.read_tag, world, None

    @property
    def name(self) -> str:
        return "delete tag"

    @property
    def first(self) -> Step:
        return self.read_tag


@dataclass(frozen=True, eq=False)
class Restorer(Process):
    """Puts back what was deleted, if the name is free: so it asks no rule."""

    rules: Rules

    def restore_tag(self, world: World, _: None) -> Moves:
        if world.entry and (world.tag is None or not self.rules.restore_if_absent):
            yield None, world.tagged(world.entry)._replace(entry=""), None

    @property
    def name(self) -> str:
        return "restore tag"

    @property
    def first(self) -> Step:
        return self.restore_tag


@dataclass(frozen=True, eq=False)
class Editor(Process):
    """
    change  enable or disable the rule; take: it away; other: a rule that has nothing to do with the tag is changed
    """

    rules: Rules
    change: str
    number: int = 1

    @property
    def weakens(self) -> bool:
        return self.change in ("disable", "take")

    def begin(self, world: World, _: None) -> Moves:
        begun = world._replace(promised=False, disabling=world.disabling + 1) if self.weakens else world
        yield self.read_policy, begun, False

    def read_policy(self, world: World, unanswered: bool) -> Moves:
        copy = world.copies[0]
        done = copy.other if self.change == "other" else copy.rule == (not self.weakens)
        yield (self.answer, world, None) if done else (self.write_policy, world, (copy, unanswered))

    def changed(self, copy: Copy) -> Copy:
        if self.change == "take" and not self.rules.versions_never_repeat:
            return Copy()
        version = copy.version + 1 if self.rules.edit_raises_version else max(copy.version, 1)
        if self.change == "other":
            return Copy(version, copy.rule, other=True)
        return Copy(version, not self.weakens, copy.other)

    def write_policy(self, world: World, memory: tuple[Copy, bool]) -> Moves:
        """One transaction: every copy, if each is at the version read. No answer, which happens once: read again."""
        seen, unanswered = memory
        if not self.rules.edit_whole:
            yield from self.write_first(world, seen)
        elif self.rules.edit_as_seen and any(copy.version != seen.version for copy in world.copies):
            yield self.read_policy, world, unanswered
        else:
            written = world._replace(copies=(self.changed(seen),) * 2)
            yield self.answer, written, None
            if not unanswered:
                yield self.read_policy, written, True

    def write_first(self, world: World, seen: Copy) -> Moves:
        if world.copies[0].version == seen.version:
            yield self.write_second, world._replace(copies=(self.changed(seen), world.copies[1])), seen
        else:
            yield self.read_policy, world, False

    def write_second(self, world: World, seen: Copy) -> Moves:
        yield self.answer, world._replace(copies=(world.copies[0], self.changed(seen))), None

    def answer(self, world: World, _: None) -> Moves:
        if self.weakens:
            yield None, world._replace(disabling=world.disabling - 1), None
        else:
            # Otherwise somebody has disabled it meanwhile, or is about to.
            stands = self.change == "enable" and world.copies[0].rule and not world.disabling
            yield None, world._replace(promised=world.promised or stands), None

    @property
    def name(self) -> str:
        return f"{self.change} ({self.number})"

    @property
    def first(self) -> Step:
        return self.begin


Scenario = tuple[World, Callable[[Rules], list[Process]]]
SHORT: dict[str, Scenario] = {
    "two first pushes, the rule is enabled": (World(), lambda r: [
        Pusher(r, "A"), Pusher(r, "B"), Editor(r, "enable")]),
    "a tag is pushed again, pushed over and deleted, the rule is enabled": (PUSHED, lambda r: [
        Pusher(r, "A"), Pusher(r, "B"), Deleter(r), Editor(r, "enable")]),
    "a tag is deleted, restored and pushed anew, the rule is enabled": (PUSHED, lambda r: [
        Deleter(r), Restorer(r), Pusher(r, "B"), Editor(r, "enable")]),
    "a tag is pushed over, the rule is taken away and enabled, another rule is made": (RULED, lambda r: [
        Pusher(r, "B"), Editor(r, "enable"), Editor(r, "take"), Editor(r, "enable", 2), Editor(r, "other")]),
}  # fmt: skip
LONG: dict[str, Scenario] = {
    "a tag is pushed over twice, deleted and restored, the rule comes, goes and comes": (RULED, lambda r: [
        Pusher(r, "A"), Pusher(r, "B"), Deleter(r), Restorer(r),
        Editor(r, "enable"), Editor(r, "disable"), Editor(r, "enable", 2)]),
    "two first pushes, a deletion, three edits beside each other": (World(), lambda r: [
        Pusher(r, "A"), Pusher(r, "B"), Deleter(r),
        Editor(r, "enable"), Editor(r, "take"), Editor(r, "enable", 2), Editor(r, "other")]),
}  # fmt: skip
