"""One version of the service as a program, run in that version's own folder; both versions must know what it imports.

Reads a deed from each line of standard input, as JSON, and answers each with a line: {"answer": …} or {"error": …}.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import chalicelib
from chalicelib.accounts.service import Accounts
from chalicelib.chain import CHAIN
from chalicelib.collection.handlers import sweep
from chalicelib.collection.service import Fsck, Sweeper
from chalicelib.edge.consume import decode, handle, send
from chalicelib.instances.service import Instances
from chalicelib.kernel.moment import SystemClock
from chalicelib.kernel.settings import Settings
from chalicelib.notifications.handlers import announce
from chalicelib.ports.stack import Stack, open_stack
from chalicelib.registry.handlers import object_created
from chalicelib.retention.handlers import fire_schedules
from tests.management import Api

QUEUES = sorted({message.queue for message in CHAIN if message.queue})
MOST_ROUNDS = 60


class Ahead:
    """The time it is, or will be."""

    ahead_s = 0.0

    def now(self) -> datetime:
        return SystemClock().now() + timedelta(seconds=self.ahead_s)


CLOCK = Ahead()


def where(stack: Stack) -> str:
    """The folder whose code this is."""
    return str(Path(chalicelib.__file__).parents[1])


def sign_in(stack: Stack, username: str, password: str) -> str:
    """A session's token."""
    return Accounts(stack).sign_in("default", username, password, "127.0.0.1").token


def call(stack: Stack, token: str, method: str, path: str, body: Any, query: dict[str, Any]) -> list[Any]:
    """The status and body that the management API answers."""
    reply = Api(stack, token).send(method, path, body, query)
    return [reply.status, json.loads(reply.text) if reply.text else None]


def work(stack: Stack, ahead_s: float) -> int:
    """All that there is for consumers and schedules at a later time. Answers how many rounds it took."""
    CLOCK.ahead_s = ahead_s
    try:
        for done in range(MOST_ROUNDS):
            if not _round(stack):
                return done
        raise AssertionError("the consumers go round in circles")
    finally:
        CLOCK.ahead_s = 0.0


def _round(stack: Stack) -> int:
    send(stack, [*sweep(stack), *announce(stack)], CHAIN)
    fire_schedules(stack)
    brought = Sweeper(stack).run()
    for instance in Instances(stack).every():
        for push in stack.objects(instance.bucket).list(f"{instance.id}/pushes/").items:
            send(stack, object_created(stack, instance.bucket, push.key), CHAIN)
            stack.objects(instance.bucket).delete(push.key)
            brought += 1
    for queue in QUEUES:
        known = [message for message in CHAIN if message.queue == queue]
        while deliveries := stack.queues.receive(queue, visibility_s=60):
            for delivery in deliveries:
                handle(stack, decode(delivery.body, known), CHAIN)
            stack.queues.complete(deliveries)
            brought += len(deliveries)
    return brought


def fsck(stack: Stack) -> list[str]:
    return [f"{one.kind} {one.subject} {one.message}" for one in Fsck(stack, deep=True).run()]


DEEDS = {deed.__name__: deed for deed in (where, sign_in, call, work, fsck)}


def main() -> None:
    # Whatever prints, logs among it, goes elsewhere.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with contextlib.closing(open_stack(Settings.from_environment(os.environ), CLOCK)) as stack:
        for line in sys.stdin:
            wanted = json.loads(line)
            try:
                told = {"answer": DEEDS[wanted.pop("deed")](stack, **wanted)}
            except Exception as error:  # Told to whoever asked.
                told = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(told), file=answers, flush=True)


if __name__ == "__main__":
    main()
