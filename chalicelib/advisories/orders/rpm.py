"""rpm's order: `[epoch:]version[-release]`. Source: rpm-version(7).

A version without release sorts before the same one with a release: advisories always name one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from .numbers import Key, magnitude, order

_SEGMENTS: Final = re.compile(r"([a-zA-Z]+)|([0-9]+)|([~^])")
# 1.0~rc1 < 1.0 < 1.0^git1 < 1.0a < 1.0.1
_TILDE, _END, _CARET, _LETTERS, _NUMBER = range(5)


@lru_cache(maxsize=16_384)
def key(version: str) -> Key:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "", version
    epoch = epoch.strip()
    known = epoch.isdecimal() and epoch.isascii()
    number, _, release = rest.partition("-")
    return (magnitude(epoch if known else ""), _segments(number), _segments(release))


def _segments(text: str) -> Key:
    found: list[object] = []
    for letters, digits, sign in _SEGMENTS.findall(text):
        if digits:
            found += (_NUMBER, magnitude(digits))
        elif letters:
            found += (_LETTERS, letters)
        else:
            found.append(_TILDE if sign == "~" else _CARET)
    return (*found, _END)


def compare(one: str, other: str) -> int:
    return 0 if one == other else order(key(one), key(other))
