"""Advice that the instructions of a build give: how packages are installed, how files come in, what it starts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from . import places
from .history import Instruction
from .image import Image
from .image_files import Loss
from .models import AdviceItem
from .shell import Manager, PackageCommand

_ONE_STEP: Final[dict[Manager, str]] = {
    "apt": "RUN apt-get update && apt-get install -y --no-install-recommends … && rm -rf /var/lib/apt/lists/*",
    "apk": "RUN apk add --no-cache …",
    "dnf": "RUN dnf install -y … && dnf clean all",
    "zypper": "RUN zypper --non-interactive install … && zypper clean --all",
}
_ARCHIVE: Final = re.compile(r".*\.(?:tar|tgz|tbz2?|txz|tzst|tar\.\w+)$", re.IGNORECASE)
_REMOTE: Final = re.compile(r"(?:https?|ftp|git|ssh)://|git@")
_WITHOUT_RECOMMENDED: Final = re.compile(r"install-(?:recommends|suggests)", re.IGNORECASE)
_SHELLS: Final = frozenset(
    ("/bin/sh", "/bin/bash", "/bin/ash", "/bin/dash", "sh", "bash", "/usr/bin/sh", "/usr/bin/bash")
)
_ROOT: Final = frozenset(("", "root", "0"))


def system_upgrades(image: Image) -> Iterator[AdviceItem]:
    for _, layer, commands in image.steps():
        if any(_upgrades_all(command) for command in commands):
            taken = _taken_by(image, layer)
            yield image.advice(
                "system_upgrade", "All packages upgraded", layer, saves=taken.bytes, paths=taken.paths,
                detail="what a build makes depends on the day; files of the base image lie in it twice",
                instead="FROM a newer tag of the base image; what has to be newer by its name: "
                "apt-get install -y --no-install-recommends openssl",
            )  # fmt: skip


def _upgrades_all(command: PackageCommand) -> bool:
    # apt-get upgrade takes names too, and upgrades everything all the same.
    return command.action == "upgrade" and (command.manager == "apt" or not command.packages)


def split_package_steps(image: Image) -> Iterator[AdviceItem]:
    steps: dict[Manager, list[int]] = {}
    for _, layer, commands in image.steps():
        for manager in {command.manager for command in commands if command.action == "install"}:
            steps.setdefault(manager, []).append(layer)
    for manager, layers in steps.items():
        if len(layers) > 1:
            twice = [
                loss
                for (brought, by, cause), loss in image.files.losses.items()
                if cause == "overwritten" and brought in layers and by in layers
            ]
            numbers = ", ".join(str(layer + 1) for layer in layers)
            yield image.advice(
                "split_package_steps", "Packages installed in several steps", layers[-1],
                saves=sum(loss.bytes for loss in twice), detail=f"layers {numbers}; each keeps lists of its own",
                instead=f"one step for all of them: {_ONE_STEP[manager]}",
            )  # fmt: skip


def updates_apart(image: Image) -> Iterator[AdviceItem]:
    for _, layer, commands in image.steps():
        for manager in dict.fromkeys(command.manager for command in commands):
            actions = {command.action for command in commands if command.manager == manager}
            if actions == {"update"}:
                left = _lists_of(image, layer)
                yield image.advice(
                    "update_apart", "Package lists updated in a step of their own", layer, saves=left.bytes,
                    detail="a build that finds this step in its cache installs what was current then",
                    instead=_ONE_STEP[manager], paths=left.paths,
                )  # fmt: skip


def recommended_packages(image: Image) -> Iterator[AdviceItem]:
    if any(_WITHOUT_RECOMMENDED.search(one.text) for one in image.instructions if one.word != "RUN"):
        return
    for step, layer, commands in image.steps():
        # A step may write apt's settings as well as name the option.
        installs = [command for command in commands if (command.manager, command.action) == ("apt", "install")]
        if _WITHOUT_RECOMMENDED.search(step.text) and not installs:
            return
        if any(not _WITHOUT_RECOMMENDED.search(" ".join(command.options)) for command in installs):
            yield image.advice(
                "recommended_packages", "Recommended packages installed along", layer, saves=None,
                detail="apt installs what packages recommend unless it is told not to",
                instead=_ONE_STEP["apt"],
            )  # fmt: skip


def sources_before_packages(image: Image) -> Iterator[AdviceItem]:
    copied = False
    for one in image.instructions:
        if one.word in ("COPY", "ADD") and one.own and one.layer is not None:
            copied = copied or any(word in (".", "./") or word.startswith("dir:") for word in _sources(one))
        elif copied and one.word == "RUN":
            found = next((step for step in image.steps() if step[0] is one), None)
            if found and any(command.action == "install" for command in found[2]):
                yield image.advice(
                    "sources_before_packages", "Packages installed after the sources were copied", found[1],
                    detail="whenever a source changes, the packages are installed once more",
                    instead="the RUN that installs packages first, then COPY . /app",
                )  # fmt: skip
                return


def adds_for_copies(image: Image) -> Iterator[AdviceItem]:
    for one in image.instructions:
        if one.word == "ADD" and one.own and one.layer and _is_plain(image, one, one.layer):
            yield image.advice(
                "add_for_copy", "ADD where COPY would do", one.layer,
                detail="ADD unpacks archives and fetches addresses, which nobody expects of a plain copy",
                instead=f"COPY {one.text[:200]}",
            )  # fmt: skip


def _is_plain(image: Image, one: Instruction, layer: int) -> bool:
    sources = _sources(one)
    if any(source.startswith("file:") for source in sources):
        # A hash stands for its name: it was unpacked if there is more than one file.
        return sum(1 for seen in image.files.seen.values() if seen.layer == layer) == 1
    return bool(sources) and not any(_ARCHIVE.match(source) or _REMOTE.match(source) for source in sources)


def _sources(one: Instruction) -> list[str]:
    words = [word for word in one.text.replace(" in ", " ").split() if not word.startswith("--")]
    return words[:-1]


def several_services(image: Image) -> Iterator[AdviceItem]:
    found: dict[str, int] = {}
    for path, seen in image.files.seen.items():
        if seen.size and path.startswith(("usr/", "opt/")) and (match := _SERVICE.fullmatch(path)):
            name = _SERVICE_NAMES[match.lastgroup or ""]
            found[name] = max(found.get(name, 0), seen.layer)
    supervisor = next((word for word in _started(image) if word in places.SUPERVISORS), "")
    if len(found) < 2 and not supervisor:
        return
    detail = ", ".join(sorted(found)) + (f"; started by {supervisor}" if supervisor else "")
    yield image.advice(
        "several_services", "Several services in one image", max(found.values(), default=len(image.layers) - 1),
        detail=detail.lstrip("; "),
        instead="an image for each service: built, scaled and restarted apart from the others",
    )  # fmt: skip


_SERVICE_NAMES: Final = {f"s{number}": name for number, name in enumerate(places.SERVICES)}
_SERVICE: Final = re.compile("|".join(f"(?P<{key}>{places.SERVICES[name]})" for key, name in _SERVICE_NAMES.items()))


def _started(image: Image) -> list[str]:
    """Names of the programs that a container starts with, as far as they are plain words."""
    words = [word for text in (*image.start.entrypoint, *image.start.cmd) for word in text.split()]
    return [word.rpartition("/")[2] for word in words]


def base_tags(image: Image) -> Iterator[AdviceItem]:
    name, _, digest = image.base.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not name or digest or name == "scratch" or tag not in ("", "latest"):
        return
    yield image.advice(
        "base_tag", "A base image that may be another one tomorrow", 0,
        detail=f"{image.base} has {'the tag latest' if tag else 'no tag, which means latest'}",
        instead=f"FROM {name.removesuffix(':latest')}:<version>, or the digest: FROM …@sha256:…",
    )  # fmt: skip


def runs_as_root(image: Image) -> Iterator[AdviceItem]:
    if image.has_shell and image.start.user.partition(":")[0] in _ROOT:
        yield image.advice(
            "runs_as_root", "It runs as root", len(image.layers) - 1,
            detail="who breaks out of the program has the rights of root in the container",
            instead="RUN useradd --system app / USER app, as the last lines before CMD",
        )  # fmt: skip


def shell_forms(image: Image) -> Iterator[AdviceItem]:
    for word, command in (("ENTRYPOINT", image.start.entrypoint), ("CMD", image.start.cmd)):
        if len(command) == 3 and command[0] in _SHELLS and command[1] == "-c" and not _execs(command[2]):
            yield image.advice(
                "shell_form", f"{word} starts a shell that starts the program", len(image.layers) - 1,
                detail=f"signals reach the shell, and not: {command[2][:200]}",
                instead=f'{word} ["program", "argument"], or let the shell be replaced: exec program',
            )  # fmt: skip


def _execs(command: str) -> bool:
    return re.search(r"(?:^|[;&|]\s*|\s)exec\s", command) is not None


def _taken_by(image: Image, layer: int) -> Loss:
    """All that a layer took from those below."""
    taken = Loss()
    for (brought, by, _), loss in image.files.losses.items():
        if by == layer != brought:
            taken.bytes += loss.bytes
            taken.files += loss.files
            taken.largest = sorted((*taken.largest, *loss.largest))[-5:]
    return taken


def _lists_of(image: Image, layer: int) -> Loss:
    left = Loss()
    for path, seen in image.files.seen.items():
        if seen.layer == layer and seen.size and _LISTS.match(path):
            left.add(path, seen.size, same=False)
    return left


_LISTS: Final = re.compile(
    "|".join(place.paths for place in places.CACHES if place.key in ("apt", "apk", "dnf", "zypper"))
)
