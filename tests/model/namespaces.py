"""A namespace is deleted, restored, deleted again and freed, by tasks whose workers sleep, die and work side by side.

It is marked first, so that nothing comes into it; then its repositories go one by one into parts of one bin entry; with
none left its name goes and the entry is whole. Restoring is the same backwards. Each step is one transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .explore import Mortal, Moves, Process, Step
from .namespace_rows import AT_REST, BINNED, BOTH, INVARIANTS, Entry, Namespace, Rules, World

__all__ = ["AT_REST", "INVARIANTS", "LONG", "SHORT", "Rules", "World"]


@dataclass(frozen=True, eq=False)
class Deletion(Process):
    """A person asks for it: the namespace is marked, the entry begun."""

    rules: Rules
    entry: int

    def read_namespace(self, world: World, _: None) -> Moves:
        if world.namespace == Namespace("ours"):
            yield self.mark, world, None

    def mark(self, world: World, _: None) -> Moves:
        """One transaction: NAMESPACE as seen and unmarked, marked; put entry; put task."""
        now = world.namespace
        if now is None or now.id != "ours" or (now.mark and self.rules.mark_if_unmarked):
            yield None, world, None
        else:
            yield None, world._replace(namespace=Namespace("ours", f"D{self.entry}")).put(self.entry, Entry()), None

    @property
    def name(self) -> str:
        return f"delete into {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_namespace


@dataclass(frozen=True, eq=False)
class DeletionWorker(Process):
    rules: Rules
    entry: int

    def read_entry(self, world: World, _: None) -> Moves:
        entry = world.entry(self.entry)
        if entry is not None and not entry.whole:
            yield (self.query_names if self.rules.leaves_when_empty else self.leave), world, None

    def query_names(self, world: World, _: None) -> Moves:
        found = next((whose for whose in world.names if whose is not None), None)
        yield (self.leave, world, None) if found is None else (self.take_along, world, found)

    def take_along(self, world: World, repository: int) -> Moves:
        """One transaction: its NAME gone; its id live, binned; put part; entry there and not whole; quota -1."""
        entry = world.entry(self.entry)
        open_still = (entry is not None and not entry.whole) or not self.rules.part_checks_entry
        if repository in world.names and world.states[repository] == "live" and open_still:
            gone = world.named(repository, None).state(repository, "binned").counted(repositories=-1)
            yield self.read_entry, gone._replace(parts=world.parts | {(self.entry, repository)}), None
        else:
            yield self.read_entry, world, None

    def leave(self, world: World, _: None) -> Moves:
        """One transaction: NAMESPACE with our mark, gone; entry not whole, whole; quota -1."""
        entry, now = world.entry(self.entry), world.namespace
        if entry is not None and not entry.whole and now is not None and now.mark == f"D{self.entry}":
            whole = Entry(whole=True, members=frozenset(world.parts_of(self.entry)))
            yield None, world._replace(namespace=None).put(self.entry, whole).counted(namespaces=-1), None
        else:
            yield self.read_entry, world, None

    @property
    def name(self) -> str:
        return f"deletion {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_entry


@dataclass(frozen=True, eq=False)
class Creator(Process):
    """Makes a repository, by a push or by hand."""

    rules: Rules
    repository: int

    @property
    def home(self) -> Namespace:
        return Namespace("other" if self.repository == 2 else "ours")

    def read_namespace(self, world: World, _: None) -> Moves:
        if world.namespace == self.home:
            yield self.create, world, None

    def create(self, world: World, _: None) -> Moves:
        """One transaction: put NAME if absent; put id; NAMESPACE as seen and unmarked; quota +1."""
        stands = world.namespace == self.home or not self.rules.creation_checks_namespace
        if stands and world.names[self.repository % 2] is None and world.states[self.repository] == "none":
            made = world.named(self.repository, self.repository).state(self.repository, "live")
            yield None, made.counted(repositories=1), None

    @property
    def name(self) -> str:
        return f"create repository {self.repository}"

    @property
    def first(self) -> Step:
        return self.read_namespace


@dataclass(frozen=True, eq=False)
class OtherNamespace(Process):
    def create(self, world: World, _: None) -> Moves:
        if world.namespace is None:
            yield None, world._replace(namespace=Namespace("other")).counted(namespaces=1), None

    @property
    def name(self) -> str:
        return "create another namespace"

    @property
    def first(self) -> Step:
        return self.create


@dataclass(frozen=True, eq=False)
class Restoration(Process):
    """A person asks for it: name and quota are taken, the entry is on its way back."""

    rules: Rules
    entry: int
    task: str

    def read_entry(self, world: World, _: None) -> Moves:
        entry = world.entry(self.entry)
        if entry is not None and (entry.whole or not self.rules.counts_when_whole):
            yield self.count_parts, world, None

    def count_parts(self, world: World, _: None) -> Moves:
        """No part comes to an entry that is whole, and none goes before somebody marks it; so this stays right."""
        if world.entry(self.entry) is not None:
            yield self.take_name, world, len(world.parts_of(self.entry))

    def take_name(self, world: World, parts: int) -> Moves:
        """One transaction: entry there, neither ending nor on its way back, is on its way back; put NAMESPACE marked if
        absent; quota for it and its parts; put task."""
        entry = world.entry(self.entry)
        gone_or_going = entry is None or (entry.ends and self.rules.restore_checks_ends)
        if entry is None or gone_or_going or entry.returns or world.namespace is not None:
            yield self.answer_conflict, world, None
        else:
            asked = world.put(self.entry, entry._replace(returns=self.task, whole=self.rules.whole_stays))
            if self.rules.restore_takes_name:
                asked = asked._replace(namespace=Namespace("ours", self.task)).counted(namespaces=1)
            if self.rules.restore_reserves:
                yield None, asked.counted(repositories=parts), None
            else:
                yield self.reserve_late, asked, parts

    def answer_conflict(self, world: World, _: None) -> Moves:
        yield None, world, None

    def reserve_late(self, world: World, parts: int) -> Moves:
        yield None, world.counted(repositories=parts), None

    @property
    def name(self) -> str:
        return f"restore {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_entry


@dataclass(frozen=True, eq=False)
class RestorationWorker(Process):
    rules: Rules
    entry: int
    task: str

    def returning(self, world: World) -> bool:
        entry = world.entry(self.entry)
        return entry is not None and entry.returns == self.task

    def read_entry(self, world: World, _: None) -> Moves:
        if self.returning(world):
            yield (self.query_parts if self.rules.opens_when_none_left else self.open), world, None

    def query_parts(self, world: World, _: None) -> Moves:
        parts = world.parts_of(self.entry)
        yield (self.bring_back, world, parts[0]) if parts else (self.open, world, None)

    def bring_back(self, world: World, repository: int) -> Moves:
        """One transaction: part there, gone; put NAME if absent; its id binned, live; the entry on its way back."""
        part = (self.entry, repository)
        if part in world.parts and world.names[repository % 2] is None and self.returning(world):
            back = world.named(repository, repository).state(repository, "live")
            yield self.read_entry, back._replace(parts=world.parts - {part}), None
        else:
            yield self.read_entry, world, None

    def open(self, world: World, _: None) -> Moves:
        """One transaction: NAMESPACE with our mark, without it; entry gone."""
        entry = world.entry(self.entry)
        ours = Namespace("ours", self.task) if self.rules.restore_takes_name else None
        if entry is None or entry.returns != self.task or world.namespace != ours:
            yield self.read_entry, world, None
            return
        opened = world._replace(namespace=Namespace("ours"), in_pieces=self.missing(world, entry))
        opened = opened if self.rules.restore_takes_name else opened.counted(namespaces=1)
        if self.rules.open_is_last:
            yield None, opened.put(self.entry, None), None
        else:
            yield self.remove_entry, opened, None

    def missing(self, world: World, entry: Entry) -> bool:
        return world.in_pieces or any(world.states[repository] != "live" for repository in entry.members)

    def remove_entry(self, world: World, _: None) -> Moves:
        yield None, world.put(self.entry, None), None

    @property
    def name(self) -> str:
        return f"restoration {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_entry


@dataclass(frozen=True, eq=False)
class Expirer(Process):
    rules: Rules
    entry: int

    def read_entry(self, world: World, _: None) -> Moves:
        entry = world.entry(self.entry)
        if entry is not None and entry.whole and not entry.returns:
            yield (self.mark_end if self.rules.ends_first else self.query_parts), world, None

    def mark_end(self, world: World, _: None) -> Moves:
        """One call: entry whole and not on its way back, ends."""
        entry = world.entry(self.entry)
        if entry is None or not entry.whole or (entry.returns and self.rules.ends_checks_return):
            yield self.read_entry, world, None
        else:
            following = self.query_parts if self.rules.entry_after_parts else self.remove_entry
            yield following, world.put(self.entry, entry._replace(ends=True)), None

    def query_parts(self, world: World, _: None) -> Moves:
        parts = world.parts_of(self.entry)
        yield (self.purge, world, parts[0]) if parts else (self.remove_entry, world, None)

    def purge(self, world: World, repository: int) -> Moves:
        """One transaction: part there, gone; its id binned, purging."""
        part = (self.entry, repository)
        if part in world.parts:
            world = world.state(repository, "purging")._replace(parts=world.parts - {part})
        yield self.query_parts, world, None

    def remove_entry(self, world: World, _: None) -> Moves:
        yield None, world.put(self.entry, None), None

    @property
    def name(self) -> str:
        return f"expire {self.entry}"

    @property
    def first(self) -> Step:
        return self.read_entry


Scenario = tuple[World, Callable[[Rules], list[Process]]]
SHORT: dict[str, Scenario] = {
    "deleted by two at once, a repository is made meanwhile, a worker dies": (World(), lambda r: [
        Deletion(r, 1), Deletion(r, 2), Mortal(DeletionWorker(r, 1)), DeletionWorker(r, 1), DeletionWorker(r, 2),
        Creator(r, 1)]),
    "deleted and restored, workers sleep and die": (BOTH, lambda r: [
        Deletion(r, 1), Mortal(DeletionWorker(r, 1)), DeletionWorker(r, 1), Restoration(r, 1, "R1"),
        Mortal(RestorationWorker(r, 1, "R1")), RestorationWorker(r, 1, "R1")]),
    "restored by two, expired, its name and a repository's taken": (BINNED, lambda r: [
        Restoration(r, 1, "R1"), Restoration(r, 1, "R2"), RestorationWorker(r, 1, "R1"), RestorationWorker(r, 1, "R2"),
        Mortal(Expirer(r, 1)), Expirer(r, 1), OtherNamespace(), Creator(r, 2)]),
    "restored, deleted again, restored again": (BINNED, lambda r: [
        Restoration(r, 1, "R1"), Mortal(RestorationWorker(r, 1, "R1")), RestorationWorker(r, 1, "R1"), Deletion(r, 2),
        DeletionWorker(r, 2), Restoration(r, 2, "R2"), RestorationWorker(r, 2, "R2")]),
}  # fmt: skip
LONG: dict[str, Scenario] = {
    "deleted, restored, deleted again, expired, its name taken": (BOTH, lambda r: [
        Deletion(r, 1), Mortal(DeletionWorker(r, 1)), DeletionWorker(r, 1), Restoration(r, 1, "R1"),
        RestorationWorker(r, 1, "R1"), Deletion(r, 2), DeletionWorker(r, 2), Expirer(r, 1), Expirer(r, 2),
        OtherNamespace(), Creator(r, 2)]),
}  # fmt: skip
