"""What a copy is asked for, and what it came to.

Effort        how hard it may try: until when, how many blobs at once, how fast
Progress      where a copy that was not finished goes on: durable, kept by whoever asked
Outcome       what became of one image
Interrupted   one of the ends did not answer: wait, and go on from the progress that it has with it
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import BaseModel, Field

from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.modelling import KEPT
from chalicelib.kernel.names import Digest

# copied: the target has it now · unchanged: it had it · left: it has another under this tag, and nobody allowed to
# replace that · blocked: a pull policy keeps it back · failed · unfinished: there was no time left, go on later
Verdict = Literal["copied", "unchanged", "left", "blocked", "failed", "unfinished"]

PARALLEL: Final = 4
# Beyond `Effort.until`, for questions: whoever asks them for less long asks the first ones again and again.
OVERTIME_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as it is read at a source; its digest is the body's."""

    digest: Digest
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """What a target's tag points to. mark: by which it is known to have moved since; "" where the target knows none."""

    digest: Digest
    mark: str = ""


@dataclass(slots=True)
class Effort:
    """
    until      on `time.monotonic`: no piece of a blob is begun later, and little is asked
    parallel   blobs at once
    pace       told of bytes as they move; it waits where they move faster than allowed
    """

    until: float = field(default_factory=lambda: time.monotonic() + 120)
    parallel: int = PARALLEL
    pace: Callable[[int], None] = lambda _: None

    def refuse_overtime(self) -> None:
        """Raises Unavailable, long after the time is up."""
        if time.monotonic() > self.until + OVERTIME_S:
            raise Unavailable("it takes too long to find out what is missing", retry_after_s=60)


class Upload(BaseModel):
    """Of one blob into a target: where it goes on, and how much the target holds."""

    model_config = KEPT

    location: str
    offset: int


class Progress(BaseModel):
    """
    uploads   by digest
    moved     bytes of the image that went so far
    whole     bytes of all that the first attempt meant to bring; of these those that did not move were skipped
    """

    model_config = KEPT

    uploads: Mapping[str, Upload] = Field(default_factory=dict)
    moved: int = 0
    whole: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    digest    of what was asked for, "" where it was not found out
    moved     bytes that went through this process; skipped: those that did not have to, or went inside a store
    reason    one word for programs, message: the same for people; "" where the verdict says all
    progress  of an unfinished one
    """

    verdict: Verdict
    digest: str = ""
    moved: int = 0
    skipped: int = 0
    reason: str = ""
    message: str = ""
    progress: Progress | None = None


class Interrupted(Unavailable):
    """What moved stays moved, and is not moved again."""

    def __init__(self, unavailable: Unavailable, progress: Progress) -> None:
        super().__init__(unavailable.message, unavailable.retry_after_s)
        self.progress = progress
