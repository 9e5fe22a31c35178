"""What runs beside the gateway, brought by hand: object events, queues and schedules, until nothing is left to do."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from chalicelib.chain import CHAIN
from chalicelib.collection.handlers import sweep
from chalicelib.edge.consume import decode, handle, send
from chalicelib.host.pumps import VISIBILITY_S
from chalicelib.kernel.moment import to_text
from chalicelib.notifications.handlers import announce
from chalicelib.ports.embedded.spool import Spool
from chalicelib.ports.queues import Delivery
from chalicelib.ports.stack import Stack
from chalicelib.registry import handlers
from chalicelib.retention.handlers import fire_schedules

from .scenes import Scene

# Longer than a hint is trusted, and than the sweepers wait before they repeat it.
ROUND_S: Final = 61
# Beyond every claim, backoff and visibility there is.
MOST_ROUNDS: Final = 40
QUEUES: Final = tuple(sorted({message.queue for message, handled in CHAIN.items() if handled}))


@dataclass
class Running:
    """One process that consumes. `stack`: its ports, which may fail; what fails is tried again as the host does it."""

    stack: Stack
    spool: Spool
    mangle: random.Random | None = None

    def once(self) -> int:
        """Brings what is there. Answers how much that was."""
        return self._events() + sum(self._queue(queue) for queue in QUEUES)

    def schedules(self) -> None:
        for schedule in SCHEDULES:
            with contextlib.suppress(Exception):  # The next minute asks again.
                schedule(self.stack)

    def _events(self) -> int:
        taken = sorted(self.spool.take(100))
        for created in taken:
            for _ in range(self._times()):
                with contextlib.suppress(Exception):  # The outbox knows of it.
                    bring_event(self.stack, created.bucket, created.key)
            self.spool.done(created.path)
        return len(taken)

    def _queue(self, queue: str) -> int:
        try:
            deliveries = self.stack.queues.receive(queue, visibility_s=VISIBILITY_S)
        except Exception:
            return 0
        done = [one for one in deliveries if self._consumed(one)]
        with contextlib.suppress(Exception):  # They come again.
            self.stack.queues.complete(done)
            for one in deliveries:
                if one not in done:
                    self.stack.queues.fail(one, delay_s=min(2**one.attempt, 300))
        return len(deliveries)

    def _consumed(self, delivery: Delivery) -> bool:
        known = [message for message in CHAIN if message.queue == delivery.queue]
        try:
            for _ in range(self._times()):
                handle(self.stack, decode(delivery.body, known), CHAIN)
        except Exception:
            return False
        return True

    def _times(self) -> int:
        """How often an event or a message arrives: one in five never, one in five twice, if they are mangled."""
        return self.mangle.choice((0, 1, 1, 1, 2)) if self.mangle else 1


def bring_event(stack: Stack, bucket: str, key: str) -> None:
    """As `app.object_created` does."""
    send(stack, handlers.object_created(stack, bucket, key), CHAIN)


def _sweep(stack: Stack) -> None:
    send(stack, sweep(stack), CHAIN)


def _announce(stack: Stack) -> None:
    send(stack, announce(stack), CHAIN)


# Those of app.py that look after content; `life` and `seal_audit` have nothing to do here.
SCHEDULES: Final[Sequence[Callable[[Stack], None]]] = (_sweep, _announce, fire_schedules)


def at_rest(scene: Scene) -> bool:
    """Whether no message, no event and no task is under way."""
    if scene.files.queues.execute("SELECT 1 FROM messages WHERE queue NOT LIKE '%-dead' LIMIT 1").fetchone():
        return False
    under_way = (
        "SELECT 1 FROM items WHERE pk LIKE 'OUTBOX#%' OR i2pk IS NOT NULL OR i1pk LIKE 'DUE#task#%'"
        " OR i1pk LIKE 'DUE#delivery#%' LIMIT 1"
    )
    return scene.files.table.execute(under_way).fetchone() is None


def idle(scene: Scene) -> bool:
    """Whether nothing can be done at this moment: then no schedule need be asked."""
    now = scene.clock.now()
    if scene.spool.take(1):
        return False
    visible = "SELECT 1 FROM messages WHERE queue NOT LIKE '%-dead' AND visible_ms<=? LIMIT 1"
    if scene.files.queues.execute(visible, (int(now.timestamp() * 1000),)).fetchone():
        return False
    due = "SELECT 1 FROM items WHERE i2pk IS NOT NULL OR (i1pk LIKE 'DUE#%' AND i1sk<=?) LIMIT 1"
    return scene.files.table.execute(due, (f"{to_text(now)}~",)).fetchone() is None


def dead_letters(scene: Scene) -> list[str]:
    found = scene.files.queues.execute("SELECT queue, body FROM messages WHERE queue LIKE '%-dead'")
    return [f"{queue} {body}" for queue, body in found]


def consume(scene: Scene, mangle: random.Random | None = None) -> None:
    """Every event and message that is there, and those that follow."""
    running = Running(scene.stack, scene.spool, mangle)
    while running.once():
        pass


def work(scene: Scene, *, mangle: random.Random | None = None) -> None:
    """A look of each schedule, and what follows from it."""
    Running(scene.stack, scene.spool).schedules()
    consume(scene, mangle)


def rest(scene: Scene, after_s: float = 0) -> list[str]:
    """Time passes until nothing is under way. Answers what is wrong if that never comes."""
    scene.clock.advance(after_s)
    for _ in range(MOST_ROUNDS):
        for _ in range(MOST_ROUNDS):
            if idle(scene):
                break
            work(scene)
        if at_rest(scene):
            return []
        scene.clock.advance(ROUND_S)
    return ["the background never comes to rest"]
