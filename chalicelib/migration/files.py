"""image-syncer's two files: who logs in where, and which images go where.

    auth      registry, or registry/namespace → {username, password, insecure}     the longest name that fits counts
    images    place → place, or a list of places                                    `places.py` has their grammar

All mistakes of a file are told at once, each with its line. Facts of the format: image-syncer's README, 1.5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chalicelib.kernel.errors import Invalid, Refused

from .documents import Document
from .places import HUB, Place

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WHOLE_VARIABLE: Final = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_LONGEST_LOGIN: Final = 4096
_KNOWN: Final = frozenset({"username", "password", "insecure"})


@dataclass(frozen=True, slots=True)
class Entrance:
    """How a registry is entered. username "": as nobody. insecure: it speaks plain HTTP."""

    username: str = ""
    password: str = field(default="", repr=False)
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """entry: as it was written, by which people know it."""

    source: Place
    target: Place
    entry: str


class Entrances:
    def __init__(self, entries: Mapping[str, Entrance]) -> None:
        self._entries = entries

    def of(self, place: Place) -> Entrance:
        name = f"{place.host or HUB}/{place.registry(insecure=False).repository}"
        fitting = [key for key in self._entries if name == key or name.startswith(key.rstrip("/") + "/")]
        return self._entries[max(fitting, key=len)] if fitting else Entrance()

    def plain(self) -> dict[str, dict[str, Any]]:
        """To be sealed, and read again by `read_entrances`."""
        return {
            key: {"username": one.username, "password": one.password, "insecure": one.insecure}
            for key, one in self._entries.items()
        }


def read_entrances(document: Document, environment: Mapping[str, str] | None) -> Entrances:
    """environment: what `${NAME}` stands for; None where it stands for nothing, as in a service. Raises Invalid."""
    entries, mistakes = {}, []
    for key, given in document.entries.items():
        try:
            entries[key] = _entrance(given, environment)
        except Invalid as wrong:
            mistakes.append(document.mistake(key, wrong.message))
    if mistakes:
        raise Invalid.many(mistakes)
    return Entrances(entries)


def read_rules(document: Document, environment: Mapping[str, str] | None) -> list[Rule]:
    """One for each pair of source and destination. Raises Invalid naming every one that makes no sense."""
    rules: list[Rule] = []
    mistakes = []
    for key, given in document.entries.items():
        targets = given if isinstance(given, list) else [given]
        try:
            source = Place.parse(key)
            if not targets:
                raise Invalid("images", "has no destination")
            wanted = dict.fromkeys(_target(text, environment) for text in targets)
            rules.extend([Rule(source, _fitting(source, target), key) for target in wanted])
        except Refused as wrong:
            mistakes.append(document.mistake(key, wrong.message))
    if not document.entries:
        mistakes.append((document.field, f"{document.name or document.field} names no images"))
    if mistakes:
        raise Invalid.many(mistakes)
    return rules


def _entrance(given: Any, environment: Mapping[str, str] | None) -> Entrance:
    if not isinstance(given, dict):
        raise Invalid("auth", "must be {username, password, insecure}")
    unknown = sorted(str(name) for name in given.keys() - _KNOWN)
    if unknown:
        raise Invalid("auth", f"{unknown[0]!r} is none of username, password, insecure")
    texts = {name: given.get(name) or "" for name in ("username", "password")}
    insecure = given.get("insecure", False)
    if not all(isinstance(text, str) and len(text) <= _LONGEST_LOGIN for text in texts.values()):
        raise Invalid("auth", "username and password must be texts; put digits into quotes")
    if not isinstance(insecure, bool):
        raise Invalid("auth", "insecure must be true or false")
    known = {name: _expanded(text, environment, whole=True) for name, text in texts.items()}
    if bool(known["username"]) != bool(known["password"]):
        raise Invalid("auth", "needs both a username and a password, or neither of them")
    return Entrance(**known, insecure=insecure)


def _target(text: Any, environment: Mapping[str, str] | None) -> str:
    if not isinstance(text, str) or not text:
        raise Invalid("images", "a destination is a text, or a list of texts")
    return _expanded(text, environment, whole=False)


def _fitting(source: Place, text: str) -> Place:
    """The destination, which has to fit what is brought there."""
    target = Place.parse(text)
    if target.expression is not None:
        raise Invalid("images", f"destination {text!r} has an expression; only a source may")
    if target.digest and target.digest != source.digest:
        raise Invalid("images", f"destination {text!r} has another digest than its source")
    if target.tags and source.digest and len(target.tags) == 1:
        return target
    if target.tags and (source.all_tags or source.digest or len(source.tags) != len(target.tags)):
        raise Invalid("images", f"destination {text!r} must have as many tags as its source names, or none")
    return target


def _expanded(text: str, environment: Mapping[str, str] | None, *, whole: bool) -> str:
    """whole: a `$NAME` that is all of the text is a variable too; a dollar amid a password is one."""

    def value(found: re.Match[str]) -> str:
        if environment is None:
            raise Invalid("variables", f"{found[0]} is a variable; here values are written out")
        if found[1] not in environment:
            raise Invalid("variables", f"variable {found[1]} is not set")
        return environment[found[1]]

    named = _WHOLE_VARIABLE.fullmatch(text) if whole else None
    if named is not None and environment is not None:
        # There are registries whose user is called `$oauthtoken`.
        return environment.get(named[1], text)
    return _VARIABLE.sub(value, text)
