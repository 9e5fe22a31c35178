"""How an image was built, from the history in its config: instructions, as far as builders write them down.

    `RUN /bin/sh -c make # buildkit`      `|1 A=b /bin/sh -c make`      `/bin/sh -c #(nop) COPY dir:… in /app`

Written by strangers: what is not understood is an instruction without a word, and nothing here raises over it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

# Real commands have a few kilobytes; what is longer is read so far.
LONGEST: Final = 20_000

_WORDS: Final = "ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR"  # fmt: skip  # noqa: E501
_INSTRUCTION: Final = re.compile(rf"({_WORDS})\s+(.*)", re.DOTALL)
_NOTHING_RUN: Final = re.compile(r"/bin/sh -c #\(nop\)\s*(.*)", re.DOTALL)
_SHELL: Final = re.compile(r"(?:\|\d+ .*? )?(?:/usr)?/bin/(?:ba|da|a)?sh (?:-[a-z]+ )*-[a-z]*c\s+(.*)", re.DOTALL)
_BUILDKIT: Final = " # buildkit"
_CHANGES_FILES: Final = frozenset(("RUN", "COPY", "ADD", "WORKDIR"))
_STARTS: Final = frozenset(("CMD", "ENTRYPOINT"))


@dataclass(frozen=True, slots=True)
class Instruction:
    """
    word   `RUN`, `COPY` …; "" for what is none
    text   what follows it, of RUN without the shell that it was given to
    layer  number of the layer it made, from 0; None for none, or where the image does not say which
    own    as far as can be seen it is not the base image's
    """

    word: str
    text: str
    layer: int | None = None
    own: bool = True


def instructions(history: Sequence[Mapping[str, Any]], layers: int) -> list[Instruction]:
    """In their order. layers: how many the image has; if the history has another number, none is told whose it is."""
    made = sum(1 for step in history if step.get("empty_layer") is not True)
    found: list[Instruction] = []
    number = 0
    for step in history:
        noted = step.get("created_by")
        word, text = parse(noted if isinstance(noted, str) else "")
        layer = None
        if step.get("empty_layer") is not True:
            layer, number = (number if made == layers else None), number + 1
        found.append(Instruction(word, text, layer))
    base = _length_of_base(found)
    return [Instruction(one.word, one.text, one.layer, own=place >= base) for place, one in enumerate(found)]


def parse(noted: str) -> tuple[str, str]:
    """Word and text of what a builder noted."""
    noted = noted[:LONGEST].strip().removesuffix(_BUILDKIT)
    if nothing := _NOTHING_RUN.match(noted):
        noted = nothing[1]
    elif shell := _SHELL.match(noted):
        return "RUN", shell[1].strip()
    if not (instruction := _INSTRUCTION.match(noted)):
        return "", noted
    word, text = instruction[1], instruction[2].strip()
    if word == "RUN" and (shell := _SHELL.match(text)):
        text = shell[1].strip()
    return word, text


def _length_of_base(found: Sequence[Instruction]) -> int:
    """A Dockerfile says last how a container starts: where files change after that, another one went on.

    The very first layer is somebody's root file system in any case, where it was added as an archive.
    """
    length = 1 if found and found[0].word == "ADD" and found[0].layer is not None else 0
    started = False
    for place, one in enumerate(found):
        if one.word in _STARTS:
            started = True
        elif started and one.word in _CHANGES_FILES and one.layer is not None:
            length, started = place, False
    return length
