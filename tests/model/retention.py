"""A run of retention as a task of two kinds of steps, carried out by workers whose claims run out.

A step that plans changes nothing and notes in the task what is to go; the step after it deletes that, each tag only
where the push put it that was decided of. What a step came to is written in one transaction, behind the claim.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from .explore import Invariant, Mortal, Moves, Process, Step


class Rules(NamedTuple):
    """One switch per mechanism; the registry has all of them on."""

    delete_as_decided: bool = True
    advance_fenced: bool = True
    plan_is_noted: bool = True
    gone_is_deleted: bool = True
    items_with_counts: bool = True
    plan_leaves_new: bool = True


Going = tuple[tuple[int, int], ...]
"""(tag, the push that was decided of)."""


class World(NamedTuple):
    """Two tags; a rule keeps the newest one.

    tags      the push that put each where it is, 0: deleted
    phase     of the task: plan, carry out, done. going: noted in it
    claimed   somebody is at it; expiries: how many claims may still run out before their time
    items     verdict of each tag, "" for none; kept, deleted, skipped: the task's counts
    planned   tags that were decided of; went: what the run deleted: history
    disturbed others pushed or deleted during the run: history
    """

    tags: tuple[int, int] = (1, 2)
    pushes: int = 2
    phase: str = "plan"
    going: Going = ()
    version: int = 1
    claimed: bool = False
    expiries: int = 2
    items: tuple[str, str] = ("", "")
    kept: int = 0
    deleted: int = 0
    skipped: int = 0
    planned: int = 0
    went: Going = ()
    disturbed: bool = False

    def put_items(self, verdicts: dict[int, str]) -> "World":
        first, second = (verdicts.get(tag, verdict) for tag, verdict in enumerate(self.items))
        return self._replace(items=(first, second))

    def moved(self, tag: int, push: int) -> "World":
        first, second = (push if place == tag else was for place, was in enumerate(self.tags))
        return self._replace(tags=(first, second))


BEGAN_AT = 2


@dataclass(frozen=True, eq=False)
class Worker(Process):
    """Memory is the version under which it claimed the task, and what it knows of the step so far."""

    rules: Rules
    number: int

    def claim(self, world: World, _: None) -> Moves:
        if world.phase == "done" or world.claimed:
            return
        claimed = world._replace(claimed=True, version=world.version + 1)
        if world.phase == "plan":
            yield self.plan, claimed, claimed.version
        else:
            yield self.delete, claimed, (claimed.version, world.going, ())

    def plan(self, world: World, version: int) -> Moves:
        """Reads tags, newest push first. Those that were pushed since the run began are not asked about."""
        found = [(push, tag) for tag, push in enumerate(world.tags) if push]
        asked = [row for row in found if row[0] <= BEGAN_AT or not self.rules.plan_leaves_new]
        newest_first = sorted(asked, reverse=True)
        kept = tuple(tag for _, tag in newest_first[:1])
        going = tuple((tag, push) for push, tag in newest_first[1:])
        first = self.note if self.rules.items_with_counts else self.put_kept_early
        yield (first if self.rules.plan_is_noted else self.delete_at_once), world, (version, kept, going)

    def put_kept_early(self, world: World, memory: tuple[int, tuple[int, ...], Going]) -> Moves:
        yield self.note, world.put_items(dict.fromkeys(memory[1], "kept")), memory

    def note(self, world: World, memory: tuple[int, tuple[int, ...], Going]) -> Moves:
        """One transaction: the task, if it is claimed by us still; items of what stays."""
        version, kept, going = memory
        if world.version != version and self.rules.advance_fenced:
            yield self.claim, world, None
            return
        told = world.put_items(dict.fromkeys(kept, "kept")) if self.rules.items_with_counts else world
        noted = told._replace(phase="carry out", going=going, version=world.version + 1, claimed=False)
        yield self.claim, noted._replace(kept=world.kept + len(kept), planned=len(kept) + len(going)), None

    def delete_at_once(self, world: World, memory: tuple[int, tuple[int, ...], Going]) -> Moves:
        """What goes is deleted by the very step that decided of it: nothing in the registry does this."""
        version, kept, going = memory
        for tag, push in going:
            if world.tags[tag] == push:
                world = world.moved(tag, 0)._replace(went=(*world.went, (tag, push)))
        yield self.advance_at_once, world, (version, kept, going)

    def advance_at_once(self, world: World, memory: tuple[int, tuple[int, ...], Going]) -> Moves:
        version, kept, going = memory
        if world.version == version:
            told = dict.fromkeys(kept, "kept") | {tag: "deleted" for tag, _ in going}
            done = world.put_items(told)._replace(phase="done", version=version + 1, claimed=False)
            counts = done._replace(kept=len(kept), deleted=len(going), planned=len(kept) + len(going))
            yield self.claim, counts, None
        else:
            yield self.claim, world, None

    def delete(self, world: World, memory: tuple[int, Going, tuple[tuple[int, str], ...]]) -> Moves:
        """One transaction: TAG where the push put it that was decided of, gone. What is gone went in an earlier try."""
        version, going, told = memory
        if not going:
            yield (self.advance if self.rules.items_with_counts else self.put_verdicts_early), world, (version, told)
            return
        (tag, push), *rest = going
        standing = world.tags[tag]
        if standing and (standing == push or not self.rules.delete_as_decided):
            verdict, world = "deleted", world.moved(tag, 0)._replace(went=(*world.went, (tag, standing)))
        elif standing == 0:
            verdict = "deleted" if self.rules.gone_is_deleted else "skipped"
        else:
            verdict = "skipped"
        yield self.delete, world, (version, tuple(rest), (*told, (tag, verdict)))

    def put_verdicts_early(self, world: World, memory: tuple[int, tuple[tuple[int, str], ...]]) -> Moves:
        yield self.advance, world.put_items(dict(memory[1])), memory

    def advance(self, world: World, memory: tuple[int, tuple[tuple[int, str], ...]]) -> Moves:
        """One transaction: the task, if it is claimed by us still; items of what was deleted and what was not."""
        version, told = memory
        if world.version != version and self.rules.advance_fenced:
            yield self.claim, world, None
            return
        verdicts = [verdict for _, verdict in told]
        shown = world.put_items(dict(told)) if self.rules.items_with_counts else world
        done = shown._replace(phase="done", going=(), version=world.version + 1, claimed=False)
        deleted, skipped = world.deleted + verdicts.count("deleted"), world.skipped + verdicts.count("skipped")
        yield self.claim, done._replace(deleted=deleted, skipped=skipped), None

    @property
    def name(self) -> str:
        return f"worker {self.number}"

    @property
    def first(self) -> Step:
        return self.claim


@dataclass(frozen=True, eq=False)
class Clock(Process):
    """Claims run out, also those of workers that are only slow."""

    def run_out(self, world: World, _: None) -> Moves:
        if world.claimed and world.expiries:
            yield self.run_out, world._replace(claimed=False, expiries=world.expiries - 1), None

    @property
    def name(self) -> str:
        return "clock"

    @property
    def first(self) -> Step:
        return self.run_out


@dataclass(frozen=True, eq=False)
class Pusher(Process):
    tag: int

    def push(self, world: World, _: None) -> Moves:
        push = world.pushes + 1
        yield None, world.moved(self.tag, push)._replace(pushes=push, disturbed=True), None

    @property
    def name(self) -> str:
        return f"push {self.tag}"

    @property
    def first(self) -> Step:
        return self.push


@dataclass(frozen=True, eq=False)
class Deleter(Process):
    tag: int

    def delete_tag(self, world: World, _: None) -> Moves:
        yield None, world.moved(self.tag, 0)._replace(disturbed=True), None

    @property
    def name(self) -> str:
        return f"delete {self.tag}"

    @property
    def first(self) -> Step:
        return self.delete_tag


def _exact(world: World) -> bool:
    """What is told of each tag is what became of it, and the counts are those of what is told."""
    went = {tag for tag, _ in world.went}
    told = all(verdict == ("deleted" if tag in went else "kept") for tag, verdict in enumerate(world.items))
    return told and (world.kept, world.deleted, world.skipped) == (1, 1, 0)


INVARIANTS: dict[str, Invariant] = {
    "no tag goes that was pushed after the run began": lambda w: all(push <= BEGAN_AT for _, push in w.went),
    "nothing is counted twice": lambda w: w.kept + w.deleted + w.skipped <= w.planned,
}
AT_REST: dict[str, Invariant] = {
    "a run comes to its end, unless whoever died at it has it still": lambda w: w.phase == "done" or w.claimed,
    "every tag that was decided of is counted": lambda w: (
        w.phase != "done" or w.kept + w.deleted + w.skipped == w.planned
    ),
    "the counts are those of the items": lambda w: (
        w.phase != "done" or (w.kept, w.deleted, w.skipped) == tuple(map(w.items.count, ("kept", "deleted", "skipped")))
    ),
    "a run that nobody disturbed tells what it did": lambda w: w.phase != "done" or w.disturbed or _exact(w),
}

Scenario = tuple[World, Callable[[Rules], list[Process]]]
SHORT: dict[str, Scenario] = {
    "a run, a worker dies, claims run out": (World(), lambda r: [Mortal(Worker(r, 1)), Worker(r, 2), Clock()]),
    "a run, both tags are pushed meanwhile": (World(expiries=1), lambda r: [
        Mortal(Worker(r, 1)), Worker(r, 2), Clock(), Pusher(0), Pusher(1)]),
    "a run, its tag is deleted and pushed anew meanwhile": (World(expiries=1), lambda r: [
        Mortal(Worker(r, 1)), Worker(r, 2), Clock(), Deleter(0), Pusher(0)]),
}  # fmt: skip
LONG: dict[str, Scenario] = {
    "a run, pushes and deletions of both tags meanwhile": (World(), lambda r: [
        Mortal(Worker(r, 1)), Worker(r, 2), Clock(), Pusher(0), Pusher(1), Deleter(0), Deleter(1)]),
}  # fmt: skip
