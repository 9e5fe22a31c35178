"""Which version a program was given with `-ldflags "-X main.version=1.2.3"`.

Follows the command line of the linker as far as scanners do, odd corners included: whoever compares findings with
theirs compares versions first.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from typing import Final

_SEMVER: Final = re.compile(
    r"v(0|[1-9][0-9]*)"
    r"(\.(0|[1-9][0-9]*)"
    r"(\.(0|[1-9][0-9]*)(-{part}(\.{part})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?)?)?".replace(
        # Of a pre-release: numbers without zeros in front, or words.
        "{part}",
        r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)",
    )
)
# What the package that holds the version is usually called.
_USUAL: Final = frozenset({"main", "common", "version", "cmd"})
# As Go reads them.
_BOOLEANS: Final = frozenset(["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"])
_SPACES: Final = " \t\r\n"
_ENDS: Final = ";&|<>"


class _Malformed(ValueError):
    pass


def is_version(text: str) -> bool:
    return _SEMVER.fullmatch(text) is not None or _SEMVER.fullmatch(f"v{text}") is not None


def is_version_key(key: str) -> bool:
    return key.lower().endswith((".version", ".ver"))


def version_from_flags(module: str, flags: str) -> str:
    """ "" where they name none, or more than one that is as good."""
    try:
        assigned = _assignments(_words(flags))
    except _Malformed:
        return ""
    cleaned = ((key.lstrip("'"), value.rstrip("'")) for key, value in assigned.items())
    return choose(module, ((key, value) for key, value in cleaned if is_version_key(key) and is_version(value)))


def choose(module: str, versions: Iterable[tuple[str, str]]) -> str:
    """By the variable that holds it: one of the module's commands, else one in the usual places, else any."""
    ranked: tuple[list[str], list[str], list[str]] = ([], [], [])
    for key, value in versions:
        package = key.rpartition("/")[2].partition(".")[0].lower()
        if key.startswith(f"{module}/cmd/"):
            ranked[0].append(value)
        elif package in _USUAL:
            ranked[1].append(value)
        else:
            ranked[2].append(value)
    best: Sequence[str] = next((each for each in ranked if each), [])
    return best[0] if len(best) == 1 else ""


def _words(line: str) -> list[str]:
    """As a shell splits them, up to what ends a command."""
    words: list[str] = []
    word, quote, started, escaped = "", "", False, False
    for letter in line:
        if escaped:
            word, started, escaped = word + {"t": "\t", "n": "\n"}.get(letter, letter), True, False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote:
            if letter == quote:
                quote, started = "", True
            else:
                word += letter
        elif letter in "'\"":
            quote = letter
        elif letter in _SPACES:
            if started:
                words.append(word)
            word, started = "", False
        elif letter in "()":
            raise _Malformed(line)
        elif letter in _ENDS:
            break
        else:
            word, started = word + letter, True
    if quote or escaped:
        raise _Malformed(line)
    return [*words, word] if started else words


def _assignments(words: list[str]) -> dict[str, str]:
    """Of all `-X`. Other options, and words that may be their values, are passed over."""
    assigned: dict[str, str] = {}
    while words:
        word, words = words[0], words[1:]
        if word == "--":
            break
        if word.startswith("--"):
            if word[2] in "-=":
                raise _Malformed(word)
            continue
        if word.startswith("-") and len(word) > 1:
            words = _letters(word[1:], words, assigned)
    return assigned


def _letters(letters: str, words: list[str], assigned: dict[str, str]) -> list[str]:
    """A word of one-letter options, and the words behind it. An `X` in the middle of it counts like any other."""
    while letters and not letters.startswith("test."):
        has_value = len(letters) > 2 and letters[1] == "="
        if letters[0] == "X":
            if len(letters) == 1 and not words:
                raise _Malformed("-X")
            assigned.update(_pairs(letters[2:] if has_value else letters[1:] or words[0]))
            return words[1:] if len(letters) == 1 else words
        if letters[0] == "h" and has_value and letters[2:] not in _BOOLEANS:
            raise _Malformed(letters)
        letters = "" if has_value else letters[1:]
    return words


def _pairs(value: str) -> dict[str, str]:
    """`key=value`, or several with commas between if there is more than one `=`."""
    if value.count("=") == 1:
        parts = [value.strip('"')]
    else:
        try:
            parts = next(csv.reader([value], strict=True), [])
        except csv.Error:
            raise _Malformed(value) from None
        if any('"' in part for part in parts) or not parts:
            raise _Malformed(value)
    pairs = [part.partition("=") for part in parts]
    if not all(equals for _, equals, _ in pairs):
        raise _Malformed(value)
    return {key: text for key, _, text in pairs}
