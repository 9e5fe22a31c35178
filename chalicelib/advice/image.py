"""An image as the rules look at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .history import Instruction
from .image_files import ImageFiles
from .models import AdviceItem, RuleName
from .shell import PackageCommand, package_commands

# Of a command, as much as people look at.
LONGEST_COMMAND = 1000


@dataclass(frozen=True, slots=True)
class Start:
    """How a container of it starts."""

    user: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """
    layers        digest and command of each, lowest first
    instructions  those that made no layer too
    base          reference of the base image, "" where the image does not say
    """

    layers: tuple[tuple[str, str], ...]
    instructions: tuple[Instruction, ...]
    files: ImageFiles
    start: Start = Start()
    base: str = ""

    def made(self, layer: int) -> Instruction:
        """By which instruction a layer was made."""
        return next((one for one in self.instructions if one.layer == layer), Instruction("", "", layer))

    def steps(self) -> Iterator[tuple[Instruction, int, list[PackageCommand]]]:
        """Its own RUN instructions with their layers, and what they had package managers do."""
        for one in self.instructions:
            if one.word == "RUN" and one.own and one.layer is not None:
                yield one, one.layer, package_commands(one.text)

    @property
    def has_shell(self) -> bool:
        """What has none was made with care: distroless, or from scratch."""
        return any(path in self.files.seen for path in ("bin/sh", "usr/bin/sh", "bin/busybox", "bin/bash"))

    def advice(
        self,
        rule: RuleName,
        title: str,
        layer: int,
        *,
        saves: int | None = 0,
        detail: str = "",
        instead: str,
        paths: tuple[str, ...] = (),
    ) -> AdviceItem:
        digest, command = self.layers[layer]
        return AdviceItem(
            rule=rule,
            title=title,
            layer=digest,
            command=command[:LONGEST_COMMAND],
            bytes=saves,
            detail=detail,
            instead=instead,
            paths=paths,
            inherited=not self.made(layer).own,
        )
