"""Operations: servers of users are told what happened."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from chalicelib.kernel.errors import NotFound
from chalicelib.notifications.service import Webhooks

from .asking import Asking, Operation
from .deleting import settle
from .scenes import OTHER, POOL, Scene, with_webhook
from .service import consume, work


def _deliveries(scene: Scene, rng: random.Random) -> Asking:
    """Of pushes, and of what was deleted."""
    for _ in range(rng.randint(1, 2)):
        with_webhook(scene)
    settle(scene)
    scene.push_image(*POOL[:2], tags=("told",))
    scene.delete("v0.0")
    if rng.random() < 0.5:
        scene.delete("stable", OTHER)
    return Asking(work, background=True)


def _gone_webhook(scene: Scene, rng: random.Random) -> Asking:
    """With its deliveries, some of which were not made."""
    webhook = with_webhook(scene)
    scene.push_image(*POOL[:2], tags=("told",))
    settle(scene)
    scene.push_image(*POOL[1:3], tags=("told",))

    def ask(at: Scene) -> None:
        Webhooks(at.stack).delete(at.instance, webhook.id)
        consume(at)

    return Asking(ask, done=(NotFound,))


OPERATIONS: Final[Mapping[str, Operation]] = {
    "deliveries of webhooks": Operation("events", _deliveries),
    "deletion of a webhook": Operation("events", _gone_webhook),
}
