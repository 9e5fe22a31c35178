"""The rows of one repository and its content, and what must hold of them; departures.py acts on them."""

from typing import NamedTuple

from .explore import Invariant


class Rules(NamedTuple):
    """One switch per mechanism; the registry has all of them on."""

    delete_as_seen: bool = True
    restore_checks_entry: bool = True
    restore_checks_name: bool = True
    restore_checks_quota: bool = True
    restore_counts: bool = True
    expiry_checks_entry: bool = True
    expiry_whole: bool = True
    last_look_waits: bool = True
    looks_after_waiting: bool = True
    looks_after_intent: bool = True
    look_refuses_gone: bool = True
    intent_fence: bool = True


class Pointer(NamedTuple):
    """The row of the id. state: live, binned (by the entry) or purging."""

    state: str
    entry: int


class World(NamedTuple):
    """
    name     whose the name is: ours, other, "" nobody's. record: version of our row under it
    entries  (entry, record that lies in it)
    intents  of pushes: absent, OPEN, LOOKED (open, and the id row was read), COMMITTED, ABORTED
    content  incarnations of manifests under the id
    neighbours   repositories of other names
    quota    repositories that the instance counts; limit: how many it may have
    edits, kept, name_overwritten   history: edits so far, and what was committed before a purge began
    """

    name: str = "ours"
    record: int = 0
    pointer: Pointer | None = Pointer("live", 0)
    entries: frozenset[tuple[int, int]] = frozenset()
    intents: tuple[str, ...] = ("absent",) * 2
    content: frozenset[int] = frozenset({9})
    neighbours: int = 0
    quota: int = 1
    limit: int = 3
    edits: int = 0
    kept: frozenset[int] = frozenset({9})
    name_overwritten: bool = False

    def intent(self, incarnation: int, state: str) -> "World":
        changed = (*self.intents[:incarnation], state, *self.intents[incarnation + 1 :])
        return self._replace(intents=changed)


def _reached_one_way(world: World) -> bool:
    pointer = world.pointer
    named, entries = world.name == "ours", {entry for entry, _ in world.entries}
    if pointer is None or pointer.state == "purging":
        return not named and not entries
    if pointer.state == "live":
        return named and not entries
    return not named and entries == {pointer.entry} and len(world.entries) == 1


def _stands(world: World) -> bool:
    return world.pointer is not None and world.pointer.state != "purging"


INVARIANTS: dict[str, Invariant] = {
    "it is reached by its name, by one bin entry, or is purged": _reached_one_way,
    "nothing lies under an id that is gone": lambda w: w.pointer is not None or not w.content,
    "what may come back is whole": lambda w: not _stands(w) or w.content >= w.kept,
    "a restore overwrites no name": lambda w: not w.name_overwritten,
    "the quota counts the names": lambda w: w.quota == (w.name != "") + w.neighbours,
    "nobody has more than the quota": lambda w: w.quota <= w.limit,
    "its record is the last one": lambda w: w.name != "ours" or w.record == w.edits,
}
AT_REST: dict[str, Invariant] = {
    "what was purged is gone": lambda w: w.pointer is None or w.pointer.state != "purging",
}
