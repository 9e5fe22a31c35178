"""Ranges of versions, as advisories of each language write them."""

from __future__ import annotations

from time import perf_counter
from typing import Final

import pytest

from chalicelib.advisories.advisory import Advisory
from chalicelib.advisories.orders import gem, maven, npm, pep440, semver
from chalicelib.advisories.orders.ranges import Holds, Unreadable, affected

from .versions import Compare, check_order, near

_HOLDS: Final = {
    "semver": semver.holds,
    "npm": npm.holds,
    "gem": gem.holds,
    "maven": maven.holds,
    "pep440": pep440.holds,
}
# Each one is older than the next.
_RISING: Final = {
    "semver": ["0", "0.0.1-rc1", "0.0.1", "0.37.0", "1.0.0-1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta", "1",
               "1.0.0.1", "v1.2.3", "1.10", "2.0.0rc1", "2.0.0"],
    "npm": ["0.0.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.10.0"],
    "gem": ["0", "1.0.0.a", "1.0.0.pre", "1.0.0.rc1", "1.0", "1.0.1", "4.2.9", "4.2.11", "4.2.11.1"],
    "maven": ["1.0-alpha-1", "1.0-beta-2", "1.0-m3", "1.0-rc", "1.0-SNAPSHOT", "1.0", "1.0-sp", "1.0-abc", "1.0-1",
              "1.0.1", "2.9.10.3", "2.9.10.7"],
    "pep440": ["1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.1.dev1", "1.1", "1.10", "1!0.1"],
}  # fmt: skip
# Ecosystem, range, versions inside, versions outside.
_RANGES: Final = [
    ("semver", ">= 0.33.1, < 0.37.0", "0.33.1 v0.36.9 0.37.0-rc1", "0.33.0 0.37 0.37.0.0 1.0"),
    ("semver", "< v2.8.0", "2.7.9+incompatible v0.0.0-20200622213623-75b288015ac9", "2.8.0+incompatible 2.8"),
    ("semver", ">= 2.1.0 || = 1.5", "2.1 2.1.0+5 1.5.0", "2.1.0-beta 1.5.1"),
    ("semver", "~1.2.3 || ^0.3.1", "1.2.9 0.3.2", "1.3 0.4.0 1.2.2"),
    ("semver", "~> 3.2 != 3.5", "3.2 3.9", "3.1 4.0 3.5.0"),
    ("npm", ">= 1.2 < 2.0.0", "1.3.0 1.999.0 2.0.0-rc.1", "1.1.9 2.0.0 2.0.1"),
    ("npm", "^1.2.3", "1.2.3 1.9.0", "1.2.3-beta 2.0.0 0.9.0"),
    ("npm", "~0.2 || 3.x", "0.2.7 3.0.0 3.4.5", "0.3.0 2.9.9 4.0.0"),
    ("npm", "^0.0.3", "0.0.3", "0.0.4 0.1.0"),
    ("npm", "*", "0.0.0 9.9.9-a", ""),
    ("gem", "~> 4.2.11, >= 4.2.11.3", "4.2.11.3 4.2.12", "4.2.11.2 4.3 5"),
    ("gem", ">= 0", "0 1.0.pre 3.2.22.5-java", "0.pre"),
    ("gem", "~> 2", "2.0 2.9.9", "3 3.0.0 1.9"),
    ("maven", ">= 2.0.0, <= 2.9.10.3", "2.0 2.9.10.3 2.9.10.3-rc1", "2.9.10.4 2.0.0-rc1"),
    ("maven", "[2.9.0,2.9.10.7)", "2.9.0 2.9.10.6 2.9", "2.9.10.7 2.8.11"),
    ("maven", "(,1.0],[1.2.3],(2.0,)", "0.1 1.0 1.0.0 1.2.3 2.0.1", "1.1 1.2 1.2.4 2.0"),
    ("maven", "(,10.0]", "r03 0 v1-foo 10", "10.1"),
    ("maven", "< 9.2.25.v20180606", "9.2.25.v20180605 9.2.24", "9.2.25.v20180606 9.2.26"),
    ("maven", "< 1-foo", "1.foo 1-bar", "1-foo 1-1 1.0.1"),
    ("maven", "= 4.1.94.Final", "4.1.94 4.1.94-FINAL 4.1.94.ga", "4.1.94.1 4.1.94.rc1"),
    ("pep440", ">=1.0,<2.0", "1.0 1.9.post1 2.0rc1 1.5+cu118 2.0rc1+cu118", "0.9 2.0 2.0+cu118"),
    ("pep440", "== 1.2.*", "1.2 1.2.9 1.2rc1", "1.3 1.20"),
    ("pep440", "~= 1.4.5a4", "1.4.5a4 1.4.5 1.4.9", "1.4.5a3 1.5"),
    ("pep440", "~= 1.4.2 || =3.0", "1.4.2 1.4.9 3.0.0 3", "1.5 1.4.1 3.0.1"),
    ("pep440", "> 1.0", "1.0.1 1.1.post1", "1.0 1.0.post1 1.0.0.post1"),
    ("pep440", "< 1.0.0-beta.2", "1.0b1 1.0a9", "1.0b2 1.0"),
    ("pep440", "1.2.3", "1.2.3 1.2.3+local v1.2.3", "1.2.3.post1"),
    ("pep440", "*", "0.0.0 99", "0.0.dev1"),
]  # fmt: skip
_SEEDS: Final = {
    "semver": ("1.2.3", "v0.0.0-20200622213623-75b2", "2.0.0-beta.1", "1.2.3.4", "v2.8.0+incompatible", "1.0.0rc2"),
    "gem": ("4.2.11.3", "3.0.0.rc1", "1.0.0.pre", "1.2.3-java", "1.a", "0"),
    "maven": ("2.9.10.3", "1.0-alpha-1", "9.2.25.v20180606", "1-1.foo", "1.0-SNAPSHOT", "31.1-jre"),
}  # fmt: skip


@pytest.mark.parametrize("ecosystem", _RISING)
def test_versions_of_a_language_sort_as_its_managers_sort_them(ecosystem: str) -> None:
    """S1, S3."""
    holds = _HOLDS[ecosystem]
    rising = _RISING[ecosystem]
    for at, older in enumerate(rising):
        assert holds(older, f"={older}")
        for newer in rising[at + 1 :]:
            assert holds(older, f"<{newer}") and not holds(newer, f"<={older}"), (older, newer)


@pytest.mark.parametrize(("ecosystem", "ranges", "inside", "outside"), _RANGES)
def test_a_range_holds_what_its_language_has_in_it(ecosystem: str, ranges: str, inside: str, outside: str) -> None:
    """S1, S3."""
    holds = _HOLDS[ecosystem]
    assert [version for version in inside.split() if not holds(version, ranges)] == []
    assert [version for version in outside.split() if holds(version, ranges)] == []


@pytest.mark.parametrize(
    ("compare", "ecosystem"), [(semver.compare, "semver"), (gem.compare, "gem"), (maven.compare, "maven")]
)
def test_versions_of_a_language_have_one_order(compare: Compare, ecosystem: str) -> None:
    """S1."""
    seeds = _SEEDS[ecosystem]
    candidates = [*seeds, *(one for one, _ in near(seeds, count=60))]
    readable = [version for version in candidates if _readable(compare, version)]
    assert len(readable) > 20
    check_order(compare, readable[:16])


def _readable(compare: Compare, version: str) -> bool:
    try:
        return compare(version, version) == 0
    except Unreadable:
        return False


@pytest.mark.parametrize(
    ("ecosystem", "version", "ranges"),
    [
        ("semver", "(devel)", "< 1"), ("semver", "", "< 1"), ("semver", "1.0", "< one"), ("semver", "1.0", "<> 1"),
        ("semver", "1.0", "< 1 ||"), ("semver", "99999999999999999999.0", "> 1"), ("npm", "1.0", "< 2"),
        ("npm", "v1.0.0", "< 2"), ("npm", "1.0.0", "!= 2"), ("gem", "1_0", "< 2"), ("maven", "1.0", "[1.0,2.0,3.0]"),
        ("maven", "1.0", "≥ 2"), ("pep440", "1.0-jre", "< 2"), ("pep440", "1.0", "< 2.*"), ("pep440", "1.0", "< 2+cu1"),
        ("pep440", "1.0", "~= 1"), ("pep440", "9" * 501, "> 1"), ("pep440", "1.0", "> " + "9" * 9_999),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_and_not_guessed(ecosystem: str, version: str, ranges: str) -> None:
    """S1."""
    with pytest.raises(Unreadable):
        _HOLDS[ecosystem](version, ranges)
    assert not affected(version, Advisory(vulnerable=(ranges,)), _HOLDS[ecosystem])
    assert not affected(version, Advisory(patched=(ranges,)), _HOLDS[ecosystem])


@pytest.mark.parametrize(
    ("advisory", "versions"),
    [
        (Advisory(vulnerable=("< 1", ">= 2, < 3")), "0 2"),
        (Advisory(vulnerable=("< 3",), patched=("2", "1.5")), "0 1"),
        (Advisory(patched=(">= 2",), unaffected=("< 1",)), "1"),
        (Advisory(vulnerable=("",)), "0 1 2 3"),
        (Advisory(vulnerable=("< 1",), patched=("",)), "0 1 2 3"),
        (Advisory(unaffected=(">= 1",)), "0"),
        (Advisory(), ""),
        (Advisory(vulnerable=("< 3",), unaffected=("< two",)), ""),
    ],
)
def test_vulnerable_ranges_count_less_those_that_are_patched_or_unaffected(advisory: Advisory, versions: str) -> None:
    """S1, S3."""
    assert [
        version for version in ("0", "1", "2", "3") if affected(version, advisory, semver.holds)
    ] == versions.split()


@pytest.mark.parametrize("holds", _HOLDS.values())
@pytest.mark.parametrize(
    "hostile",
    ["1" * 100_000, "1." * 50_000, "1-" * 50_000, "1a" * 50_000, "1-" + "a" * 100_000 + "!", "1-1" * 160, "١.٢"],
)
def test_a_hostile_version_costs_no_time(holds: Holds, hostile: str) -> None:
    """S1: whoever builds an image writes what versions it has."""
    began = perf_counter()
    affected(hostile, Advisory(vulnerable=("< 2, >= 1-a-b",)), holds)
    affected("1.0.0", Advisory(vulnerable=(f"< {hostile}",), patched=(hostile,)), holds)
    assert perf_counter() - began < 2


def test_labels_of_python_versions_count_where_they_are_asked_for() -> None:
    """S1: a maker who mends a release under a label has advisories about labels."""
    assert pep440.holds_with_labels("4.2.8+sp1", ">= 4.2.8+sp1, < 4.2.8+sp9")
    assert not pep440.holds_with_labels("4.2.8+sp1", "== 4.2.8")
    assert pep440.holds("4.2.8+sp1", "== 4.2.8")
