"""The patterns of all rules: what they match, what is refused and where, and how long it takes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from chalicelib.kernel.errors import PatternInvalid
from chalicelib.kernel.patterns import LONGEST, Pattern, SubjectPattern


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("latest", ["latest"], ["latest2", "Latest", "late", "", "latest\n"]),
        ("v1*", ["v1", "v1.2", "v1*"], ["v", "xv1", ""]),
        ("**", ["", "anything", "a/b/c", "é", "\n"], []),
        ("{a,b,c*}", ["a", "b", "c", "cd"], ["ab", "d", "", "{a,b,c*}", "a,b"]),
        ("{a}", ["a"], ["{a}", "b"]),
        ("team/app*", ["team/app", "team/app/x"], ["team", "app"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_a_pattern_matches_what_it_says(pattern: str, matching: list[str], others: list[str]) -> None:
    """P2"""
    parsed = Pattern.parse(pattern)
    assert [text for text in matching if not parsed.matches(text)] == []
    assert [text for text in others if parsed.matches(text)] == []


@pytest.mark.parametrize(
    ("pattern", "position"),
    [
        ("", 0),
        ("*", 0),
        ("***", 0),
        ("a**", 1),
        ("a*b", 1),
        ("*a", 0),
        ("a?", 1),
        ("v[0-9]", 1),
        ("a,b", 1),
        ("a b", 1),
        ("a\n", 1),
        ("é", 0),
        ("١", 0),
        ("{}", 1),
        ("{", 1),
        ("}", 0),
        ("{a", 2),
        ("a}", 1),
        ("{a,}", 3),
        ("{,a}", 1),
        ("{a,,b}", 3),
        ("{a, b}", 3),
        ("{a*,*}", 4),
        ("{**}", 1),
        ("{a,{b}}", 3),
        ("{a}b", 2),
        ("{a}}", 2),
        ("{a,b*c}", 4),
    ],
)
def test_anything_else_is_refused_at_its_character(pattern: str, position: int) -> None:
    """P2"""
    with pytest.raises(PatternInvalid) as refused:
        Pattern.parse(pattern, "tags")
    assert refused.value.position == position
    assert refused.value.fields[0][0] == "tags"
    assert f"(character {position + 1})" in refused.value.message


def test_a_pattern_has_a_greatest_length() -> None:
    """P2"""
    assert Pattern.parse("a" * LONGEST).matches("a" * LONGEST)
    with pytest.raises(PatternInvalid):
        Pattern.parse("a" * (LONGEST + 1))


@pytest.mark.parametrize("subject", ["repo:acme/app:ref:refs/heads/main", "auth0|12", "a@b", "project_path:g/p#1+2~3"])
def test_subjects_have_more_characters(subject: str) -> None:
    """X4"""
    assert SubjectPattern.parse(subject).matches(subject)
    assert SubjectPattern.parse(subject[:-1] + "*").matches(subject)
    with pytest.raises(PatternInvalid):
        Pattern.parse(subject)


@pytest.mark.parametrize("character", [*' *,{}\n\t\x7f"'.replace('"', ""), "é"])
def test_subjects_have_no_signs_of_patterns_and_nothing_that_does_not_print(character: str) -> None:
    """X4"""
    with pytest.raises(PatternInvalid):
        SubjectPattern.parse(f"a{character}b")


def test_models_take_patterns_and_say_what_is_wrong() -> None:
    """P2"""

    class Rule(BaseModel):
        tags: Pattern

    assert Rule(tags="v*").tags.matches("v1")  # type: ignore[arg-type]
    assert isinstance(Rule.model_validate({"tags": "v*"}).tags, Pattern)
    with pytest.raises(ValidationError, match=r"\(character 2\)"):
        Rule.model_validate({"tags": "v?"})


PIECE = st.tuples(st.text("ab1._-/", min_size=1, max_size=5), st.booleans())
TEXT = st.text("ab1._-/", max_size=8)


@given(st.lists(PIECE, min_size=1, max_size=5), TEXT)
def test_a_list_of_keys_matches_what_one_of_them_matches(pieces: list[tuple[str, bool]], text: str) -> None:
    """P2"""
    pattern = Pattern.parse("{" + ",".join(key + "*" * prefix for key, prefix in pieces) + "}")
    assert pattern.matches(text) == any(text.startswith(key) if prefix else text == key for key, prefix in pieces)


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_is_a_pattern_or_refused(pattern: str, text: str) -> None:
    """P2: and nothing else happens, whatever is matched against it."""
    try:
        matched: bool | int = Pattern.parse(pattern).matches(text)
    except PatternInvalid as refused:
        matched = refused.position
    assert 0 <= matched <= len(pattern)


def test_hostile_patterns_take_no_time() -> None:
    """P2: what takes other registries exponential time, and their checks then fail open."""
    text = "a" * 100_000
    began = time.process_time()
    for pattern in (
        "{" + ",".join(["a" * 9 + "b*"] * 80) + "}",
        "{" + ",".join("a" * n + "*" for n in range(1, 40)) + "}",
    ):
        parsed = Pattern.parse(pattern)
        for _ in range(100):
            parsed.matches(text)
    for hostile in ("*" * 1000, "{" * 1000, "a*" * 500, "{a," * 300):
        with pytest.raises(PatternInvalid):
            Pattern.parse(hostile)
    assert time.process_time() - began < 0.5
