"""What a RUN instruction has package managers do. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Manager = Literal["apt", "apk", "dnf", "zypper"]
Action = Literal["install", "update", "upgrade"]

_BETWEEN: Final = frozenset(";|&\n()")
# Words before a command that leave it what it is.
_BEFORE: Final = frozenset(
    ("sudo", "exec", "eatmydata", "env", "time", "if", "then", "else", "do", "!", "{", "command")
)
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*=")
_MANAGERS: Final[dict[str, Manager]] = {
    "apt-get": "apt", "apt": "apt", "aptitude": "apt", "apk": "apk", "yum": "dnf", "dnf": "dnf", "dnf5": "dnf",
    "microdnf": "dnf", "tdnf": "dnf", "zypper": "zypper",
}  # fmt: skip
_ACTIONS: Final[dict[Manager, dict[str, Action]]] = {
    "apt": {"install": "install", "update": "update", "upgrade": "upgrade", "dist-upgrade": "upgrade",
            "full-upgrade": "upgrade", "safe-upgrade": "upgrade", "build-dep": "install"},
    "apk": {"add": "install", "update": "update", "upgrade": "upgrade"},
    "dnf": {"install": "install", "localinstall": "install", "groupinstall": "install", "makecache": "update",
            "update": "upgrade", "upgrade": "upgrade", "distro-sync": "upgrade"},
    "zypper": {"install": "install", "in": "install", "refresh": "update", "ref": "update", "update": "upgrade",
               "up": "upgrade", "dup": "upgrade", "dist-upgrade": "upgrade"},
}  # fmt: skip
# Options whose value is the next word.
_VALUED: Final = frozenset(("-o", "--option", "-t", "--target-release", "--virtual", "-X", "--repository", "-c",
                            "--config-file", "-p", "--root", "--installroot", "--repo", "--enablerepo"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class PackageCommand:
    manager: Manager
    action: Action
    packages: tuple[str, ...]
    options: tuple[str, ...]


def package_commands(text: str) -> list[PackageCommand]:
    """In their order; actions that are none of these are left out."""
    found = []
    for words in simple_commands(text):
        manager = _MANAGERS.get(words[0].rpartition("/")[2])
        if manager and (command := _command(manager, words[1:])):
            found.append(command)
    return found


def simple_commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell text, each as its words, without what only stands before them."""
    words: list[str] = []
    for word in [*_tokens(text.replace("\\\n", " ")), ";"]:
        if word and set(word) <= _BETWEEN:
            if words:
                yield words
            words = []
        elif words or not (word in _BEFORE or _ASSIGNMENT.match(word)):
            words.append(word)


def _tokens(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";|&\n()")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        # A quote that does not end, or a text that was cut off.
        return re.findall(r"[;|&\n()]+|[^\s;|&()]+", text)


def _command(manager: Manager, words: Sequence[str]) -> PackageCommand | None:
    action: Action | None = None
    packages: list[str] = []
    options: list[str] = []
    valued = False
    for word in words:
        if ">" in word or "<" in word:
            break
        if valued or word.startswith("-"):
            options.append(word)
            valued = not valued and word in _VALUED
        elif action is None:
            action = _ACTIONS[manager].get(word)
            if action is None:
                return None
        else:
            packages.append(word)
    return PackageCommand(manager, action, tuple(packages), tuple(options)) if action else None
