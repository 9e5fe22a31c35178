"""Operations: retention deletes what its rules do not keep."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from chalicelib.kernel.errors import Conflict
from chalicelib.kernel.patterns import Pattern
from chalicelib.retention.models import NewRetentionRule, RetentionOrder, RunOrder, Schedule
from chalicelib.retention.service import Retention

from .asking import Asking, Operation
from .deleting import settle, tagged
from .ruling import fix_tags
from .scenes import OTHER, POOL, Scene
from .service import consume, work


def _stocked(scene: Scene, rng: random.Random) -> None:
    """Tags of several ages, some of one digest, some immutable; rules that keep a few."""
    for number in range(rng.randint(2, 5)):
        scene.push_image(*rng.sample(POOL, 2), tags=(f"build{number}", f"build{number}-again"))
        scene.clock.advance(60)
    tagged(scene, POOL[5:7], "nightly", rng.choice((0, 4, 30)))
    scene.push_image(POOL[7], tags=("other1",), name=OTHER)
    if rng.random() < 0.5:
        fix_tags(scene, "build0*")
    for tags in ("build*", "v*"):
        rule = NewRetentionRule(repositories=Pattern("**"), tags=Pattern(tags), keep_last=rng.randint(1, 3))
        Retention(scene.stack).add_rule(scene.namespace(), rule, "ann")


def _run(scene: Scene, rng: random.Random) -> Asking:
    _stocked(scene, rng)
    settle(scene)

    def ask(at: Scene) -> None:
        Retention(at.stack).start(at.namespace(), RunOrder(acknowledged=True), "ann")
        consume(at)

    return Asking(ask, done=(Conflict,), varying=("retention",))


def _dry_run(scene: Scene, rng: random.Random) -> Asking:
    _stocked(scene, rng)
    settle(scene)

    def ask(at: Scene) -> None:
        Retention(at.stack).start(at.namespace(), RunOrder(dry_run=True), "ann")
        consume(at)

    return Asking(ask, varying=("retention",))


def _scheduled(scene: Scene, rng: random.Random) -> Asking:
    """It fires once, and what it begins is carried out once, whoever dies meanwhile."""
    _stocked(scene, rng)
    order = RetentionOrder(schedule=Schedule(cron="0 3 1 * *", timezone="Europe/Berlin"), acknowledged=True)
    policy = Retention(scene.stack).set_schedule(scene.namespace(), order, "ann")
    settle(scene)
    assert policy.next_at is not None
    scene.clock.advance((policy.next_at - scene.clock.now()).total_seconds() + 1)
    return Asking(work, background=True)


OPERATIONS: Final[Mapping[str, Operation]] = {
    "a run of retention": Operation("retention", _run),
    "a dry run of retention": Operation("retention", _dry_run),
    "a schedule of retention": Operation("retention", _scheduled),
}
