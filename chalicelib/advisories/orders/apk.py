"""Alpine's order: `1.2.3b_rc1-r4`. Source: apk-package(5) and apk's published vectors.

A version is read token by token; which kind may come next depends on the one before:

    number ─► .number … ─► letter ─► _suffix ─► number of it ─► -r revision ─► end
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from .numbers import Key, magnitude, order

# Kinds, in the order in which they may follow each other.
_ODD, _DECIMAL, _NUMBER, _LETTER, _SUFFIX, _SUFFIX_NUMBER, _REVISION, _END = range(-1, 7)
# What may also come after a later kind.
_BACK: Final = {(_NUMBER, _DECIMAL), (_SUFFIX_NUMBER, _SUFFIX), (_LETTER, _NUMBER)}
_DIGITS: Final = re.compile(r"[0-9]*")
_ZEROS: Final = re.compile(r"0+")
_SUFFIXES: Final = {
    text: rank for rank, text in enumerate(("alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"), start=-4)
}
_KNOWN_SUFFIX: Final = re.compile("|".join(_SUFFIXES))
# Of one that nobody knows.
_ODD_RANK: Final = -1
# Sorts before every other kind: `1.0_rc` is older than `1.0`.
_EARLIER: Final = -100


def valid(version: str) -> bool:
    return bool(key(version)[-1] == -_END)


@lru_cache(maxsize=16_384)
def key(version: str) -> Key:
    """Values and, between them, kinds: the version that goes on is the newer one, unless with a suffix like `_rc`."""
    parts: list[object] = []
    kind, at = _NUMBER, 0
    while kind not in (_ODD, _END):
        value, at, following = _read(version, at, kind)
        if kind == _SUFFIX and value[0] < 0:
            parts[-1] = _EARLIER
        if following is None:
            following, at = (_END, at) if at >= len(version) else _next(version, at, kind)
        parts += (value, -following)
        kind = following
    return tuple(parts)


def _read(version: str, at: int, kind: int) -> tuple[tuple[int, str], int, int | None]:
    """The token's value, where it ends, and the kind of the next one where the token itself settles that."""
    if kind == _LETTER:
        return (ord(version[at]), ""), at + 1, None
    if kind == _SUFFIX:
        suffix = _KNOWN_SUFFIX.match(version, at)
        return ((_SUFFIXES[suffix[0]], ""), suffix.end(), None) if suffix else ((_ODD_RANK, ""), at, _ODD)
    zeros = _ZEROS.match(version, at) if kind == _DECIMAL else None
    if zeros:
        # `1.05` is older than `1.1`: as in a decimal fraction, more zeros make it smaller. What comes next is taken for
        # a number, so that `1.0_rc1` is newer than `1.0`: apk 2 and the published vectors have it so.
        end = zeros.end()
        return (at - end, ""), end, _NUMBER if end < len(version) else _END
    digits = _DIGITS.match(version, at)
    text, end = (digits[0], digits.end()) if digits else ("", at)
    return magnitude(text), end, None


def _next(version: str, at: int, kind: int) -> tuple[int, int]:
    """Which kind begins at the place, and where its value does."""
    sign = version[at]
    found, begins = _ODD, at
    if sign.islower() and kind in (_NUMBER, _DECIMAL):
        found = _LETTER
    elif sign.isdecimal() and kind in (_LETTER, _SUFFIX):
        found = _NUMBER if kind == _LETTER else _SUFFIX_NUMBER
    elif sign in "._":
        found, begins = (_DECIMAL if sign == "." else _SUFFIX), at + 1
    elif sign == "-" and at + 1 < len(version):
        # It says `-r`; the letter makes no difference to the order.
        found, begins = _REVISION, at + 2
    return (found, begins) if found >= kind or (kind, found) in _BACK else (_ODD, at)


def compare(one: str, other: str) -> int:
    return 0 if one == other else order(key(one), key(other))
