"""Where files are and how long they get."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.project import ROOT, name_of, parsed, product_sources, rooms, sources, tracked

TOP_LEVEL = {
    ".chalice",
    ".ci",
    ".dockerignore",
    ".gitignore",
    "LICENSE",
    "Makefile",
    "README.md",
    "README.zh-CN.md",
    "app.py",
    "benchmarks",
    "chalicelib",
    "docs",
    "gateway.py",
    "infra",
    "pyproject.toml",
    "requirements-dev.txt",
    "requirements-gateway.txt",
    "requirements.txt",
    "tests",
}
VAGUE = {"utils", "util", "helpers", "helper", "manager", "managers", "base", "common", "misc", "handler2"}
LONGEST_FILE = 400
LONGEST_FUNCTION = 40


def test_nothing_lies_at_the_top_that_the_map_does_not_show() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert found <= TOP_LEVEL


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in sources()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_of_the_product_is_longer_than_40_lines() -> None:
    """Counted without its docstring: contracts may be long, code may not."""
    assert [finding for path in product_sources() for finding in _long_functions(path)] == []


def _long_functions(path: Path) -> list[str]:
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
            if lines > LONGEST_FUNCTION:
                found.append(f"{name_of(path)}:{node.lineno} {node.name} has {lines}")
    return found


def test_files_are_named_for_what_they_hold() -> None:
    assert [name_of(path) for path in sources() if path.stem in VAGUE] == []


@pytest.mark.parametrize("room", rooms(), ids=lambda room: room.name)
def test_a_room_says_what_it_is_and_has_a_door(room: Path) -> None:
    assert parsed(room / "__init__.py").body, f"{room.name} has no docstring"
    assert (room / "service.py").exists(), f"{room.name} has no service"
