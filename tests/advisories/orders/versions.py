"""Pairs of versions near each other: real ones, each changed in a place or two."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Final

DPKG: Final = (
    "0", "1:0", "2.36-9+deb12u4", "1:9.2p1-2+deb12u2", "5.10.223-1", "1.1.1n-0+deb11u5", "2:8.2.4919-1ubuntu1",
    "7.88.1-10+deb12u5~bpo11+1", "0~20220523", "1.0~rc1-1", "1.0~~", "3.0.2-0ubuntu1.15", "20230311ubuntu0.22.04.1",
    "1:4.13+dfsg1-1+b1", "2.38.1-5+deb12u1", "1.2.13.dfsg-1", "4.4.18-2build1", "0.9.8zh", "6.4-4", "1.0-0", "1.0",
    "1.0-1.1", "252.22-1~deb12u1", "2.0.0+git20200101.abcdef1-1", "99999999.1-1", "1.18.4-alpha.2-3",
)  # fmt: skip
RPM: Final = (
    "1.0-1", "0:1.0-1", "2.34-60.el9", "1:1.1.1k-9.el8_7", "4.18.0-477.10.1.el8_8", "3.0.7-18.el9_2.0.1",
    "32:9.11.4-26.P2.el7_9.13", "7.61.1-30.amzn2.0.3", "1.0~rc1-1", "1.0^git1-1", "1.0^git1~pre-2", "2.26-59.oe2203sp3",
    "1.0a-1", "1.0.a-1", "1.a.0-1", "5.14.21-150400.24.46.1", "20230731-1.git94f0e2c.el9", "0.0.0-0", "1.0.-1",
    "2.9.14-2.module+el8.9.0+123+456.x86_64", "10.23.1-1.10.23.1.1.module", "99999999999999999999999-1", "007-1",
)  # fmt: skip
APK: Final = (
    "1.2.3-r0", "0.1.0_alpha2", "1.0_rc1-r4", "3.0.12-r4", "1.36.1-r15", "2.9.9_git20230501", "1.02", "1.0", "1.00",
    "20230506-r0", "1.1.1w-r1", "4.4_p12-r2", "0.9.28.3_svn1-r1", "1.0b-r1", "1_alpha_pre2", "23_foo", "1.0bc", "1-r",
)  # fmt: skip
_PIECES: Final = ("0", "1", "9", "10", "09", ".", "-", "+", "~", "a", "b", "rc", "z", "")
Compare = Callable[[str, str], int]


def near(
    seeds: Sequence[str], pieces: Sequence[str] = (), count: int = 10_000, seed: int = 20
) -> Iterator[tuple[str, str]]:
    """pieces: what changes put in, besides digits, dots and letters."""
    chance = random.Random(seed)
    inserted = (*_PIECES, *pieces)

    def changed(version: str) -> str:
        at = chance.randrange(len(version) + 1)
        kept = at + chance.choice((0, 0, 1, 2))
        return version[:at] + chance.choice(inserted) + version[kept:]

    for _ in range(count):
        one = chance.choice(seeds)
        if chance.random() < 0.5:
            one = changed(one)
        other = changed(one) if chance.random() < 0.8 else chance.choice(seeds)
        yield one, changed(other) if chance.random() < 0.3 else other


def check_order(compare: Compare, versions: Sequence[str]) -> None:
    """Every version is itself, pairs are the same both ways round, and sorting is one whichever comes first."""
    for one in versions:
        assert compare(one, one) == 0
    for one, other in permutations(versions, 2):
        assert compare(one, other) == -compare(other, one), (one, other)
    for one, other, third in permutations(versions, 3):
        if compare(one, other) <= 0 and compare(other, third) <= 0:
            assert compare(one, third) <= 0, (one, other, third)
