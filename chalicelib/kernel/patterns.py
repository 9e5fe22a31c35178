"""Patterns, as every rule has them (P2). Matching takes time linear in pattern and text, whatever they hold.

key                  exactly this
key*                 whatever begins so
**                   everything
{key1,key2,key3*}    any of these

Anything else is refused with the place of the first character that does not fit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final, Self

from .errors import PatternInvalid
from .names import Name

LONGEST: Final = 1024
_EVERYTHING: Final = "**"


class Pattern(Name):
    """For names of namespaces, repositories and tags: a key has only characters that such names have.

    Pattern.parse("v1.*", "tags").matches("v1.2")
    """

    __slots__ = ()

    _OTHER: ClassVar[re.Pattern[str]] = re.compile(r"[^A-Za-z0-9._/-]", re.ASCII)
    _KEYS: ClassVar[str] = "a–z A–Z 0–9 . _ - /"

    @classmethod
    def parse(cls, text: str, field: str = "pattern") -> Self:
        """field: what the refusal calls it. Raises PatternInvalid."""
        if len(text) > LONGEST:
            raise PatternInvalid(field, f"a pattern has at most {LONGEST} characters", LONGEST)
        if text == _EVERYTHING:
            return cls(text)
        braced = text.startswith("{")
        at = 1 if braced else 0
        for piece in text[1:-1].split(",") if braced and text.endswith("}") and len(text) > 1 else [text[at:]]:
            cls._require_piece(piece, at, field)
            at += len(piece) + 1
        if braced and not text.endswith("}"):
            raise _refused(field, "a list of keys ends with }", len(text))
        return cls(text)

    def matches(self, text: str) -> bool:
        read = _read(self)
        return read.everything or text in read.exact or text.startswith(read.prefixes)

    @property
    def everything(self) -> bool:
        return self == _EVERYTHING

    @classmethod
    def _require_piece(cls, piece: str, at: int, field: str) -> None:
        key = piece.removesuffix("*")
        other = cls._OTHER.search(key)
        if other is not None:
            message = f"{other[0]!r} cannot stand here: a key has {cls._KEYS}, and * only at its end"
            raise _refused(field, message, at + other.start())
        if not key:
            raise _refused(field, "a key is missing; ** means everything", at)

    @classmethod
    def _validate(cls, text: str) -> Self:
        try:
            return cls.parse(text)
        except PatternInvalid as refused:
            raise ValueError(refused.message) from refused


class SubjectPattern(Pattern):
    """For names that strangers give, such as the subjects of tokens: a key has any printable ASCII but `* { } ,`."""

    __slots__ = ()

    _OTHER: ClassVar[re.Pattern[str]] = re.compile(r"[^!-)+\-.-z|~]")
    _KEYS: ClassVar[str] = "printable ASCII without spaces, commas and braces"


@dataclass(frozen=True, slots=True)
class _Read:
    everything: bool
    exact: frozenset[str]
    prefixes: tuple[str, ...]


@lru_cache(maxsize=4096)
def _read(pattern: str) -> _Read:
    """pattern: one that was parsed before."""
    if pattern == _EVERYTHING:
        return _Read(True, frozenset(), ())
    pieces = pattern[1:-1].split(",") if pattern.startswith("{") else [pattern]
    exact = frozenset(piece for piece in pieces if not piece.endswith("*"))
    return _Read(False, exact, tuple(piece[:-1] for piece in pieces if piece.endswith("*")))


def _refused(field: str, message: str, position: int) -> PatternInvalid:
    return PatternInvalid(field, f"{message} (character {position + 1})", position)
