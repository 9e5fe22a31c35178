"""Operations of clients and sweepers on one real stack, one port call at a time, in an order that a seed decides.

    failures = Schedules(stack, clock).run("a tag is overwritten", seed=7)

A scenario says what is there before, and who then does what. Whoever adds a way for content to come or go adds it here.
`tests/model/README.md` has the protocols; each scenario names the model that it drives the code through.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Final

from chalicelib.kernel import media
from chalicelib.kernel.names import Digest
from chalicelib.ports.stack import Stack
from tests.registry.images import image, index
from tests.stacks import FrozenClock

from .deeds import BASE, CONFIG, DAY_S, OTHER, REAL, TOP, Actor, Rooms, World
from .turns import CRASH_AFTER, CRASH_BEFORE, Choice, Turns, Worker, asleep, ranked, scripted, uniform
from .verdict import verdict

ONE, TWO = image(BASE), image(BASE, TOP)
BOTH = index(ONE, TWO)
LARGE = image(BASE, annotations={"note": "x" * 20_000})
SIGNATURE = image(
    TOP, subject={"mediaType": media.OCI_MANIFEST, "digest": Digest.of(ONE), "size": len(ONE)}, artifactType="a/b"
)
GRACE_S: Final = 7 * DAY_S + 60

_numbers = count(1)  # of worlds: names of instances on one stack differ

Act = Callable[[Actor], object]


@dataclass(frozen=True)
class Scenario:
    before: Act
    acts: Mapping[str, Act] = field(default_factory=dict)


def _one_pushed(actor: Actor) -> None:
    actor.push_image(BASE, tags=("v1",))


def _one_deleted(actor: Actor) -> None:
    """Its tag's entry in the recycle bin is due, and so are the leases of its blobs."""
    _one_pushed(actor)
    actor.delete("v1")
    actor.pass_time(GRACE_S)


def _one_held_by_its_manifest_alone(actor: Actor) -> None:
    _one_pushed(actor)
    actor.sweep(DAY_S + 60)


def _child_without_tag(actor: Actor) -> None:
    actor.push_image(BASE)


def _child_about_to_go(actor: Actor) -> None:
    """It lost its index, whose grace period is over."""
    actor.push_image(BASE)
    actor.push_image(BASE, TOP)
    actor.push(BOTH, "v1")
    actor.delete("v1")
    actor.pass_time(GRACE_S)


def _uploaded(actor: Actor) -> None:
    actor.upload(CONFIG)
    actor.upload(BASE)


def _three_blobs(actor: Actor) -> None:
    _uploaded(actor)
    actor.upload(TOP)


def _left_by_one_tag(actor: Actor) -> None:
    """One of its two tags went to another image six days ago."""
    actor.push_image(BASE, tags=("v1", "v2"))
    actor.push_image(BASE, TOP, tags=("v1",))
    actor.pass_time(GRACE_S - DAY_S)


def _lease_over(actor: Actor) -> None:
    _uploaded(actor)
    actor.pass_time(DAY_S + 60)


def _one_in_the_bin(actor: Actor) -> None:
    _one_held_by_its_manifest_alone(actor)
    actor.delete(Digest.of(ONE))


def _one_deleted_lately(actor: Actor) -> None:
    """There is a day left to bring it back."""
    _one_held_by_its_manifest_alone(actor)
    actor.delete("v1")
    actor.pass_time(GRACE_S - DAY_S)


def _index_deleted(actor: Actor) -> None:
    """And one of its children, alone."""
    actor.push_image(BASE)
    actor.push_image(BASE, TOP)
    actor.push(BOTH, "v1")
    actor.delete(Digest.of(BOTH))
    actor.delete(Digest.of(ONE))
    actor.pass_time(GRACE_S - DAY_S)


def _signed(actor: Actor) -> None:
    _one_pushed(actor)
    actor.push_image(TOP, subject=_subject(), artifactType="a/b")
    actor.delete("v1")
    actor.pass_time(GRACE_S)


def _subject() -> dict[str, object]:
    return {"mediaType": media.OCI_MANIFEST, "digest": Digest.of(ONE), "size": len(ONE)}


def _push_index(actor: Actor) -> None:
    if actor.push_image(BASE):
        actor.push(BOTH, "latest") if actor.push_image(BASE, TOP) else None


def _one(actor: Actor) -> None:
    actor.push_image(BASE, tags=("v1",))


def _two(actor: Actor) -> None:
    actor.push_image(BASE, TOP, tags=("v1",))


def _restore(actor: Actor) -> None:
    actor.restore(ONE, "v1")


def _delete(reference: str) -> Act:
    return lambda actor: actor.delete(reference)


def _sweep(after_s: float = 0) -> Act:
    return partial(Actor.sweep, after_s=after_s)


def _collect(actor: Actor) -> None:
    actor.collect(BASE)


def _collect_twice(actor: Actor) -> None:
    actor.collect(BASE)
    actor.release(BASE)
    actor.collect(BASE)


def _again_and_gone(actor: Actor) -> None:
    actor.delete("v1")
    actor.sweep(GRACE_S)


def _manifest_alone(body: bytes, *tags: str) -> Act:
    """As of a client that uploaded the blobs before."""
    return lambda actor: actor.push(body, *tags)


SCENARIOS: Final[Mapping[str, Scenario]] = {
    # core: the last holder of a layer dies while another image comes
    "a layer changes hands": Scenario(_one_deleted, {"push": _two, "sweep": _sweep(), "collect": _collect}),
    "a manifest comes back": Scenario(
        _one_deleted, {"push": _one, "sweep": _sweep(), "again": _again_and_gone, "collect": _collect_twice}
    ),
    "a pusher taken for dead": Scenario(
        _one_held_by_its_manifest_alone, {"push": _two, "delete": _again_and_gone, "reap": Actor.reap}
    ),
    "one manifest pushed twice": Scenario(
        _uploaded,
        {
            "push": _manifest_alone(ONE, "v1"),
            "twin": _manifest_alone(ONE, "v2"),
            "delete": _delete(Digest.of(ONE)),
            "reap": Actor.reap,
            "collect": _collect_twice,
        },
    ),
    "a push relies on leases that run out": Scenario(
        _lease_over,
        {"push": _manifest_alone(ONE, "v1"), "sweep": _sweep(), "collect": _collect_twice, "reap": Actor.reap},
    ),
    "two images of one tag": Scenario(
        _three_blobs, {"push": _manifest_alone(ONE, "v1"), "twin": _manifest_alone(TWO, "v1"), "reap": Actor.reap}
    ),
    # uploads
    "two uploads of one blob": Scenario(
        lambda actor: None,
        {
            "upload": lambda actor: actor.upload(BASE),
            "twin": lambda actor: actor.upload(BASE),
            "collect": _collect_twice,
            "sweep": _sweep(),
        },
    ),
    "a lease runs out": Scenario(
        _lease_over,
        {
            "push": _one,
            "sweep": _sweep(),
            "upload": lambda actor: actor.upload(BASE),
            "collect": _collect,
        },
    ),
    "an upload too slow": Scenario(
        lambda actor: actor.upload(CONFIG),
        {"upload": lambda actor: actor.upload(BASE), "sweep": _sweep(DAY_S + 60), "push": _one},
    ),
    "bytes of a dead generation": Scenario(
        _lease_over,
        {"sweep": _sweep(), "erase": _sweep(DAY_S + 60), "push": _one, "upload": lambda actor: actor.upload(BASE)},
    ),
    # links
    "a person deletes a blob": Scenario(
        _uploaded,
        {
            "push": _manifest_alone(ONE, "v1"),
            "person": lambda actor: actor.delete_blob(BASE),
            "release": lambda actor: actor.release(BASE),
            "upload": lambda actor: actor.upload(BASE),
        },
    ),
    "a blob is named and deleted at once": Scenario(
        _uploaded, {"push": _manifest_alone(ONE, "v1"), "person": lambda actor: actor.delete_blob(BASE)}
    ),
    "a blob is named, released and deleted": Scenario(
        _uploaded,
        {
            "push": _manifest_alone(ONE, "v1"),
            "person": lambda actor: actor.delete_blob(BASE),
            "release": lambda actor: actor.release(BASE),
        },
    ),
    "a blob of a binned manifest is deleted": Scenario(
        _one_in_the_bin,
        {
            "push": _manifest_alone(ONE, "v1"),
            "twin": _manifest_alone(ONE, "v2"),
            "person": lambda actor: actor.delete_blob(BASE),
        },
    ),
    "a blob deleted beneath a deletion": Scenario(
        _one_held_by_its_manifest_alone,
        {
            "push": _manifest_alone(ONE, "v2"),
            "delete": _delete(Digest.of(ONE)),
            "person": lambda actor: actor.delete_blob(BASE),
        },
    ),
    "a mount": Scenario(
        _lease_over,
        {
            "mount": lambda actor: actor.mount(BASE) and actor.push_image(BASE, tags=("v1",), name=OTHER),
            "sweep": _sweep(),
            "collect": _collect,
        },
    ),
    # holders
    "an index over a child that dies": Scenario(
        _child_about_to_go, {"index": _push_index, "sweep": _sweep(), "reap": Actor.reap}
    ),
    "an index names a child that dies": Scenario(
        _child_about_to_go,
        {"index": _manifest_alone(BOTH, "latest"), "sweep": _sweep(), "twin": _sweep(), "reap": Actor.reap},
    ),
    "a tag on a child that dies": Scenario(
        _child_about_to_go, {"tag": _manifest_alone(ONE, "v1"), "sweep": _sweep(), "twin": _sweep()}
    ),
    "an index over a child being deleted": Scenario(
        _child_without_tag,
        {"index": _push_index, "delete": _delete(Digest.of(ONE)), "sweep": _sweep(), "reap": Actor.reap},
    ),
    "a child pushed again": Scenario(
        _child_about_to_go,
        {"push": lambda actor: actor.push_image(BASE), "tag": _manifest_alone(ONE, "v1"), "sweep": _sweep()},
    ),
    "a referrer outlives nothing": Scenario(
        _signed,
        {
            "sign": lambda actor: actor.push_image(TOP, tags=("signature",), subject=_subject(), artifactType="a/b"),
            "push": _one,
            "sweep": _sweep(),
        },
    ),
    # recycling
    "a tag is overwritten": Scenario(
        _one_held_by_its_manifest_alone,
        {"push": _two, "back": _one, "delete": _delete("v1"), "sweep": _sweep(GRACE_S)},
    ),
    "deleted twice and pushed": Scenario(
        _one_held_by_its_manifest_alone,
        {"delete": _delete("v1"), "whole": _delete(Digest.of(ONE)), "push": _one, "sweep": _sweep(GRACE_S)},
    ),
    "a tag deleted as its image's time is up": Scenario(
        _left_by_one_tag,
        {"delete": _delete("v2"), "sweep": _sweep(DAY_S)},
    ),
    "a tag is restored": Scenario(
        _one_deleted_lately,
        {"restore": _restore, "push": _two, "twin": _restore, "sweep": _sweep(DAY_S)},
    ),
    "a tag is restored as its time is up": Scenario(
        _one_deleted,
        {"restore": _restore, "sweep": _sweep(), "collect": _collect_twice, "delete": _again_and_gone},
    ),
    "an index is restored": Scenario(
        _index_deleted,
        {
            "restore": lambda actor: actor.restore(BOTH, "v1"),
            "push": lambda actor: actor.push_image(BASE),
            "delete": _delete(Digest.of(TWO)),
            "sweep": _sweep(DAY_S),
        },
    ),
    "a large manifest": Scenario(
        _uploaded,
        {
            "push": _manifest_alone(LARGE, "v1"),
            "twin": _manifest_alone(LARGE, "v2"),
            "delete": _delete(Digest.of(LARGE)),
            "collect": lambda actor: actor.collect(LARGE),
            "sweep": _sweep(),
        },
    ),
}


class Schedules:
    """Runs schedules one after another on one stack, each in an instance of its own."""

    def __init__(self, stack: Stack, clock: FrozenClock, rooms: Rooms = REAL) -> None:
        self._stack = stack
        self._clock = clock
        self._rooms = rooms
        self.ran = 0
        self.trace: list[tuple[str, str]] = []

    def run(self, scenario: str, seed: int) -> list[str]:
        """What went wrong, as text; nothing if all is well."""
        rng = random.Random(f"{scenario} {seed}")
        acts = SCENARIOS[scenario].acts
        workers = {name: Worker(name) for name in acts}
        choice = uniform(rng, rng.choice((0.3, 0.8, 0.95)))
        if rng.random() < 0.6:
            choice = ranked(rng, rng.choice((1, 2, 3, 4)), rng.choice((10, 20, 40)) * len(acts))
        if rng.random() < 0.25:
            choice = asleep(rng.choice(list(acts)), rng.randrange(1, 40), choice)
        if rng.random() < 0.35:
            victim = workers[rng.choice(list(acts))]
            victim.plan[rng.randrange(1, 50)] = rng.choice((CRASH_BEFORE, CRASH_AFTER))
        return self._run(scenario, workers, choice)

    def follow(self, scenario: str, script: Sequence[tuple[str, str | int]]) -> list[str]:
        """The same for an order written by hand (see `turns.scripted`)."""
        workers = {name: Worker(name) for name in SCENARIOS[scenario].acts}
        return self._run(scenario, workers, scripted(script))

    def _run(self, name: str, workers: Mapping[str, Worker], choice: Choice) -> list[str]:
        scenario, self.ran = SCENARIOS[name], self.ran + 1
        world = World(self._stack, self._clock, next(_numbers), self._rooms)
        scenario.before(Actor(world))
        turns = Turns()
        actors = {worker: Actor(world, worker) for worker in workers.values()}
        turns.run({worker: partial(scenario.acts[worker.name], actor) for worker, actor in actors.items()}, choice)
        self.trace = turns.trace
        return turns.unexpected + verdict(world)
