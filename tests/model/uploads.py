"""The end of an upload: session, lease, live generation; then a push that relies on the 201.

One digest in one repository. Its lease row is EDGE(upload): whoever promises the blob to a client extends it, nobody
shortens it, and the sweeper removes it once the clock has passed it. Links are left to links.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from . import core
from .core import Head, Rows, downloadable
from .explore import Invariant, Moves, Process, Step


class Rules(NamedTuple):
    lease_before_head: bool = True
    renewal_before_head: bool = True
    lease_only_grows: bool = True
    sweep_what_was_read: bool = True
    lease_holds: bool = True
    rescue: bool = True
    bytes_before_row: bool = True
    claim_checks_session: bool = True
    throw_away_checks_session: bool = True
    session_closed_before_bytes_go: bool = True
    push_confirms_head: bool = True


class World(NamedTuple):
    """lease, now: whole days; the lease ends when now reaches it. promised: ends of the leases of every 201 and 200."""

    head: Head | None = None
    objects: frozenset[int] = frozenset()
    sessions: tuple[str, ...] = ("OPEN",) * 3
    rubbish: frozenset[int] = frozenset()
    lease: int = 0
    now: int = 0
    edge: bool = False
    manifest: bool = False
    promised: frozenset[int] = frozenset()

    def session(self, number: int, state: str) -> "World":
        return self._replace(sessions=(*self.sessions[:number], state, *self.sessions[number + 1 :]))


BLOB_SEEN_BEFORE = World(head=Head("L", 9), objects=frozenset({9}))


def promises_are_kept(world: World) -> bool:
    return downloadable(world) or not any(end > world.now for end in world.promised)


INVARIANTS: dict[str, Invariant] = {
    "a live manifest's blob is downloadable": lambda w: not w.manifest or downloadable(w),
    "an acknowledged, unexpired upload is downloadable": promises_are_kept,
}


def _extend(rules: Rules, world: World, end: int) -> World:
    return world._replace(lease=max(world.lease, end) if rules.lease_only_grows else end)


@dataclass(frozen=True, eq=False)
class Finisher(Process):
    """The closing PUT. The session row names the generation, so a repeated PUT goes on with the same one."""

    rules: Rules
    session: int
    generation: int
    lease: int

    def complete_object(self, world: World, _: None) -> Moves:
        made = world._replace(objects=world.objects | {self.generation})
        yield self.first_after_bytes(), made if self.rules.bytes_before_row else world, None
        if world.sessions[self.session] != "OPEN":
            yield self.look_once_more, world, None  # nothing left to complete

    def first_after_bytes(self) -> Step:
        return self.extend_lease if self.rules.lease_before_head else self.read_head

    def extend_lease(self, world: World, _: None) -> Moves:
        yield (
            (self.read_head if self.rules.lease_before_head else self.answer_201),
            _extend(self.rules, world, self.lease),
            None,
        )

    def read_head(self, world: World, _: None) -> Moves:
        head = world.head
        if head is None or head.state == "D":
            yield self.claim_head, world, head
        elif head.state == "C" and self.rules.rescue:
            yield self.rescue, world, head
        else:
            yield self.throw_ours_away, world, None

    def claim_head(self, world: World, seen: Head | None) -> Moves:
        """One transaction: HEAD is as seen -> (L, generation); session OPEN -> DONE."""
        if self.rules.claim_checks_session and world.sessions[self.session] != "OPEN":
            yield self.look_once_more, world, None
        elif world.head != seen:
            yield self.read_head, world, None
        else:
            claimed = world._replace(head=Head("L", self.generation)).session(self.session, "DONE")
            yield self.after_settling(), claimed, None
            yield self.read_head, claimed, None  # the transaction took effect, its answer was lost

    def look_once_more(self, world: World, _: None) -> Moves:
        """The session is over: another attempt has finished it, or it was cancelled and reaped."""
        missing = world.head is None or world.head.state == "D"
        yield (self.answer_upload_unknown if missing else self.first_after_bytes()), world, None

    def rescue(self, world: World, seen: Head) -> Moves:
        if world.head == seen:
            yield self.throw_ours_away, world._replace(head=Head("L", seen.generation)), None
        else:
            yield self.read_head, world, None

    def throw_ours_away(self, world: World, _: None) -> Moves:
        """One transaction: session OPEN -> DONE; TOMBSTONE(generation). Not open: settled before, nothing to do."""
        if world.sessions[self.session] == "OPEN" or not self.rules.throw_away_checks_session:
            world = world._replace(rubbish=world.rubbish | {self.generation}).session(self.session, "DONE")
        yield self.after_settling(), world, None

    def after_settling(self) -> Step:
        if not self.rules.bytes_before_row:
            return self.complete_object_late
        return self.answer_201 if self.rules.lease_before_head else self.extend_lease

    def complete_object_late(self, world: World, _: None) -> Moves:
        yield self.answer_201, world._replace(objects=world.objects | {self.generation}), None

    def answer_201(self, world: World, _: None) -> Moves:
        yield None, world._replace(promised=world.promised | {self.lease}), None

    def answer_upload_unknown(self, world: World, _: None) -> Moves:
        yield None, world, None

    @property
    def name(self) -> str:
        return f"finish session {self.session}"

    @property
    def first(self) -> Step:
        return self.complete_object


@dataclass(frozen=True, eq=False)
class Renewer(Process):
    """HEAD of a blob, or a mount, by somebody who may push: lease first, then the reading that the answer rests on."""

    rules: Rules
    lease: int

    def extend_lease(self, world: World, _: None) -> Moves:
        yield (
            (self.read_head if self.rules.renewal_before_head else self.answer_200),
            _extend(self.rules, world, self.lease),
            None,
        )

    def read_head(self, world: World, _: None) -> Moves:
        head = world.head
        if head is None or head.state == "D":
            yield None, world, None
        elif head.state == "C" and self.rules.rescue:
            yield self.rescue, world, head
        else:
            yield (self.answer_200 if self.rules.renewal_before_head else self.extend_lease), world, None

    def rescue(self, world: World, seen: Head) -> Moves:
        if world.head == seen:
            following = self.answer_200 if self.rules.renewal_before_head else self.extend_lease
            yield following, world._replace(head=Head("L", seen.generation)), None
        else:
            yield self.read_head, world, None

    def answer_200(self, world: World, _: None) -> Moves:
        yield None, world._replace(promised=world.promised | {self.lease}), None

    @property
    def name(self) -> str:
        return "renew"

    @property
    def first(self) -> Step:
        return self.extend_lease if self.rules.renewal_before_head else self.read_head


@dataclass(frozen=True, eq=False)
class Pusher(Process):
    """A manifest that needs the blob; without its own look at HEAD it would trust the client's 201."""

    rules: Rules

    def put_edge(self, world: World, _: None) -> Moves:
        yield (self.read_head if self.rules.push_confirms_head else self.commit), world._replace(edge=True), None

    def read_head(self, world: World, _: None) -> Moves:
        head = world.head
        if head is None or head.state == "D":
            yield self.answer_blob_unknown, world, None
        elif head.state == "C" and self.rules.rescue:
            yield self.rescue, world, head
        else:
            yield self.commit, world, None

    def rescue(self, world: World, seen: Head) -> Moves:
        if world.head == seen:
            yield self.commit, world._replace(head=Head("L", seen.generation)), None
        else:
            yield self.read_head, world, None

    def commit(self, world: World, _: None) -> Moves:
        yield None, world._replace(manifest=True), None

    def answer_blob_unknown(self, world: World, _: None) -> Moves:
        """The edge stays until the reaper has aborted the intent; core.py shows that part."""
        yield None, world, None

    def wait_for_a_201(self, world: World, _: None) -> Moves:
        if world.promised:
            yield self.put_edge, world, None

    @property
    def name(self) -> str:
        return "push"

    @property
    def first(self) -> Step:
        return self.wait_for_a_201 if not self.rules.push_confirms_head else self.put_edge


@dataclass(frozen=True, eq=False)
class Clock(Process):
    last: int

    def tick(self, world: World, _: None) -> Moves:
        if world.now < self.last:
            yield self.tick, world._replace(now=world.now + 1), None

    @property
    def name(self) -> str:
        return "clock"

    @property
    def first(self) -> Step:
        return self.tick


@dataclass(frozen=True, eq=False)
class LeaseSweeper(Process):
    rules: Rules

    def find_expired_lease(self, world: World, _: None) -> Moves:
        if 0 < world.lease <= world.now:
            yield self.remove_lease, world, world.lease

    def remove_lease(self, world: World, seen: int) -> Moves:
        unchanged = world.lease == seen or not self.rules.sweep_what_was_read
        yield self.find_expired_lease, world._replace(lease=0) if unchanged else world, None

    @property
    def name(self) -> str:
        return "sweep leases"

    @property
    def first(self) -> Step:
        return self.find_expired_lease


@dataclass(frozen=True, eq=False)
class SessionReaper(Process):
    """Cancels a session, asked or out of time: OPEN -> GONE first, the bytes afterwards."""

    rules: Rules
    session: int
    generation: int

    def close_session(self, world: World, _: None) -> Moves:
        if world.sessions[self.session] != "OPEN":
            yield None, world, None
        elif self.rules.session_closed_before_bytes_go:
            yield self.delete_object, world.session(self.session, "GONE"), None
        else:
            yield self.delete_object, world, None

    def delete_object(self, world: World, _: None) -> Moves:
        yield self.close_afterwards, world._replace(objects=world.objects - {self.generation}), None

    def close_afterwards(self, world: World, _: None) -> Moves:
        yield None, world.session(self.session, "GONE") if world.sessions[self.session] == "OPEN" else world, None

    @property
    def name(self) -> str:
        return f"reap session {self.session}"

    @property
    def first(self) -> Step:
        return self.close_session


@dataclass(frozen=True, eq=False)
class Remover(Process):
    """Deletes tombstoned objects, at any time and as often as it likes."""

    def delete_rubbish(self, world: World, _: None) -> Moves:
        for generation in world.rubbish & world.objects:
            yield self.delete_rubbish, world._replace(objects=world.objects - {generation}), None

    @property
    def name(self) -> str:
        return "remove rubbish"

    @property
    def first(self) -> Step:
        return self.delete_rubbish


def manifest_edge(world: World) -> bool:
    return world.edge


def lease_row(world: World) -> bool:
    return world.lease > 0


def collector(rules: Rules, token: int) -> Process:
    held: Rows = (manifest_edge, lease_row) if rules.lease_holds else (manifest_edge,)
    return core.Collector(core.Rules(), token, held)


Scenario = tuple[World, Callable[[Rules], list[Process]]]
SHORT: dict[str, Scenario] = {
    "two uploads of one blob, two collectors": (World(), lambda r: [
        Finisher(r, 0, 1, 1), Finisher(r, 1, 2, 2), Clock(2), LeaseSweeper(r), collector(r, 1), collector(r, 2),
        Remover()]),
    "one upload finished twice, reaped meanwhile": (World(), lambda r: [
        Finisher(r, 0, 1, 1), Finisher(r, 0, 1, 2), Clock(2), LeaseSweeper(r), SessionReaper(r, 0, 1),
        collector(r, 1), Remover()]),
    "an upload of a known blob, a renewal, a push": (BLOB_SEEN_BEFORE, lambda r: [
        Finisher(r, 0, 1, 1), Renewer(r, 2), Pusher(r), Clock(2), LeaseSweeper(r), collector(r, 1), Remover()]),
}  # fmt: skip
LONG: dict[str, Scenario] = {
    "two uploads, a push, two collectors": (World(), lambda r: [
        Finisher(r, 0, 1, 1), Finisher(r, 1, 2, 2), Pusher(r), Clock(2), LeaseSweeper(r),
        collector(r, 1), collector(r, 2), Remover()]),
    "an upload finished twice and another, reaped meanwhile": (World(), lambda r: [
        Finisher(r, 0, 1, 1), Finisher(r, 0, 1, 2), Finisher(r, 1, 2, 2), Clock(2), LeaseSweeper(r),
        SessionReaper(r, 0, 1), collector(r, 1), Remover()]),
    "an upload of a known blob, a renewal, a push, two collectors": (BLOB_SEEN_BEFORE, lambda r: [
        Finisher(r, 0, 1, 1), Renewer(r, 2), Pusher(r), Clock(2), LeaseSweeper(r), collector(r, 1),
        collector(r, 2), Remover()]),
}  # fmt: skip
