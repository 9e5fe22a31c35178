"""Expressions over tags mean what they mean elsewhere, and take no time."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.copying.ends import Source
from chalicelib.kernel.errors import PatternInvalid
from chalicelib.migration.expressions import Expression
from chalicelib.migration.files import Rule
from chalicelib.migration.models import Wanted
from chalicelib.migration.places import Place
from chalicelib.migration.sources import Route

TAGS = ["v1.2", "aaa", "rel-1", "Release", "v2.", "", "-", "v12-rc1", "bx", "latest", "1.0.0_b"]
SOURCES = [
    "a+", r"^v1\.[0-9]+$", r"v(1|2)\..*", "[^a-c]x{2,3}", "(?i)REL", "^$", r"v\d{1,3}(-rc\d)?$", "[a-z-]+", "[]a]",
    r"^[\w.]+$", "a|b|", "(?:ab)*?c", r"\D", "x{0}", "[a-]", r"(v|)1",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_it_finds_what_pythons_own_finds(source: str) -> None:
    """K2"""
    assert [tag for tag in TAGS if Expression(source).matches(tag)] == [tag for tag in TAGS if re.search(source, tag)]


@given(st.text("ab|()*+?[]^$", max_size=8), st.text("ab", max_size=6))
def test_whatever_it_understands_it_understands_as_pythons_own(source: str, tag: str) -> None:
    """K2"""
    try:
        found = Expression(source).matches(tag)
        known = re.compile(source)
    except (PatternInvalid, re.error):
        return
    assert found == bool(known.search(tag))


def test_one_that_looks_again_and_again_ends_at_once() -> None:
    """K2: Python's own takes years for this."""
    begun = time.perf_counter()
    assert not Expression("(a+)+$").matches("a" * 127 + "!")
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize(
    "source", ["(", ")", "a**", "[a", "(?=x)", r"\1", "a{3,2}", "(a{900}){900}", "\\", "[b-a]", "+"]
)
def test_what_it_does_not_understand_is_refused(source: str) -> None:
    """K2"""
    with pytest.raises(PatternInvalid):
        Expression(source)


def test_depth_and_length_are_bounded() -> None:
    """K2"""
    for source in ("(" * 60 + ")" * 60, "a" * 501, "é"):
        with pytest.raises(PatternInvalid):
            Expression(source)


class Told:
    """A source of tags."""

    def __init__(self, tags: list[str]) -> None:
        self.tags = lambda: iter(tags)


def test_tags_are_looked_at_one_by_one_and_each_is_behind_the_one_before() -> None:
    """K2: of very many with a slow expression a step looks at as many as it has time for."""
    place = Place.parse("registry.example.com/team/app:/^v/")
    looked_at: list[str] = []

    class Slow(Expression):
        def matches(self, tag: str) -> bool:
            looked_at.append(tag)
            return super().matches(tag)

    rule = Rule(replace(place, expression=Slow("^v")), Place.parse("team/app"), "entry")
    itself = Wanted(entry="entry", source="", reference="", target="team/app")
    source = cast(Source, Told(["v2", "latest", "v1", "main"]))
    route = Route("000000", itself, rule.source, rule, lambda _: source)
    images = route.images("")
    assert looked_at == []
    assert next(images) == ("latest", None)
    assert [tag for tag, image in route.images("main") if image is not None] == ["v1", "v2"]
    assert looked_at == ["latest", "v1", "v2"]
