"""R6, G1, I7, X5, P5. What follows from a push, a deletion and a schedule follows once, though events, messages and
schedules are tripled, shuffled and one in five lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack, open_stack
from tests.api.conftest import aws_stack
from tests.notifications.receiver import Receiver, receiving
from tests.ports_aws.adapters import REQUIRED
from tests.ports_aws.emulators import aws_emulator, installed
from tests.ports_aws.serving import signing_key
from tests.stacks import FrozenClock, embedded_stack

from .story import Story

EVERY = pytest.mark.exhaustive
SEEDS = [*range(8), *(pytest.param(seed, marks=EVERY) for seed in range(8, 200))]
# What the engines add is that they are not this process's: a seed there takes ten times as long.
SEEDS_ON_AWS = [pytest.param(seed, marks=pytest.mark.campaign if seed < 2 else EVERY) for seed in range(5)]
MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def told(stack: Stack, seed: int, receiver: Receiver) -> list[str]:
    """What went wrong."""
    clock = stack.clock
    assert isinstance(clock, FrozenClock)
    story = Story(stack, clock, seed, receiver)
    story.happens()
    story.rests()
    return story.wrong()


@pytest.fixture
def embedded() -> Iterator[Stack]:
    """In memory where the machine has such a folder: nothing here is about what a disk keeps."""
    with ExitStack() as opened:
        folder = opened.enter_context(TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None))
        yield opened.enter_context(embedded_stack(Path(folder), allow_private_addresses=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_follows_once(embedded: Stack, seed: int, receiver: Receiver) -> None:
    """The first eight in every run; 200 where everything is tried."""
    assert told(embedded, seed, receiver) == []


@EVERY
def test_everything_follows_once_on_the_aws_stack(receiver: Receiver) -> None:
    """In process; campaigns have the same seed on engines."""
    with aws_stack() as stack:
        assert told(stack, 0, receiver) == []


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with ExitStack() as opened:
        environment = opened.enter_context(aws_emulator(tmp_path_factory.mktemp("engines")))
        variables = opened.enter_context(pytest.MonkeyPatch.context())
        for name, value in environment.items():
            variables.setenv(name, value)
        secrets = {"signing_key": signing_key(), "secret_key": "0123456789abcdef" * 2}
        settings = Settings.from_environment(os.environ).model_copy(update={**secrets, "allow_private_addresses": True})
        yield opened.enter_context(open_stack(settings, FrozenClock()))


@pytest.mark.skipif(not REQUIRED and not installed(), reason="the engines are not installed")
@pytest.mark.parametrize("seed", SEEDS_ON_AWS)
def test_everything_follows_once_on_engines_of_aws(engines: Stack, seed: int, receiver: Receiver) -> None:
    """The first two as a campaign; five where everything is tried."""
    assert told(engines, seed, receiver) == []
