"""The rows that say who keeps a manifest, and what must hold of them: holders.py and indexes.py act on them."""

from typing import NamedTuple

from .explore import Invariant


class Rules(NamedTuple):
    """add_child: what an index push does for each child, in order; a "+" joins writes into one transaction."""

    add_child: tuple[str, ...] = ("hold", "bump")
    commit_children: str = ""
    kill_checks_version: bool = True
    kill_checks_incarnation: bool = True
    version_before_query: bool = True
    consistent_query: bool = True
    hold_names_incarnation: bool = True
    intent_fence: bool = True
    index_before_hold: bool = True
    bump_refuses_hidden: bool = True
    tag_bumps: bool = True
    tag_with_hold: bool = True
    tag_checks_child: bool = True
    repush_bumps: bool = True
    kill_spares_pushed: bool = True
    hide_checks_version: bool = True
    hide_asks_for_indexes: bool = True


class Child(NamedTuple):
    """stays: pushed, and has lost no holder since. hidden: deleted by digest, kept for the recycle bin only."""

    incarnation: int
    version: int = 0
    stays: bool = True
    hidden: bool = False


Holder = tuple[str, int]
TAG: Holder = ("tag", 0)


class World(NamedTuple):
    """killed_a_pushed_one: history, for an invariant."""

    child: Child | None = Child(1, stays=False)
    holds: frozenset[Holder] = frozenset()
    intents: tuple[str, ...] = ("absent",) * 3
    live_index: int = 0
    tag: bool = False
    killed_a_pushed_one: bool = False

    def intent(self, incarnation: int, state: str) -> "World":
        changed = (*self.intents[:incarnation], state, *self.intents[incarnation + 1 :])
        return self._replace(intents=changed)


TAGGED = World(child=Child(1), holds=frozenset({TAG}), tag=True)


def pullable(world: World) -> bool:
    return world.child is not None and not world.child.hidden


INVARIANTS: dict[str, Invariant] = {
    "a live index's child exists": lambda w: not w.live_index or pullable(w),
    "a live tag's manifest exists": lambda w: not w.tag or pullable(w),
    "a pushed manifest that lost no holder stays": lambda w: not w.killed_a_pushed_one,
}


def bumped(child: Child | None) -> Child | None:
    return child and child._replace(version=child.version + 1)


def hold_of(rules: Rules, incarnation: int) -> Holder:
    return ("index", incarnation if rules.hold_names_incarnation else 0)
