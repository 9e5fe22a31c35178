"""How an expression over tags is written: read into a tree, of which `expressions` makes something that matches.

What RE2 refuses is refused: references back, looking ahead. So is what would take more room than it is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chalicelib.kernel.errors import PatternInvalid

_DEEPEST: Final = 50
_LONGEST: Final = 500
_CLASSES: Final = {
    "d": "0123456789",
    "w": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz",
    "s": " \t\n\r\f\v",
}
_SPECIAL: Final = r"\.+*?()|[]{}^$-/,:=!<>&#~@%'\"`; _"


@dataclass(frozen=True, slots=True)
class Letter:
    members: frozenset[str]
    negated: bool = False

    def holds(self, letter: str) -> bool:
        return (letter in self.members) is not self.negated


@dataclass(frozen=True, slots=True)
class Edge:
    """The beginning or the end of the tag."""

    beginning: bool


@dataclass(frozen=True, slots=True)
class Chain:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """most: None for as often as there is."""

    part: Node
    least: int
    most: int | None


Node = Letter | Edge | Chain | Choice | Repeat


class Parser:
    """at: where the expression begins in its source."""

    def __init__(self, source: str, what: str, at: int) -> None:
        self._source, self._what, self._at, self._depth = source, what, at, 0

    def whole(self) -> Node:
        if not self._source.isascii() or len(self._source) > _LONGEST:
            raise PatternInvalid(self._what, f"an expression has at most {_LONGEST} letters, all of ASCII", 0)
        tree = self._choice()
        if self._at < len(self._source):
            raise self._refused("closes what was not opened")
        return tree

    def _refused(self, why: str) -> PatternInvalid:
        return PatternInvalid(self._what, f"expression {self._source!r}: {why}, at letter {self._at}", self._at)

    def _following(self) -> str:
        return self._source[self._at : self._at + 1]

    def _take(self, why: str) -> str:
        if self._at >= len(self._source):
            raise self._refused(why)
        self._at += 1
        return self._source[self._at - 1]

    def _choice(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._refused("is nested too deeply")
        branches = [self._chain()]
        while self._following() == "|":
            self._at += 1
            branches.append(self._chain())
        self._depth -= 1
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _chain(self) -> Node:
        parts: list[Node] = []
        while self._following() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return Chain(tuple(parts))

    def _repeated(self, part: Node) -> Node:
        sign = self._following()
        counts: tuple[int, int | None] | None = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(sign)
        if sign == "{":
            counts = self._counts()
        if counts is None:
            return part
        if sign != "{":
            self._at += 1
        if self._following() == "?":
            # As few as possible: whether there is one at all does not depend on it.
            self._at += 1
        if self._following() in ("*", "+", "?", "{"):
            raise self._refused("repeats a repetition")
        return Repeat(part, *counts)

    def _counts(self) -> tuple[int, int | None]:
        inside, brace, _ = self._source[self._at + 1 :].partition("}")
        least, comma, most = inside.partition(",")
        if not brace or not least.isdigit() or (most and not most.isdigit()) or len(inside) > 9:
            raise self._refused("repeats {n}, {n,} or {n,m} times")
        low, high = int(least), int(most) if most else (None if comma else int(least))
        if low > 1000 or (high is not None and not low <= high <= 1000):
            raise self._refused("repeats at most 1000 times")
        self._at += len(inside) + 2
        return low, high

    def _atom(self) -> Node:
        letter = self._take("ends too early")
        match letter:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return Letter(frozenset("\n"), negated=True)
            case "^" | "$":
                return Edge(letter == "^")
            case "\\":
                return self._escaped()
            case "*" | "+" | "?" | "{":
                self._at -= 1
                raise self._refused("repeats nothing")
        return Letter(frozenset(letter))

    def _group(self) -> Node:
        if self._following() == "?":
            if self._source[self._at : self._at + 2] != "?:":
                raise self._refused("only groups ( ) and (?: ) are understood, and (?i) at the beginning")
            self._at += 2
        inside = self._choice()
        if self._take("opens a group that nothing closes") != ")":
            raise self._refused("opens a group that nothing closes")
        return inside

    def _escaped(self) -> Letter:
        letter = self._take("ends with a backslash")
        if letter.lower() in _CLASSES:
            return Letter(frozenset(_CLASSES[letter.lower()]), negated=letter.isupper())
        if letter not in _SPECIAL:
            self._at -= 1
            raise self._refused(f"does not know \\{letter}")
        return Letter(frozenset(letter))

    def _class(self) -> Letter:
        unclosed = "opens a class [ that nothing closes"
        negated = self._following() == "^"
        self._at += negated
        members: set[str] = set()
        first = True
        while first or self._following() != "]":
            first = False
            members |= self._members(unclosed)
        self._at += 1
        return Letter(frozenset(members), negated)

    def _members(self, unclosed: str) -> set[str]:
        low = self._member(unclosed)
        between = self._source[self._at : self._at + 2]
        if len(low) != 1 or not between.startswith("-") or between in ("-]", "-"):
            return set(low)
        self._at += 1
        high = self._member(unclosed)
        if len(high) != 1 or max(high) < min(low):
            raise self._refused("has a range that goes backwards")
        return {chr(code) for code in range(ord(min(low)), ord(min(high)) + 1)}

    def _member(self, unclosed: str) -> frozenset[str]:
        letter = self._take(unclosed)
        if letter != "\\":
            return frozenset(letter)
        escaped = self._escaped()
        if escaped.negated:
            raise self._refused("a class [ ] takes \\d \\w \\s, but none of their opposites")
        return escaped.members
