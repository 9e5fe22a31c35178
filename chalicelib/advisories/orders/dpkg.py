"""Debian's order: `[epoch:]upstream[-revision]`. Source: deb-version(7)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from .numbers import Key, magnitude, order

_PARTS: Final = re.compile(r"([^0-9]*)([0-9]*)")
_VALID: Final = re.compile(r"[0-9]+:[0-9][A-Za-z0-9.+:~_-]*|[0-9][A-Za-z0-9.+~_-]*")
_REVISION: Final = re.compile(r"[A-Za-z0-9.+~_]*")
# A tilde sorts before the end of the part, that before letters, and those before everything else.
_END: Final = "\x01"
_RANKS: Final = {code: 256 + code for code in range(256) if not chr(code).isalpha()} | {ord("~"): 0}


def valid(version: str) -> bool:
    whole, (upstream, dash, revision) = version.strip(), version.strip().rpartition("-")
    upstream_valid = _VALID.fullmatch(upstream if dash else whole) is not None
    return upstream_valid and (not dash or _REVISION.fullmatch(revision) is not None)


@lru_cache(maxsize=16_384)
def key(version: str) -> Key:
    epoch, colon, rest = version.strip().partition(":")
    if not (colon and epoch.isdecimal() and epoch.isascii()):
        epoch, rest = "", version.strip()
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return (magnitude(epoch), _part(upstream), _part(revision))


def _part(text: str) -> Key:
    parts: list[object] = []
    # The last match is always an empty one. An empty part is the same as 0: `1.0` and `1.0-0`.
    for letters, digits in _PARTS.findall(text or "0")[:-1]:
        parts += (letters.translate(_RANKS) + _END, magnitude(digits))
    return (*parts, _END)


def compare(one: str, other: str) -> int:
    return 0 if one == other else order(key(one), key(other))
