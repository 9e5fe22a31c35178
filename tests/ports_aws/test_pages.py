"""Spans of sort keys, and cursors."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.kernel.errors import Invalid
from chalicelib.ports.aws.pages import Cursor, Span, just_below

TEXTS = st.text(st.characters(max_codepoint=0x10FFFE, exclude_categories=["Cs"]), max_size=6)


def within(span: Span, key: str) -> bool:
    above = span.low is None or span.low <= key
    return not span.empty and above and (span.high is None or key <= span.high)


@given(TEXTS, st.one_of(st.none(), TEXTS), TEXTS.filter(bool), st.booleans())
def test_a_span_holds_just_the_keys_asked_for(prefix: str, after: str | None, key: str, descending: bool) -> None:
    begins_so = key.startswith(prefix)
    beyond = after is None or (key < after if descending else key > after)
    assert within(Span.of(prefix, after, None, descending=descending), key) == (begins_so and beyond)


@given(TEXTS.filter(bool), TEXTS)
def test_nothing_stands_between_a_text_and_what_is_just_below_it(text: str, other: str) -> None:
    below = just_below(text)
    assert below < text
    assert (other <= below) == (other < text)


def test_what_is_just_below_the_gap_of_surrogates_can_be_sent() -> None:
    assert just_below("\ue000").encode() < "\ue000".encode()


def test_a_cursor_comes_back_as_the_key_it_stands_for() -> None:
    cursor = Cursor("p", "i1", "", descending=False)
    written = cursor.write({"i1sk": "é", "pk": "a", "sk": "b", "more": 1})
    assert cursor.read(written) == {"i1pk": "p", "i1sk": "é", "pk": "a", "sk": "b"}


@pytest.mark.parametrize("text", ["", "x", "é", "W10", "eyJhIjoxfQ", "WyJhIiwxXQ", "W1tbW1tbW1tbW1tbW1tb" * 20_000])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Cursor("p", None, "", descending=False).read(text)


@pytest.mark.parametrize("place", ["", "\ud800", "é" * 513])
def test_a_cursor_that_was_forged_around_no_key_is_refused(place: str) -> None:
    """DynamoDB would refuse the call, which is not the caller's business to see."""
    cursor = Cursor("p", None, "a", descending=False)
    mark, _ = json.loads(base64.urlsafe_b64decode(cursor.write({"sk": "ab"}) + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([mark, place]).encode()).decode().rstrip("=")
    with pytest.raises(Invalid):
        cursor.read(forged)


def test_a_cursor_of_another_query_is_refused() -> None:
    written = Cursor("p", None, "a", descending=False).write({"sk": "ab"})
    for other in (
        Cursor("q", None, "a", descending=False),
        Cursor("p", None, "b", descending=False),
        Cursor("p", None, "a", descending=True),
        Cursor("p", "i1", "a", descending=False),
    ):
        with pytest.raises(Invalid):
            other.read(written)
