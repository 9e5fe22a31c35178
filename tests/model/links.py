"""The right to read a blob in one repository: LINK, kept and released like HEAD, by the edges of this repository only.

One digest, one repository. LINK is absent, live or condemned with a token. Whoever lets go of the last edge releases
the link; a person may also delete the blob, which ends the leases' claim on the link but never a manifest's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from . import core, uploads
from .core import Head, Rows, downloadable, edges_of, read_next_row
from .explore import Invariant, Moves, Process, Step
from .uploads import Clock, LeaseSweeper, lease_row

LIVE = 0


class Rules(NamedTuple):
    condemn: bool = True
    token: bool = True
    consistent_query: bool = True
    consistent_link: bool = True
    edge_before_link: bool = True
    rescue: bool = True
    incarnations: bool = True
    manifest_before_edge: bool = True
    lease_before_link: bool = True
    lease_holds_link: bool = True
    lease_before_head: bool = True
    link_before_answer: bool = True


class World(NamedTuple):
    """link: None absent, LIVE, or the token it is condemned with.

    linked    leases whose upload has set the link, promised: those answered 201; a person's DELETE empties both
    """

    head: Head | None = Head("L", 1)
    objects: frozenset[int] = frozenset({1})
    link: int | None = LIVE
    edges: frozenset[tuple[str, int]] = frozenset()
    manifests: frozenset[tuple[str, int]] = frozenset()
    lease: int = 0
    now: int = 0
    linked: frozenset[int] = frozenset()
    promised: frozenset[int] = frozenset()
    next_generation: int = 2


NEVER_SEEN = World(head=None, objects=frozenset(), link=None)


def promised(world: World) -> bool:
    return any(end > world.now for end in world.promised)


INVARIANTS: dict[str, Invariant] = {
    "a live manifest's repository has a link to its blob": lambda w: not w.manifests or w.link is not None,
    "a live manifest's blob is downloadable": lambda w: not w.manifests or downloadable(w),
    "an acknowledged, unexpired upload has its link": lambda w: not promised(w) or w.link is not None,
    "an acknowledged, unexpired upload is downloadable": lambda w: not promised(w) or downloadable(w),
}


def _edge(rules: Rules, manifest: str, incarnation: int) -> tuple[str, int]:
    return (manifest, incarnation if rules.incarnations else 0)


@dataclass(frozen=True, eq=False)
class Pusher(Process):
    rules: Rules
    manifest: str
    incarnation: int

    def put_edge(self, world: World, _: None) -> Moves:
        following = self.read_head if self.rules.edge_before_link else self.commit
        yield following, world._replace(edges=world.edges | {_edge(self.rules, self.manifest, self.incarnation)}), None

    def read_head(self, world: World, _: None) -> Moves:
        head = world.head
        if head is None or head.state == "D":
            yield self.answer_blob_unknown, world, None
        else:
            yield (self.rescue_head if head.state == "C" else self.read_link), world, head

    def rescue_head(self, world: World, seen: Head) -> Moves:
        if world.head == seen:
            yield self.read_link, world._replace(head=Head("L", seen.generation)), None
        else:
            yield self.read_head, world, None

    def read_link(self, world: World, _: None) -> Moves:
        confirmed = self.commit if self.rules.edge_before_link else self.put_edge
        if world.link is None:
            yield self.answer_blob_unknown, world, None
        elif world.link == LIVE or not self.rules.rescue:
            yield confirmed, world, None
        else:
            yield self.rescue_link, world, None
            if not self.rules.consistent_link:
                yield confirmed, world, None

    def rescue_link(self, world: World, _: None) -> Moves:
        """Live again if it is still there, whatever its token: every condemnation misses its own value afterwards."""
        if world.link is not None:
            yield (self.commit if self.rules.edge_before_link else self.put_edge), world._replace(link=LIVE), None
        else:
            yield self.read_link, world, None

    def commit(self, world: World, _: None) -> Moves:
        held = any(name == self.manifest for name, _ in world.manifests)
        yield (
            None,
            world if held else world._replace(manifests=world.manifests | {(self.manifest, self.incarnation)}),
            None,
        )

    def answer_blob_unknown(self, world: World, _: None) -> Moves:
        yield None, world, None

    @property
    def name(self) -> str:
        return f"push {self.manifest}{self.incarnation}"

    @property
    def first(self) -> Step:
        return self.put_edge if self.rules.edge_before_link else self.read_head


@dataclass(frozen=True, eq=False)
class Release(Process):
    """Lets the link go if nothing in `held` is there; the rows are read one after the other, in any order."""

    rules: Rules
    token: int
    held: Rows
    by_a_person: bool = False

    def read_link(self, world: World, _: None) -> Moves:
        if world.link is None:
            yield None, world, None
        else:
            yield (
                (self.condemn_link, world, world.link)
                if self.rules.condemn
                else (self.query_edges, world, (LIVE, self.held))
            )

    def condemn_link(self, world: World, seen: int) -> Moves:
        if world.link == seen:
            yield self.query_edges, world._replace(link=self.token), (self.token, self.held)
        else:
            yield None, world, None

    def query_edges(self, world: World, memory: tuple[int, Rows]) -> Moves:
        condemned, unread = memory
        for found, rest in read_next_row(world, unread, self.rules.consistent_query):
            if found:
                yield self.restore_link, world, condemned
            else:
                yield (self.query_edges, world, (condemned, rest)) if rest else (self.delete_link, world, condemned)

    def same(self, world: World, condemned: int) -> bool:
        if not self.rules.condemn:
            return world.link is not None
        return world.link == condemned if self.rules.token else world.link not in (None, LIVE)

    def restore_link(self, world: World, condemned: int) -> Moves:
        yield None, world._replace(link=LIVE) if self.same(world, condemned) else world, None

    def delete_link(self, world: World, condemned: int) -> Moves:
        if self.same(world, condemned):
            world = world._replace(link=None)
            if self.by_a_person:
                world = world._replace(linked=frozenset(), promised=frozenset())
        yield None, world, None

    @property
    def name(self) -> str:
        return f"delete blob {self.token}" if self.by_a_person else f"release {self.token}"

    @property
    def first(self) -> Step:
        return self.read_link


def releaser(rules: Rules, token: int) -> Release:
    """Any hint that the last edge may be gone."""
    leases = (lease_row,) if rules.lease_holds_link else ()
    return Release(rules, token, (edges_of("A"), edges_of("B"), *leases))


def blob_deleter(rules: Rules, token: int) -> Release:
    """A person deletes the blob: refused while a manifest needs it, and the end of every lease's claim on the link."""
    return Release(rules, token, (edges_of("A"), edges_of("B")), by_a_person=True)


@dataclass(frozen=True, eq=False)
class Deleter(Process):
    """Ends a manifest: its row, then its edge, then the release of the link it may have been the last to hold."""

    rules: Rules
    manifest: str
    incarnation: int
    release: "Release"

    @property
    def row(self) -> tuple[str, int]:
        return (self.manifest, self.incarnation)

    def find_manifest(self, world: World, _: None) -> Moves:
        if self.row in world.manifests:
            yield (self.delete_manifest if self.rules.manifest_before_edge else self.remove_edge), world, None

    def delete_manifest(self, world: World, _: None) -> Moves:
        following = self.remove_edge if self.rules.manifest_before_edge else self.release.read_link
        yield following, world._replace(manifests=world.manifests - {self.row}), None

    def remove_edge(self, world: World, _: None) -> Moves:
        following = self.release.read_link if self.rules.manifest_before_edge else self.delete_manifest
        yield following, world._replace(edges=world.edges - {_edge(self.rules, *self.row)}), None

    @property
    def name(self) -> str:
        return f"delete {self.manifest}{self.incarnation}"

    @property
    def first(self) -> Step:
        return self.find_manifest


@dataclass(frozen=True, eq=False)
class Uploader(Process):
    """A finished upload or a mount: lease, HEAD, LINK, answer. uploads.py has the session's part of it."""

    rules: Rules
    lease: int

    def put_lease(self, world: World, _: None) -> Moves:
        yield self.after(self.put_lease), world._replace(lease=max(world.lease, self.lease)), None

    def read_head(self, world: World, _: None) -> Moves:
        head = world.head
        if head is None or head.state == "D":
            yield self.complete_object, world, head
        elif head.state == "C":
            yield self.swap_head, world, (head, head.generation)
        else:
            yield self.after(self.read_head), world, None

    def complete_object(self, world: World, seen: Head | None) -> Moves:
        made = world.next_generation
        yield self.swap_head, world._replace(objects=world.objects | {made}, next_generation=made + 1), (seen, made)

    def swap_head(self, world: World, memory: tuple[Head | None, int]) -> Moves:
        seen, generation = memory
        if world.head == seen:
            yield self.after(self.read_head), world._replace(head=Head("L", generation)), None
        else:
            yield self.read_head, world, None

    def set_link(self, world: World, _: None) -> Moves:
        """Absent, condemned or live: live. A write without a condition."""
        yield self.after(self.set_link), world._replace(link=LIVE, linked=world.linked | {self.lease}), None

    def answer_201(self, world: World, _: None) -> Moves:
        stands = self.lease in world.linked or not self.rules.link_before_answer
        yield (
            self.after(self.answer_201),
            world._replace(promised=world.promised | {self.lease}) if stands else world,
            None,
        )

    @property
    def order(self) -> tuple[Step, ...]:
        if not self.rules.lease_before_head:
            return (self.read_head, self.put_lease, self.set_link, self.answer_201)
        if not self.rules.lease_before_link:
            return (self.set_link, self.put_lease, self.read_head, self.answer_201)
        if not self.rules.link_before_answer:
            return (self.put_lease, self.read_head, self.answer_201, self.set_link)
        return (self.put_lease, self.read_head, self.set_link, self.answer_201)

    def after(self, step: Step) -> Step | None:
        place = self.order.index(step) + 1
        return self.order[place] if place < len(self.order) else None

    @property
    def name(self) -> str:
        return f"upload {self.lease}"

    @property
    def first(self) -> Step:
        return self.order[0]


def sweep() -> Process:
    return LeaseSweeper(uploads.Rules())


def collector(token: int) -> Process:
    return core.Collector(core.Rules(), token, (edges_of("A"), edges_of("B"), lease_row))


Scenario = tuple[World, Callable[[Rules], list[Process]]]
SHORT: dict[str, Scenario] = {
    "a push, its death, a push, two releases": (World(), lambda r: [
        Pusher(r, "A", 1), Deleter(r, "A", 1, releaser(r, 1)), Pusher(r, "B", 2), releaser(r, 2), releaser(r, 3)]),
    "one manifest pushed twice, a death, a release": (World(), lambda r: [
        Pusher(r, "A", 1), Pusher(r, "A", 2), Deleter(r, "A", 1, releaser(r, 1)), releaser(r, 2)]),
    "an upload, the clock, a push, a release, a collector": (NEVER_SEEN, lambda r: [
        Uploader(r, 1), Pusher(r, "A", 1), Clock(1), sweep(), releaser(r, 1), collector(9)]),
    "an upload, a push, a person's delete, a release": (World(), lambda r: [
        Uploader(r, 1), Pusher(r, "A", 1), Clock(1), sweep(), blob_deleter(r, 1), releaser(r, 2)]),
}  # fmt: skip
LONG: dict[str, Scenario] = {
    "an upload, a push, a death, a push, two releases": (World(), lambda r: [
        Uploader(r, 1), Pusher(r, "A", 1), Deleter(r, "A", 1, releaser(r, 1)), Pusher(r, "B", 2), releaser(r, 2),
        releaser(r, 3), Clock(1), sweep()]),
    "two uploads, a push, a person's delete, a release, a collector": (NEVER_SEEN, lambda r: [
        Uploader(r, 1), Uploader(r, 2), Pusher(r, "A", 1), Clock(2), sweep(), blob_deleter(r, 1),
        releaser(r, 2), collector(9)]),
}  # fmt: skip
