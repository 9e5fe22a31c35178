"""What most tests begin with: a stack of the test's own, and its clock. A folder that needs another says so itself."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings

from chalicelib.identity import passwords
from chalicelib.ports.stack import Stack
from chalicelib.surveys import reading
from tests.stacks import FrozenClock, embedded_stack

MEMORY: Final = Path("/dev/shm")
# More than all that is written between one test's end and the next one's, in as many processes as a machine has cores.
ROOM_BYTES: Final = 4 * 1024**3
# The least there is: a thousand tests hash passwords, and the costs of each hash are written in it.
CHEAP: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PRODUCTION_HASH: Final = PasswordHasher.hash
PRODUCTION_NOBODY: Final = passwords._NOBODY


def pytest_configure() -> None:
    """Folders of tests lie in memory where the machine has room: else every write of a test waits for the disk.

    What is collected stays to the end: looking through it for garbage would take a quarter of the time.
    """
    gc.disable()
    # How long an example takes to be made up says how busy the machine is.
    settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("untimed")
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Of passwords, in this process; services that tests start are as they are."""
    with hashing(CHEAP.hash, CHEAP.hash("nobody's")):
        yield


@pytest.fixture
def production_hashes() -> Iterator[None]:
    """For tests of what a hash costs."""
    with hashing(PRODUCTION_HASH, PRODUCTION_NOBODY):
        yield


@contextmanager
def hashing(how: Callable[..., str], nobody: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as replaced:
        replaced.setattr(PasswordHasher, "hash", how)
        replaced.setattr(passwords, "_NOBODY", nobody)
        yield


@pytest.fixture
def large_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any layer is a step's work, however few bytes it has."""
    monkeypatch.setattr(reading, "LITTLE_BYTES", 0)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened:
        yield opened
