"""The rows of a tag, its bin entries and the manifest they hold, and what must hold of them; see recycling.py."""

from typing import NamedTuple

from .core import Head, downloadable
from .explore import Invariant


class Rules(NamedTuple):
    delete_bumps: bool = True
    delete_with_hold: bool = True
    delete_checks_version: bool = True
    tag_versions_never_repeat: bool = True
    hold_names_entry: bool = True
    restore_bumps: bool = True
    restore_with_hold: bool = True
    restore_checks_entry: bool = True
    restore_checks_tag: bool = True
    expiry_checks_entry: bool = True
    expiry_whole: bool = True
    push_bumps: bool = True
    kill_checks_version: bool = True
    version_before_query: bool = True
    row_before_edge: bool = True
    hide_checks_version: bool = True
    hide_holds: bool = True
    restore_shows: bool = True
    push_shows: bool = True


class Manifest(NamedTuple):
    """hidden: deleted by digest; only a bin entry keeps it."""

    incarnation: int
    version: int = 0
    hidden: bool = False


class Tag(NamedTuple):
    """push is history: which writing of the tag this is. The registry compares versions."""

    digest: str
    version: int = 1
    push: int = 1


Holder = tuple[str, int]
TAG: Holder = ("tag", 0)


class World(NamedTuple):
    """The last three are history, for invariants. ended: entries that were restored or expired, each time."""

    manifest: Manifest | None = Manifest(1)
    tag: Tag | None = Tag("M")
    pushes: int = 1
    holds: frozenset[Holder] = frozenset({TAG})
    entries: frozenset[int] = frozenset()
    head: Head | None = Head("L", 1)
    objects: frozenset[int] = frozenset({1})
    edges: frozenset[int] = frozenset({1})
    ended: tuple[int, ...] = ()
    unseen_push_deleted: bool = False
    tag_overwritten: bool = False

    def bumped(self, really: bool = True) -> "World":
        if self.manifest is None or not really:
            return self
        return self._replace(manifest=self.manifest._replace(version=self.manifest.version + 1))

    def tagged(self, rules: Rules, digest: str) -> "World":
        """TAG points at `digest` from now on, under a version that this tag never had."""
        push = self.pushes + 1
        repeating = self.tag.version + 1 if self.tag else 1
        tag = Tag(digest, push if rules.tag_versions_never_repeat else repeating, push)
        return self._replace(tag=tag, pushes=push)

    def shown(self, really: bool = True) -> "World":
        hidden = self.manifest is not None and self.manifest.hidden and not really
        return self._replace(manifest=self.manifest and self.manifest._replace(hidden=hidden))

    def holding(self, *holders: Holder) -> "World":
        return self._replace(holds=self.holds.union(holders))

    def releasing(self, *holders: Holder) -> "World":
        return self._replace(holds=self.holds.difference(holders))


BINNED = World(tag=None, holds=frozenset({("bin", 1)}), entries=frozenset({1}))


def whole(world: World) -> bool:
    return world.manifest is not None and downloadable(world)


def tag_is_m(world: World) -> bool:
    return world.tag is not None and world.tag.digest == "M"


INVARIANTS: dict[str, Invariant] = {
    "a bin entry's manifest and blob exist": lambda w: not w.entries or whole(w),
    "a live tag's manifest and blob exist": lambda w: not tag_is_m(w) or (whole(w) and not w.manifest.hidden),
    "an entry ends once": lambda w: len(w.ended) == len(set(w.ended)),
    "nobody deletes a push he hasn't seen": lambda w: not w.unseen_push_deleted,
    "a restore overwrites no tag": lambda w: not w.tag_overwritten,
}
