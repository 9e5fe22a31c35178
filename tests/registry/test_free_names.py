"""X1: a restoration that meets a taken name offers one that can be had."""

from __future__ import annotations

import pytest

from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.free_names import MOST_TRIED, free_name


def offered(stack: Stack, taken: str) -> str:
    return free_name(stack.table, taken, 255, lambda name: keys.repository("ci", name))


def take(stack: Stack, name: str) -> None:
    stack.table.put({**keys.repository("ci", name)._asdict(), "name": name})


def test_the_first_that_is_free_is_offered(stack: Stack) -> None:
    assert offered(stack, "library/app") == "library/app-restored"
    take(stack, "library/app-restored")
    assert offered(stack, "library/app") == "library/app-restored-2"


def test_where_all_that_are_tried_are_taken_one_is_offered_that_nobody_has(stack: Stack) -> None:
    take(stack, "library/app-restored")
    for number in range(2, MOST_TRIED):
        take(stack, f"library/app-restored-{number}")
    found = offered(stack, "library/app")
    assert RepositoryName.fits(found)
    assert "restored" not in found
    assert found != offered(stack, "library/app")


@pytest.mark.parametrize("odd", [".", "_", "__", "-", "--", "/"])
def test_a_long_name_is_cut_so_that_a_name_is_left(stack: Stack, odd: str) -> None:
    for before in range(220, 240):
        long = "library/" + "a" * (before - 8) + odd + "b" * (255 - before - len(odd))
        assert RepositoryName.fits(long)
        assert RepositoryName.fits(offered(stack, long))


@pytest.mark.parametrize("tag", ["_" * 128, "v1", "v" + "." * 127, "v" * 108, "v" * 109])
def test_what_is_offered_for_a_tag_is_a_tag(stack: Stack, tag: str) -> None:
    found = free_name(stack.table, tag, 128, lambda name: keys.tag("repository", name))
    assert TagName.fits(found)
    assert found != tag
