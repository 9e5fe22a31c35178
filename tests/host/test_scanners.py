"""Processes that read layers: there while there is work for them, and gone afterwards."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.edge.consume import encode
from chalicelib.host import scanners
from chalicelib.host.pumps import IDLE_S, QueuePump
from chalicelib.host.scanner import Rest, work_off
from chalicelib.host.scanners import CONVERSIONS, PAUSE_S, TRANSFERS, Scanners
from chalicelib.kernel.messages import ContinueAcceleration, ContinueScan
from chalicelib.ports.stack import Stack
from tests.stacks import embedded_stack

PATIENT = "import sys; sys.stdin.buffer.read()"


class Children:
    """Stand-ins that end when they are told to."""

    def __init__(self, code: str = PATIENT) -> None:
        self.code, self.started = code, list[subprocess.Popen[bytes]]()

    def start(self) -> subprocess.Popen[bytes]:
        self.started.append(subprocess.Popen([sys.executable, "-c", self.code], stdin=subprocess.PIPE))
        return self.started[-1]

    def end(self, number: int) -> None:
        child = self.started[number]
        if child.stdin:
            child.stdin.close()
        child.wait()


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children()
    yield made
    for number in range(len(made.started)):
        made.end(number)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with embedded_stack(tmp_path) as opened:
        yield opened


def ask(stack: Stack, times: int = 1) -> None:
    bodies = [encode(ContinueScan(instance_id="i", task_id="t")) for _ in range(times)]
    stack.queues.send(ContinueScan.queue, bodies)


def test_a_process_comes_with_work_and_a_second_with_more(stack: Stack, children: Children) -> None:
    processes = Scanners(stack.queues, children.start, most=2)
    assert processes.step() == IDLE_S
    assert children.started == []
    ask(stack)
    processes.step()
    processes.step()
    assert len(children.started) == 1
    ask(stack, 5)
    processes.step()
    processes.step()
    assert len(children.started) == 2


def test_one_that_ended_is_followed_by_another_while_there_is_work(stack: Stack, children: Children) -> None:
    processes = Scanners(stack.queues, children.start, most=1)
    ask(stack)
    processes.step()
    children.end(0)
    processes.step()
    assert len(children.started) == 2
    stack.queues.complete(stack.queues.receive(ContinueScan.queue))
    children.end(1)
    processes.step()
    assert len(children.started) == 2


def test_conversions_have_a_process_of_their_own_and_hold_up_no_scan(stack: Stack, children: Children) -> None:
    """A1: as one takes minutes."""
    processes = Scanners(stack.queues, children.start, most=2)
    converters = Scanners(stack.queues, children.start, most=1, named=CONVERSIONS)
    told = encode(ContinueAcceleration(instance_id="i", task_id="t"))
    stack.queues.send(ContinueAcceleration.queue, [told] * 3)
    processes.step()
    assert children.started == []
    converters.step()
    converters.step()
    assert len(children.started) == 1
    ask(stack)
    processes.step()
    assert len(children.started) == 2


def test_one_that_dies_is_not_started_again_at_once(stack: Stack) -> None:
    dying = Children("raise SystemExit(3)")
    processes = Scanners(stack.queues, dying.start, most=1)
    ask(stack)
    processes.step()
    dying.end(0)
    assert (processes.step(), len(dying.started)) == (PAUSE_S, 1)
    processes.step()
    assert len(dying.started) == 2
    dying.end(1)


def test_transfers_have_a_process_of_their_own_too(stack: Stack, children: Children) -> None:
    """Y1: gigabytes on their way elsewhere hold up neither scans nor conversions."""
    own = {pump.name: pump for pump in scanners.pumps(stack.queues, None)}
    assert set(own) == {"scanners of scans", "scanners of conversions", "scanners of transfers"}
    movers = Scanners(stack.queues, children.start, most=1, named=TRANSFERS)
    ask(stack)
    movers.step()
    assert children.started == []
    stack.queues.send("transfers", ["a", "b", "c"])
    movers.step()
    movers.step()
    assert len(children.started) == 1


def test_queues_have_their_turn_one_after_another_and_it_ends_when_they_are_empty(stack: Stack) -> None:
    seen: list[str] = []
    rest = Rest()

    def handler(name: str) -> QueuePump:
        handle = rest.noting(lambda event, context: seen.append(name))
        return QueuePump(name, handle, stack.queues, name, 1)

    stack.queues.send("scans", ["a", "b", "c"])
    stack.queues.send("rescans", ["x"])
    work_off([handler("scans"), handler("rescans")], rest, idle_for_s=0.5)
    assert seen == ["scans", "rescans", "scans", "scans"]


def test_who_found_nothing_stays_while_another_is_at_work(stack: Stack) -> None:
    """Or a transfer of minutes would leave one thread for all that comes meanwhile."""
    rest, at_work, go_on = Rest(), threading.Event(), threading.Event()
    seen: list[str] = []

    def handle(event: dict[str, Any], context: Any) -> None:
        (record,) = event["Records"]
        if record["body"] == "long":
            at_work.set()
            assert go_on.wait(10)
        seen.append(record["body"])
        if record["body"] == "short":
            go_on.set()

    pump = QueuePump("transfers", rest.noting(handle), stack.queues, "transfers", 1)
    threads = [threading.Thread(target=work_off, args=([pump], rest, 0.1)) for _ in range(2)]
    stack.queues.send("transfers", ["long"])
    for thread in threads:
        thread.start()
    assert at_work.wait(10)
    assert rest.seconds() == 0
    stack.queues.send("transfers", ["short"])
    for thread in threads:
        thread.join(10)
    assert seen == ["short", "long"]
