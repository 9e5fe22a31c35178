"""Several processes on the same sockets: started again, told to end, and ended in time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.host.test_child import is_alive, wait_until
from tests.serving import PROJECT, process_tree

# Answers whoever connects with its process id. SIGTERM ends it, unless it is stubborn.
CHILD = """
import os, signal, socket, sys
from chalicelib.host.parent import die_with_parent
parent, tell, listener = map(int, sys.argv[-3:])
die_with_parent(parent)
mode = sys.argv[1]
if mode == "broken":
    sys.exit(7)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
os.write(tell, b"+")
with socket.socket(fileno=listener) as listening:
    while True:
        connection, _ = listening.accept()
        connection.sendall(b"%d" % os.getpid())
        connection.close()
"""
PARENT = """
import os, socket, sys
from chalicelib.host.processes import Processes, Program
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
program = Program(("-S", "-c", sys.argv[1], sys.argv[2]), dict(os.environ), [listener])
sys.exit(Processes(program, 2, float(sys.argv[3])).run())
"""


class Parent:
    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    @property
    def children(self) -> list[int]:
        return [pid for pid in process_tree(self.process.pid)[1:] if is_alive(pid)]

    def answering(self) -> int:
        """Whoever answers first. A process may die with a connection that it had just taken."""
        while True:
            with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
                answer = connection.recv(20)
            if answer:
                return int(answer)


@contextmanager
def parent(mode: str = "willing", end_within_s: float = 20) -> Iterator[Parent]:
    command = [sys.executable, "-c", PARENT, CHILD, mode, str(end_within_s)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        started = Parent(process, int(process.stdout.readline()))
        try:
            yield started
        finally:
            process.kill()


def test_a_process_that_dies_is_replaced_while_the_other_answers() -> None:
    with parent() as service:
        wait_until(lambda: len(service.children) == 2)
        assert service.answering() in service.children
        before = service.children
        os.kill(before[0], signal.SIGKILL)
        assert service.answering() == before[1]
        # Until its parent has heard of it, the dead one is there still.
        wait_until(lambda: len(service.children) == 2 and before[0] not in service.children)
        assert before[1] in service.children


def test_sigterm_ends_all_of_them_with_code_0() -> None:
    with parent() as service:
        service.answering()
        wait_until(lambda: len(service.children) == 2)
        children = service.children
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0
        assert not any(is_alive(child) for child in children)


def test_one_that_does_not_end_in_time_is_killed_and_the_exit_code_says_so() -> None:
    with parent("stubborn", end_within_s=0.3) as service:
        service.answering()
        begun = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == signal.SIGKILL
        assert time.monotonic() - begun >= 0.3


def test_what_dies_before_anything_was_served_is_not_tried_for_ever() -> None:
    """Whoever deploys a configuration that cannot work has to see the container end."""
    with parent("broken") as service:
        assert service.process.wait(20) == 7


def test_a_connection_made_while_nobody_could_answer_is_answered_by_the_next_process() -> None:
    """It lies in the socket, which the parent holds too."""
    with parent() as service:
        service.answering()
        wait_until(lambda: len(service.children) == 2)
        before = service.children
        for child in before:
            os.kill(child, signal.SIGKILL)
        assert service.answering() not in before


def test_processes_do_not_outlive_a_parent_that_was_killed() -> None:
    with parent("stubborn") as service:
        service.answering()
        wait_until(lambda: len(service.children) == 2)
        children = service.children
        service.process.kill()
        wait_until(lambda: not any(is_alive(child) for child in children))
