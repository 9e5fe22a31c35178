"""`crs dead-letters`: messages that failed five times, on either stack.

A dead letter is a hint that came to nothing: what it was about is found again by the sweeps. So to drop one loses no
work, and to deliver one anew does none twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

import click

from chalicelib.chain import CHAIN
from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.moment import to_text
from chalicelib.ports.queues import Delivery, Queues
from chalicelib.ports.stack import Stack

from .settings import opened_stack

DEAD = "-dead"
# Letters that are taken stay hidden so long from another command, should this one die.
_TAKEN_S = 30
_MOST_SHOWN = 100


@click.group("dead-letters")
def dead_letters() -> None:
    """Messages that failed five times. The log says why, by the message's id: `failed to consume`."""


_queue = click.argument("queue", required=False)
_id = click.option("--id", "wanted", default="", help="This one alone.")


@dead_letters.command("list")
@_queue
def list_letters(queue: str | None) -> None:
    """How many each queue has, and how old the oldest is."""
    with opened_stack() as stack:
        for name in _names(queue):
            depth = stack.queues.depth(name + DEAD)
            oldest = min((letter.sent_at for letter in _looked_at(stack.queues, name)), default=None)
            click.echo(f"{name}  {depth}" + ("" if oldest is None else f"  oldest {_age(stack, oldest)}"))


@dead_letters.command()
@_queue
def show(queue: str | None) -> None:
    """Each with its id, when it was sent, and what it says."""
    with opened_stack() as stack:
        for name in _names(queue):
            for letter in _looked_at(stack.queues, name):
                click.echo(f"{name}  {letter.id}  sent {to_text(letter.sent_at)}  {_told(letter.body)}")


@dead_letters.command()
@_queue
@_id
def redrive(queue: str | None, wanted: str) -> None:
    """Put them back into their queue, to be delivered anew: up to five times."""
    done = 0
    with opened_stack() as stack:
        for name in _names(queue):
            for letter in _taken(stack.queues, name, wanted):
                # Sent before it is taken away: a crash in between delivers it twice, and loses none.
                stack.queues.send(name, [letter.body])
                stack.queues.complete([letter])
                done += 1
    click.echo(f"{done} put back")


@dead_letters.command()
@_queue
@_id
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(queue: str | None, wanted: str, yes: bool) -> None:
    """Delete them. What they were about is found again by the sweeps; if it fails again, new ones come."""
    names = _names(queue)
    if not yes:
        click.confirm(f"delete {wanted or 'all'} of the dead letters of {', '.join(names)}?", abort=True)
    done = 0
    with opened_stack() as stack:
        for name in names:
            for letter in _taken(stack.queues, name, wanted):
                stack.queues.complete([letter])
                done += 1
    click.echo(f"{done} deleted")


def _names(queue: str | None) -> list[str]:
    """The queue that was named, or all. Raises Invalid."""
    known = sorted({message.queue for message in CHAIN if message.queue})
    if queue is None:
        return known
    if queue.removesuffix(DEAD) not in known:
        raise Invalid("queue", f"there is no queue {queue}; there are {', '.join(known)}")
    return [queue.removesuffix(DEAD)]


def _looked_at(queues: Queues, name: str) -> list[Delivery]:
    """The first hundred, left where they are."""
    letters: list[Delivery] = []
    try:
        while len(letters) < _MOST_SHOWN and (some := _received(queues, name)):
            letters += some
    finally:
        for letter in letters:
            queues.fail(letter, delay_s=0)
    return letters


def _taken(queues: Queues, name: str, wanted: str) -> Iterator[Delivery]:
    """Each letter, or the one that is wanted; those that are not go back."""
    passed_by: list[Delivery] = []
    try:
        while some := _received(queues, name):
            for letter in some:
                if wanted in ("", letter.id):
                    yield letter
                else:
                    passed_by.append(letter)
    finally:
        for letter in passed_by:
            queues.fail(letter, delay_s=0)


def _received(queues: Queues, name: str) -> list[Delivery]:
    # Waiting asks every server of a queue service, where a quick look may miss what is there.
    return queues.receive(name + DEAD, most=10, visibility_s=_TAKEN_S, wait_s=0.1)


def _told(body: str) -> str:
    """Type and fields on one line. A body that is no message of ours is not shown."""
    try:
        fields = json.loads(body)
        return " ".join(f"{name}={value}" for name, value in fields.items() if name != "schema_version")
    except (ValueError, AttributeError):
        return "not a message"


def _age(stack: Stack, sent_at: datetime) -> str:
    hours = (stack.clock.now() - sent_at).total_seconds() / 3600
    return f"sent {to_text(sent_at)}, {hours:.1f} h ago"
