"""dpkg, rpm and apk: a table of pairs, and what every order has to hold. `test_oracles` asks the managers."""

from __future__ import annotations

from time import perf_counter
from typing import Final

import pytest

from chalicelib.advisories.orders import apk, dpkg, rpm

from .versions import APK, DPKG, RPM, Compare, check_order, near

# Each one is older than the next.
_RISING: Final = {
    "dpkg": (
        (dpkg.compare, ("1.0~~", "1.0~rc1", "1.0", "1.0-0.1", "1.0-1", "1.0-1+deb12u1", "1.0-10", "1.0a", "1.0+b")),
        (dpkg.compare, ("7.88.1-10~bpo11+1", "7.88.1-10", "7.88.1-10ubuntu1", "7.88.1-10+deb12u5", "1:0.1", "2:0~1")),
        (dpkg.compare, ("1.1.1n", "1.1.1z", "1.1.1za", "1.1.1zb", "1.1.1+dfsg", "1.1.1.1", "1.1.10")),
        (dpkg.compare, ("9999999999999999999990", "9999999999999999999999")),
    ),
    "rpm": (
        (rpm.compare, ("1.0~rc1-1", "1.0-1", "1.0-1.1", "1.0^git1-1", "1.0a-1", "1.0.1-1", "1.1-1", "1:0-1")),
        (rpm.compare, ("2.34-60.el9", "2.34-60.el9_2.7", "2.34-60.el10", "2.34-100.el9", "2.100-1.el9")),
        (rpm.compare, ("", "a", "b", "1a", "1.1", "1.2")),
    ),
    "apk": (
        (apk.compare, ("1.1_alpha", "1.1_alpha2", "1.1_beta", "1.1_pre", "1.1_rc1", "1.1", "1.1-r1", "1.1_p1")),
        (apk.compare, ("1.001", "1.01", "1.02", "1.1", "1.2", "1.10", "1.10a", "1.10b", "1.10.1", "2", "20230506-r0")),
        (apk.compare, ("1.36.1-r9", "1.36.1-r15", "1.36.2-r0")),
    ),
}  # fmt: skip
_SAME: Final = (
    (dpkg.compare, "1.0", "1.0-0"), (dpkg.compare, "0:1.0", "1.0"), (dpkg.compare, "1.01", "1.1"),
    (dpkg.compare, " 1.0 ", "1.0"), (dpkg.compare, "1.a", "1.a0"),
    (rpm.compare, "0:1.0-1", "1.0-1"), (rpm.compare, "1.0-1", "1.00-01"), (rpm.compare, "1.0a-1", "1.0.a-1"),
    (rpm.compare, "1_0-1", "1.0-1"), (apk.compare, "1.2.3-r0", "1.2.3-r00"), (apk.compare, "1.0bc", "1.0bd"),
)  # fmt: skip


@pytest.mark.parametrize("manager", _RISING)
def test_versions_sort_as_their_manager_sorts_them(manager: str) -> None:
    """S1, S3."""
    for compare, rising in _RISING[manager]:
        for at, older in enumerate(rising):
            for newer in rising[at + 1 :]:
                assert compare(older, newer) == -1, (older, newer)
                assert compare(newer, older) == 1, (newer, older)


@pytest.mark.parametrize(("compare", "one", "other"), _SAME)
def test_versions_written_differently_are_the_same(compare: Compare, one: str, other: str) -> None:
    """S1."""
    assert compare(one, other) == compare(other, one) == 0


@pytest.mark.parametrize(("compare", "seeds"), [(dpkg.compare, DPKG), (rpm.compare, RPM), (apk.compare, APK)])
def test_any_text_has_its_place_in_the_order(compare: Compare, seeds: tuple[str, ...]) -> None:
    """S1: what images hold is not to be trusted, and yet has to be sorted."""
    check_order(
        compare,
        [*seeds[:12], *(one for one, _ in near(seeds, ("é", "٣", " ", "^"), count=24)), "", "-", ":", "9" * 9_999],
    )


def test_a_version_of_a_million_digits_is_compared_at_once() -> None:
    """S1: Python refuses to read numbers so long, and other ways of reading them take minutes."""
    long = "1" * 1_000_000
    began = perf_counter()
    for compare in (dpkg.compare, rpm.compare, apk.compare):
        assert compare(f"1.{long}", f"1.{long}0") == -1
    assert perf_counter() - began < 5


@pytest.mark.parametrize("version", ["", "A1", "-1", "1:", "A:1", "-1:1", "1.0!", "1.0-!1", "2:-1ubuntu3", "1.0-1:2"])
def test_dpkg_says_which_versions_it_would_refuse(version: str) -> None:
    """S1."""
    assert not dpkg.valid(version)
    assert dpkg.valid("2:7.4.052-1ubuntu3.1") and dpkg.valid("1.0") and dpkg.valid(" 1:2:3~x_y ")


@pytest.mark.parametrize("version", ["1.0bc", "1.0!", "23_foo", "1.0-", "1.0b.1"])
def test_apk_says_which_versions_it_would_refuse(version: str) -> None:
    """S1."""
    assert not apk.valid(version)
    assert apk.valid("1.2.3") and apk.valid("0.1.0_alpha_pre2") and apk.valid("1.0b") and apk.valid("1.2_p1-r3")
