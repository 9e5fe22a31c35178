"""The rows of a namespace and its repositories, in and out of the recycle bin, and what must hold of them.

Repositories 0 and 1 are of the namespace `ours`, repository 2 is of another namespace that took the name meanwhile.
"""

from typing import NamedTuple

from .explore import Invariant


class Rules(NamedTuple):
    """One switch per mechanism; the registry has all of them on."""

    mark_if_unmarked: bool = True
    creation_checks_namespace: bool = True
    part_checks_entry: bool = True
    leaves_when_empty: bool = True
    counts_when_whole: bool = True
    restore_checks_ends: bool = True
    restore_takes_name: bool = True
    restore_reserves: bool = True
    whole_stays: bool = True
    opens_when_none_left: bool = True
    open_is_last: bool = True
    ends_first: bool = True
    ends_checks_return: bool = True
    entry_after_parts: bool = True


class Namespace(NamedTuple):
    """mark: the task that deletes or restores it; until that is through it answers like missing."""

    id: str
    mark: str = ""


class Entry(NamedTuple):
    """members: what was in it when it was whole: history."""

    whole: bool = False
    returns: str = ""
    ends: bool = False
    members: frozenset[int] = frozenset()


class World(NamedTuple):
    """
    states      of repositories, by their ids: none, live, binned, purging
    names       whose each name is: that of repository 0, which 2 may take, and that of 1
    parts       (entry, repository)
    in_pieces   history: a namespace was opened without all that it had
    """

    namespace: Namespace | None = Namespace("ours")
    states: tuple[str, str, str] = ("live", "none", "none")
    names: tuple[int | None, int | None] = (0, None)
    entries: tuple[Entry | None, Entry | None] = (None, None)
    parts: frozenset[tuple[int, int]] = frozenset()
    namespaces_counted: int = 1
    repositories_counted: int = 1
    in_pieces: bool = False

    def state(self, repository: int, state: str) -> "World":
        first, second, third = (state if place == repository else was for place, was in enumerate(self.states))
        return self._replace(states=(first, second, third))

    def named(self, repository: int, whose: int | None) -> "World":
        first, second = (whose if place == repository % 2 else was for place, was in enumerate(self.names))
        return self._replace(names=(first, second))

    def entry(self, number: int) -> Entry | None:
        return self.entries[number - 1]

    def put(self, number: int, entry: Entry | None) -> "World":
        first, second = (entry if place == number else was for place, was in enumerate(self.entries, 1))
        return self._replace(entries=(first, second))

    def parts_of(self, number: int) -> list[int]:
        return sorted(repository for entry, repository in self.parts if entry == number)

    def counted(self, namespaces: int = 0, repositories: int = 0) -> "World":
        return self._replace(
            namespaces_counted=self.namespaces_counted + namespaces,
            repositories_counted=self.repositories_counted + repositories,
        )


BOTH = World(states=("live", "live", "none"), names=(0, 1), repositories_counted=2)
BINNED = World(
    namespace=None,
    states=("binned", "binned", "none"),
    names=(None, None),
    entries=(Entry(whole=True, members=frozenset({0, 1})), None),
    parts=frozenset({(1, 0), (1, 1)}),
    namespaces_counted=0,
    repositories_counted=0,
)


def _reached_one_way(world: World) -> bool:
    for repository, state in enumerate(world.states):
        named = repository in world.names
        holding = [entry for entry, part in world.parts if part == repository]
        if named != (state == "live") or len(holding) != (state == "binned"):
            return False
        if any(world.entry(entry) is None for entry in holding):
            return False
    return True


def _names_are_of_their_namespace(world: World) -> bool:
    wanted = {"other" if whose == 2 else "ours" for whose in world.names if whose is not None}
    return not wanted or (world.namespace is not None and wanted == {world.namespace.id})


def _counted(world: World) -> bool:
    reserved = sum(len(world.parts_of(number)) for number in (1, 2) if (world.entry(number) or Entry()).returns)
    standing = sum(whose is not None for whose in world.names)
    names_right = world.namespaces_counted == (world.namespace is not None)
    return names_right and world.repositories_counted == standing + reserved


def _nothing_left_half_done(world: World) -> bool:
    marked = world.namespace is not None and bool(world.namespace.mark)
    left = [entry for entry in world.entries if entry is not None]
    return not marked and all(entry.whole and not entry.returns and not entry.ends for entry in left)


INVARIANTS: dict[str, Invariant] = {
    "a repository is reached by its name, by one bin entry, or is purged": _reached_one_way,
    "every name is of the namespace that stands there": _names_are_of_their_namespace,
    "the quota counts what has a name or comes back": _counted,
    "a restored namespace is whole": lambda w: not w.in_pieces,
}
AT_REST: dict[str, Invariant] = {
    "what was begun is through": _nothing_left_half_done,
}
