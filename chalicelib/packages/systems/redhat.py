"""What Red Hat's images say of how they were built; it decides which of its advisories concern them.

root/buildinfo/content_manifests/*.json   repositories the packages came from
root/buildinfo/Dockerfile-<name>-<version>-<release>   older ones: labels name the image and its architecture
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..languages.documents import json_object
from ..reading import Places, Told, Unreadable, lines

_BUILD: Final = "root/buildinfo"
_MANIFESTS: Final = frozenset({"root/buildinfo/content_manifests", "usr/share/buildinfo"})
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_COMPONENT: Final = frozenset({"com.redhat.component", "bzcomponent"})
# Red Hat's have some ten KB. Words take the square of an instruction's length in time.
_LARGEST_DOCKERFILE: Final = 256 * 1024
_LONGEST_INSTRUCTION: Final = 32 * 1024
_LONGEST_VALUE: Final = 1_000
_MOST_SETS: Final = 1_000


class ContentSets:
    name = "redhat-contents"
    places = Places(folders=_MANIFESTS)

    def wants(self, entry: Entry) -> bool:
        return entry.kind == "file" and entry.path.endswith(".json")

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        sets = json_object(content).get("content_sets")
        if not isinstance(sets, list | None) or not all(isinstance(each, str) for each in sets or ()):
            raise Unreadable("content sets that are no list of names")
        return Told(facts={"content_sets": ",".join(sets[:_MOST_SETS])}) if sets else Told()


class BuildFile:
    name = "redhat-build"
    places = Places(folders=frozenset({_BUILD}))

    def wants(self, entry: Entry) -> bool:
        return entry.kind == "file" and entry.path.startswith(f"{_BUILD}/Dockerfile")

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        if entry.size > _LARGEST_DOCKERFILE:
            raise Unreadable(f"a Dockerfile of more than {_LARGEST_DOCKERFILE} bytes")
        labels = _labels(content)
        component = next((labels[key] for key in labels if key in _COMPONENT), "")
        arch = labels.get("architecture", "")
        if not component or not arch:
            raise Unreadable("a Dockerfile without the labels of its component and architecture")
        return Told(facts={"nvr": f"{component}-{_version(path)}", "arch": arch})


def _version(path: str) -> str:
    """`…/Dockerfile-ubi7-7.7-140` → `7.7-140`."""
    parts = path.rsplit("-", 2)
    return "-".join(parts[-2:]) if len(parts) > 2 else ""


def _labels(content: BinaryIO) -> Mapping[str, str]:
    """The last word on each, with variables put in."""
    known: dict[str, str] = {}
    labels: dict[str, str] = {}
    for instruction, words in _instructions(content):
        pairs = [word.partition("=")[::2] for word in words if "=" in word]
        if not pairs and len(words) > 1:
            pairs = [(words[0], " ".join(words[1:]))]
        for key, value in pairs:
            value = _VARIABLE.sub(lambda found: known.get(found[1] or found[2], ""), value)[:_LONGEST_VALUE]
            if instruction == "LABEL":
                labels[key.lower()] = value
            else:
                known[key] = value
    return labels


def _instructions(content: BinaryIO) -> Iterator[tuple[str, list[str]]]:
    waiting = ""
    for line in lines(content):
        if line.lstrip().startswith("#"):
            continue
        waiting += line.rstrip().removesuffix("\\") + " "
        if len(waiting) > _LONGEST_INSTRUCTION:
            raise Unreadable(f"a Dockerfile with an instruction of more than {_LONGEST_INSTRUCTION} characters")
        if line.rstrip().endswith("\\"):
            continue
        name, _, rest = waiting.strip().partition(" ")
        waiting = ""
        if name.upper() in ("ARG", "ENV", "LABEL"):
            try:
                yield name.upper(), shlex.split(rest)
            except ValueError as error:
                raise Unreadable(f"a Dockerfile with a broken line: {error}") from error
