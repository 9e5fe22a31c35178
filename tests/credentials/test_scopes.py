"""What clients ask for, as they write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.credentials.rules import MOST_SCOPES, parse_scopes


def read(*texts: str) -> dict[str, str]:
    return {str(scope.name): ",".join(sorted(scope.actions)) for scope in parse_scopes(texts)}


@pytest.mark.parametrize(
    ("texts", "meant"),
    [
        (["repository:library/x:pull"], {"library/x": "pull"}),
        (["repository:library/x:push,pull"], {"library/x": "pull,push"}),
        (["repository:library/x:*"], {"library/x": "delete,pull,push"}),
        (["repository:library/x:pull,fly"], {"library/x": "pull"}),
        (["repository:library/x:pull", "repository:library/y:pull"], {"library/x": "pull", "library/y": "pull"}),
        (["repository:library/x:pull repository:library/y:pull"], {"library/x": "pull", "library/y": "pull"}),
        (["repository:library/x:pull", "repository:library/x:delete"], {"library/x": "delete,pull"}),
        (["repository:host:5000/library/x:pull", "repository:library/x:pull"], {"library/x": "pull"}),
    ],
)
def test_scopes_are_read_as_the_documentation_has_them(texts: list[str], meant: dict[str, str]) -> None:
    """R2"""
    assert read(*texts) == meant


@pytest.mark.parametrize(
    "text",
    ["", "   ", "x", "repository", "repository:", "repository:library/x", "repository:library/x:", "repository:x:pull",
     "repository:library/X:pull", "registry:catalog:*", "repository(plugin):library/x:pull",
     "repository:library/x:PULL",
     "repository:../x:pull", ":library/x:pull", "repository:library/x\n:pull"],
)  # fmt: skip
def test_scopes_nobody_can_have_are_ignored(text: str) -> None:
    """R2"""
    assert read(text) == {}


def test_a_token_is_asked_for_so_much_and_no_more() -> None:
    """R2: a header has to carry it."""
    asked = [f"repository:library/x{number}:pull" for number in range(MOST_SCOPES + 5)]
    assert len(read(*asked, "repository:library/x0:push")) == MOST_SCOPES
    assert read(*asked, "repository:library/x0:push")["library/x0"] == "pull,push"


@given(text=st.text(max_size=80))
def test_any_text_is_a_scope_or_nothing(text: str) -> None:
    """R2"""
    assert len(read(text, f"repository:{text}:pull")) <= 2
