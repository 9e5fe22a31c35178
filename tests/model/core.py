"""Pushers, deleters, reapers and collectors on one digest: edge, condemn, generation.

A pusher here is a client together with the registry: told that the blob is missing, it uploads it and goes on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from .explore import Invariant, Moves, Process, Step


class Head(NamedTuple):
    """The row that says which object holds the blob. state: L live, C condemned, D doomed."""

    state: str
    generation: int
    token: int = 0


class Rules(NamedTuple):
    """One switch per mechanism; the registry has all of them on."""

    generations: bool = True
    reread_after_edge: bool = True
    token: bool = True
    incarnations: bool = True
    intent_fence: bool = True
    condemn: bool = True
    consistent_query: bool = True
    consistent_reread: bool = True


class World(NamedTuple):
    head: Head | None = Head("L", 1)
    objects: frozenset[int] = frozenset({1})
    edges: frozenset[tuple[str, int]] = frozenset()
    intents: tuple[str, ...] = ("absent",) * 4
    manifests: tuple[tuple[str, int], ...] = ()
    next_generation: int = 2

    def intent(self, incarnation: int, state: str) -> "World":
        changed = (*self.intents[:incarnation], state, *self.intents[incarnation + 1 :])
        return self._replace(intents=changed)


Held = Callable[[Any], bool]
Rows = tuple[Held, ...]


def downloadable(world: Any) -> bool:
    head = world.head
    return head is not None and head.state != "D" and head.generation in world.objects


def live_manifests_are_whole(world: World) -> bool:
    return not world.manifests or downloadable(world)


INVARIANTS: dict[str, Invariant] = {"a live manifest's blob is downloadable": live_manifests_are_whole}


def edge_of(rules: Rules, manifest: str, incarnation: int) -> tuple[str, int]:
    return (manifest, incarnation if rules.incarnations else 0)


@dataclass(frozen=True, eq=False)
class Pusher(Process):
    rules: Rules
    manifest: str
    incarnation: int

    @property
    def edge(self) -> tuple[str, int]:
        return edge_of(self.rules, self.manifest, self.incarnation)

    def open_intent(self, world: World, _: None) -> Moves:
        yield self.look_for_blob, world.intent(self.incarnation, "OPEN"), None

    def look_for_blob(self, world: World, _: None) -> Moves:
        missing = world.head is None or world.head.state == "D"
        yield (self.upload_object, world, world.head) if missing else (self.put_edge, world, None)

    def upload_object(self, world: World, seen: Head | None) -> Moves:
        generation = world.next_generation if self.rules.generations else 1
        yield (
            self.swap_head,
            world._replace(
                objects=world.objects | {generation}, next_generation=world.next_generation + self.rules.generations
            ),
            (seen, generation),
        )

    def swap_head(self, world: World, memory: tuple[Head | None, int]) -> Moves:
        seen, generation = memory
        if world.head == seen:
            yield self.put_edge, world._replace(head=Head("L", generation)), None
        else:
            yield self.look_for_blob, world, None

    def put_edge(self, world: World, _: None) -> Moves:
        following = self.reread_head if self.rules.reread_after_edge else self.commit
        yield following, world._replace(edges=world.edges | {self.edge}), None

    def reread_head(self, world: World, _: None) -> Moves:
        head = world.head
        if head is None or head.state == "D":
            yield self.upload_object, world, head
        elif head.state == "L":
            yield self.commit, world, None
        else:
            yield self.rescue, world, head
            if not self.rules.consistent_reread:
                yield self.commit, world, None

    def rescue(self, world: World, seen: Head) -> Moves:
        if world.head == seen:
            yield self.commit, world._replace(head=Head("L", seen.generation)), None
        else:
            yield self.reread_head, world, None

    def commit(self, world: World, _: None) -> Moves:
        fenced_off = self.rules.intent_fence and world.intents[self.incarnation] != "OPEN"
        held = any(name == self.manifest for name, _ in world.manifests)
        if fenced_off or held:
            yield None, world, None
        else:
            manifests = tuple(sorted((*world.manifests, (self.manifest, self.incarnation))))
            yield None, world.intent(self.incarnation, "COMMITTED")._replace(manifests=manifests), None

    @property
    def name(self) -> str:
        return f"push {self.manifest}{self.incarnation}"

    @property
    def first(self) -> Step:
        return self.open_intent


@dataclass(frozen=True, eq=False)
class Deleter(Process):
    """Ends the life of a manifest: the row goes first, the edge of that very incarnation afterwards."""

    rules: Rules
    manifest: str

    def read_manifest(self, world: World, _: None) -> Moves:
        found = [row for row in world.manifests if row[0] == self.manifest]
        yield (self.delete_manifest, world, found[0]) if found else (None, world, None)

    def delete_manifest(self, world: World, row: tuple[str, int]) -> Moves:
        if row in world.manifests:
            yield self.remove_edge, world._replace(manifests=tuple(r for r in world.manifests if r != row)), row
        else:
            yield None, world, None

    def remove_edge(self, world: World, row: tuple[str, int]) -> Moves:
        yield None, world._replace(edges=world.edges - {edge_of(self.rules, *row)}), None

    @property
    def name(self) -> str:
        return f"delete {self.manifest}"

    @property
    def first(self) -> Step:
        return self.read_manifest


@dataclass(frozen=True, eq=False)
class Reaper(Process):
    """Gives up on an intent past its deadline: ABORTED first, then its edges."""

    rules: Rules
    manifest: str
    incarnation: int

    def abort_intent(self, world: World, _: None) -> Moves:
        if world.intents[self.incarnation] != "OPEN":
            yield None, world, None
        else:
            yield (
                self.remove_edge,
                world.intent(self.incarnation, "ABORTED") if self.rules.intent_fence else world,
                None,
            )

    def remove_edge(self, world: World, _: None) -> Moves:
        yield None, world._replace(edges=world.edges - {edge_of(self.rules, self.manifest, self.incarnation)}), None

    @property
    def name(self) -> str:
        return f"reap {self.manifest}{self.incarnation}"

    @property
    def first(self) -> Step:
        return self.abort_intent


def read_next_row(world: Any, unread: Rows, consistent: bool = True) -> Iterator[tuple[bool, Rows]]:
    """The next step of a query, which isn't a snapshot: (found, rows not read yet), whichever row comes next.

    An inconsistent query may miss a row that is there.
    """
    for row in unread:
        rest = tuple(other for other in unread if other is not row)
        found = row(world)
        if found:
            yield True, rest
        if not found or not consistent:
            yield False, rest


def edges_of(manifest: str) -> Held:
    return lambda world: any(name == manifest for name, _ in world.edges)


@dataclass(frozen=True, eq=False)
class Collector(Process):
    """Frees the blob if nothing holds it. Works on any world with `head` and `objects`.

    held  the rows that may hold it
    """

    rules: Any
    token: int
    held: Rows = (edges_of("A"), edges_of("B"))

    def read_head(self, world: Any, _: None) -> Moves:
        head = world.head
        if head is None:
            yield None, world, None
        elif not self.rules.condemn:
            yield self.query_edges, world, (head, self.held)
        elif head.state == "D":
            yield self.delete_object, world, head
        else:
            yield self.condemn, world, head

    def condemn(self, world: Any, seen: Head) -> Moves:
        if world.head == seen:
            condemned = Head("C", seen.generation, self.token)
            yield self.query_edges, world._replace(head=condemned), (condemned, self.held)
        else:
            yield None, world, None

    def query_edges(self, world: Any, memory: tuple[Head, Rows]) -> Moves:
        head, unread = memory
        for found, rest in read_next_row(world, unread, self.rules.consistent_query):
            if found:
                yield self.restore, world, head
            else:
                yield (self.query_edges, world, (head, rest)) if rest else (self.doom, world, head)

    def same(self, world: Any, head: Head) -> bool:
        return bool(
            world.head == head if self.rules.token else world.head is not None and world.head.state == head.state
        )

    def restore(self, world: Any, head: Head) -> Moves:
        yield None, world._replace(head=Head("L", world.head.generation)) if self.same(world, head) else world, None

    def doom(self, world: Any, head: Head) -> Moves:
        if not self.rules.condemn:
            yield self.delete_object, world, head
        elif self.same(world, head):
            doomed = Head("D", world.head.generation, self.token)
            yield self.delete_object, world._replace(head=doomed), doomed
        else:
            yield None, world, None

    def delete_object(self, world: Any, head: Head) -> Moves:
        yield self.delete_head, world._replace(objects=world.objects - {head.generation}), head

    def delete_head(self, world: Any, head: Head) -> Moves:
        now = world.head
        still_doomed = now is not None and now.state == "D" and now.generation == head.generation
        yield None, world._replace(head=None) if still_doomed or not self.rules.condemn else world, None

    @property
    def name(self) -> str:
        return f"collect {self.token}"

    @property
    def first(self) -> Step:
        return self.read_head


Scenario = tuple[World, Callable[[Rules], list[Process]]]
SHORT: dict[str, Scenario] = {
    "two pushes, a death, one collector, a reaper": (World(), lambda r: [
        Pusher(r, "A", 1), Pusher(r, "B", 2), Deleter(r, "A"), Collector(r, 1), Reaper(r, "A", 1)]),
    "one push, two collectors, a reaper": (World(), lambda r: [
        Pusher(r, "A", 1), Collector(r, 1), Collector(r, 2), Reaper(r, "A", 1)]),
    "one manifest pushed twice, a death, one collector": (World(), lambda r: [
        Pusher(r, "A", 1), Pusher(r, "A", 2), Deleter(r, "A"), Collector(r, 1)]),
    "two pushes, a death, two collectors, a reaper": (World(), lambda r: [
        Pusher(r, "A", 1), Pusher(r, "B", 2), Deleter(r, "A"), Collector(r, 1), Collector(r, 2), Reaper(r, "A", 1)]),
}  # fmt: skip
LONG: dict[str, Scenario] = {
    "one manifest pushed twice, a death, two collectors, a reaper": (World(), lambda r: [
        Pusher(r, "A", 1), Pusher(r, "A", 2), Deleter(r, "A"), Collector(r, 1), Collector(r, 2), Reaper(r, "A", 2)]),
    "one push, three collectors, a reaper": (World(), lambda r: [
        Pusher(r, "A", 1), Collector(r, 1), Collector(r, 2), Collector(r, 3), Reaper(r, "A", 1)]),
    "two pushes, three collectors": (World(), lambda r: [
        Pusher(r, "A", 1), Pusher(r, "B", 2), Collector(r, 1), Collector(r, 2), Collector(r, 3)]),
}  # fmt: skip


def ablations(rules: Any) -> Iterator[tuple[str, Any]]:
    """Each mechanism switched off alone."""
    for name, value in rules._asdict().items():
        if value is True:
            yield name, rules._replace(**{name: False})
