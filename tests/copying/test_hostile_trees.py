"""K2. What a registry elsewhere calls one image may have no end: it is refused in bounded time and memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from chalicelib.copying.ends import Source, Target
from chalicelib.copying.gathering import MOST_OPEN_BYTES, Gathering, ImageTooLarge
from chalicelib.copying.models import OVERTIME_S, Effort, Manifest, Progress
from chalicelib.copying.moving import Moving
from chalicelib.kernel import media
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.names import Digest


def digest_of(*about: object) -> Digest:
    return Digest.of(repr(about).encode())


@dataclass
class Endless:
    """Each of its manifests is an index of others that nobody saw before."""

    children: int = 1
    padding: int = 0
    asked: list[str] = field(default_factory=list)

    def manifest(self, reference: str) -> Manifest:
        self.asked.append(reference)
        listed = [
            {"mediaType": media.OCI_INDEX, "digest": digest_of(reference, number), "size": 9}
            for number in range(self.children)
        ]
        document = {"mediaType": media.OCI_INDEX, "manifests": listed, "annotations": {"padding": "x" * self.padding}}
        return Manifest(Digest(reference), media.OCI_INDEX, json.dumps(document).encode())

    def referrers(self, digest: Digest) -> Sequence[Digest]:
        return []


class Empty:
    """A target that has nothing. before: is called with each question."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self._before = before

    def holds(self, digest: Digest) -> bool:
        self._before()
        return False

    has = holds

    def take(self, source: Source, digest: Digest, size: int) -> bool:
        return True


def gather(source: Endless, target: Empty | None = None, effort: Effort | None = None) -> None:
    gathering = Gathering(cast(Source, source), cast(Target, target or Empty()), effort or Effort(), referrers=True)
    gathering.needed(source.manifest(digest_of("root")), here=False)


def test_lists_in_lists_are_not_held_in_memory_without_end() -> None:
    source = Endless(padding=4_000_000)
    with pytest.raises(ImageTooLarge):
        gather(source)
    assert len(source.asked) * source.padding < MOST_OPEN_BYTES + 2 * source.padding


def test_lists_of_many_lists_are_refused_before_all_are_read() -> None:
    source = Endless(children=900)
    with pytest.raises(ImageTooLarge):
        gather(source)
    assert len(source.asked) < 10


def test_target_that_answers_each_question_late_is_one_that_does_not_answer() -> None:
    """A step ends within its claim, whatever the other end does."""
    effort = Effort(until=time.monotonic() + 3600)

    def late() -> None:
        effort.until -= 3600 + OVERTIME_S

    source = Endless()
    with pytest.raises(Unavailable, match="too long"):
        gather(source, Empty(late), effort)
    assert len(source.asked) == 2


def test_layers_that_are_looked_for_late_end_the_same_way() -> None:
    effort = Effort(until=time.monotonic() + 3600, parallel=1)
    questions = 0

    def late() -> None:
        nonlocal questions
        questions += 1
        effort.until = time.monotonic() - OVERTIME_S - 1

    moving = Moving(cast(Source, Endless()), cast(Target, Empty(late)), effort, Progress())
    with pytest.raises(Unavailable, match="too long"):
        moving.bring({digest_of(number): 1 for number in range(9)})
    assert questions == 1
