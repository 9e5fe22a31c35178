"""Images for tests, built from what each instruction does to files: the layers are real archives, the history as
builders write it."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from chalicelib.advice.history import instructions
from chalicelib.advice.image import Image, Start
from chalicelib.advice.image_files import ImageFiles
from chalicelib.advice.models import AdviceItem
from chalicelib.advice.places import is_secret
from chalicelib.advice.rules import advise
from chalicelib.kernel.names import Digest
from chalicelib.layers.contents import ContentsWriter, read_contents
from chalicelib.layers.reading import read_layer
from tests.layers import archives

SOMEBODY = Start(user="app")
Files = Mapping[str, bytes | int]


@dataclass(frozen=True)
class Step:
    """files: path → content, or how many bytes of it; None for a step that makes no layer."""

    command: str
    files: Files | None = None


DEBIAN = Step("/bin/sh -c #(nop) ADD file:0e1f in / ", {"bin/sh": 100, "etc/debian_version": b"12.4"})


def step(command: str, files: Files | None = None) -> Step:
    return Step(command, files)


def run(command: str, files: Files | None = None) -> Step:
    return Step(f"RUN /bin/sh -c {command} # buildkit", files or {"var/log/step": 1})


def copy(arguments: str, files: Files) -> Step:
    return Step(f"COPY {arguments} # buildkit", files)


def tarball(files: Files, modified: bytes = b"") -> bytes:
    entries = []
    for path, content in files.items():
        data = bytes(content) if isinstance(content, int) else content
        before = archives.pax([(b"mtime", modified)]) if modified else b""
        entries.append(before + archives.entry(path.encode(), data))
    return b"".join(entries) + archives.END


def history(steps: Sequence[Step]) -> list[dict[str, Any]]:
    return [{"created_by": one.command, **({} if one.files is not None else {"empty_layer": True})} for one in steps]


def contents(layer: bytes) -> bytes:
    writer = ContentsWriter()
    for entry in read_layer([layer]):
        writer.add(entry)
    return writer.finish()


def image(*steps: Step, start: Start = SOMEBODY, base: str = "", debian: bool = True) -> Image:
    """On Debian's own layer, unless it is to be from scratch."""
    built = [DEBIAN, *steps] if debian else list(steps)
    layers = [tarball(one.files) for one in built if one.files is not None]
    commands = [one.command for one in built if one.files is not None]
    return Image(
        layers=tuple((Digest.of(layer), command) for layer, command in zip(layers, commands, strict=True)),
        instructions=tuple(instructions(history(built), len(layers))),
        files=ImageFiles.of((partial(read_contents, contents(layer)) for layer in layers), is_secret),
        start=start,
        base=base,
    )


def advice(*steps: Step, **more: Any) -> dict[str, list[AdviceItem]]:
    """By rule."""
    found: dict[str, list[AdviceItem]] = {}
    for item in advise(image(*steps, **more)):
        found.setdefault(item.rule, []).append(item)
    return found


def packed(steps: Sequence[Step]) -> list[bytes]:
    """Layers as they are pushed."""
    return [gzip.compress(tarball(one.files), 1, mtime=0) for one in steps if one.files is not None]
