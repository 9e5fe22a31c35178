"""H1: versions of charts: their order, tags and names of archives."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.charts.versions import archive_of, is_early, newest_first, order_of, parse_archive, tag_of, version_of

# Source: semver.org 2.0.0, point 11, and what helm takes beyond it.
IN_ORDER = [
    "0.9.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
    "1.0.0-rc.1", "1.0.0", "1.0.1-0", "1.0.1", "v1.1", "1.2.0", "1.10.0", "2", "10.0.0",
]  # fmt: skip
PARTS = st.text("abc019", min_size=1, max_size=3)
NUMBERS = st.integers(0, 20).map(str)


def test_versions_are_ordered_as_helm_orders_them() -> None:
    mixed = random.Random(7).sample(IN_ORDER, len(IN_ORDER))
    assert sorted(mixed, key=lambda one: order_of(one) or pytest.fail(one)) == IN_ORDER


def test_what_is_no_version_comes_last_and_is_never_the_newest() -> None:
    assert sorted(["latest", "1.0.0", "2.0.0-rc"], key=newest_first, reverse=True) == ["2.0.0-rc", "1.0.0", "latest"]
    assert [is_early(one) for one in ("latest", "1.0.0", "1.0.0+b", "2.0.0-rc")] == [True, False, False, True]
    for text in (
        "",
        "1.",
        "a1.0.0",
        "1.0.0.0",
        "1.0.0-",
        "1.0.0+",
        "1.0.0 ",
        "1.0.0\n",
        "١.0.0",
        "1" * 30,
        "1.0.0-a..b",
    ):
        assert order_of(text) is None


def test_a_plus_is_written_as_an_underscore() -> None:
    assert (tag_of("1.0.0+b.1"), version_of("1.0.0_b.1")) == ("1.0.0_b.1", "1.0.0+b.1")


@pytest.mark.parametrize(
    ("chart", "version", "file"),
    [
        ("nginx", "1.0.0", "nginx-1.0.0.tgz"),
        ("nginx", "1.0.0-rc.1+b", "nginx-1.0.0-rc.1+b.tgz"),
        ("postgres-14", "2.0.0", "postgres-14-2.0.0.tgz"),
        ("kube-state", "v1.2", "kube-state-v1.2.tgz"),
        ("a-1.0.0", "2.0.0", ""),
        ("postgres-14", "1.2", ""),
        ("a", "latest", ""),
    ],
)
def test_archives_are_named_where_the_name_means_them_alone(chart: str, version: str, file: str) -> None:
    assert archive_of(chart, version) == file


@given(st.lists(PARTS, min_size=1, max_size=4).map("-".join), st.tuples(NUMBERS, NUMBERS, NUMBERS).map(".".join), PARTS)
def test_no_archive_s_name_is_read_as_another_chart(chart: str, version: str, early: str) -> None:
    for one in (version, f"{version}-{early}", version[: version.rindex(".")]):
        file = archive_of(chart, one)
        assert file in ("", f"{chart}-{one}.tgz")
        assert not file or parse_archive(file.removesuffix(".tgz")) == (chart, one)
