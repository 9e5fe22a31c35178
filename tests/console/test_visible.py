"""C1: texts of strangers show what cannot be seen, and change nothing around them."""

from __future__ import annotations

import pytest

from chalicelib.console.rendering import Shown, visible
from chalicelib.console.texts import words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("invoice\u202egnp.exe", "invoice\\u202egnp.exe"),
        ("\x1b[31mred\x00\x7f\x85", "\\u001b[31mred\\u0000\\u007f\\u0085"),
        ("a\rb", "a\\u000db"),
        ("v1\u200b\ufeff\u2066\u00ad\u3164", "v1\\u200b\\ufeff\\u2066\\u00ad\\u3164"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("half \ud800", "half \\ud800"),
        ("ad\u200dmin", "ad\\u200dmin"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text", ["plain <b>&", "tab\tand\nline", "Größe 镜像", "עברית", "👨\u200d💻 ❤\ufe0f\u200d🔥", "می\u200cخواهم"]
)
def test_what_people_write_stays(text: str) -> None:
    assert visible(text) == text


def test_line_ends_of_other_systems_are_line_ends() -> None:
    assert visible("one\r\ntwo") == "one\ntwo"


def test_a_time_that_builders_write_to_have_the_same_bytes_is_told_as_none() -> None:
    """N6: the year 1, or 1970."""
    shown = Shown(words("en"))
    assert [shown.moment(text) for text in ("0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", None)] == ["–", "–", "–"]
    assert "2026-01-31 08:00" in shown.moment("2026-01-31T08:00:00Z")
