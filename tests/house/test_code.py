"""What code must not contain, and what it must say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.project import PACKAGE, name_of, parsed, product_sources, sources, tracked

# Put together here, so that this file does not find itself.
UNFINISHED = re.compile(rf"\b(?:{'TO' + 'DO'}|{'FIX' + 'ME'}|{'X' * 3}|{'HA' + 'CK'})\b")
PATCHING = re.compile(r"unittest\.mo" + r"ck|mo" + r"ck\.patch|mo" + r"cker\.patch")
HOSTS_OF_PACKAGES = re.compile("py" + r"pi\.org|files\.python" + r"hosted|registry\.npm" + r"js|proxy\.gol" + "ang")
TEXTS = {".py", ".md", ".toml", ".txt", ".json", ".yml", ".yaml", ".svg", ".html", ".css", ".js", ".sh", ""}


def broad_handlers(path: Path) -> Iterator[ast.ExceptHandler]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ExceptHandler):
            names = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else set()
            if node.type is None or names & {"Exception", "BaseException"}:
                yield node


def test_no_error_is_swallowed_unseen() -> None:
    """A broad handler logs, raises, or keeps the error; it never only passes by."""
    silent = [
        f"{name_of(path)}:{handler.lineno}"
        for path in product_sources()
        for handler in broad_handlers(path)
        if all(isinstance(step, ast.Pass | ast.Continue | ast.Break) for step in handler.body) or handler.type is None
    ]
    assert silent == []


@pytest.mark.parametrize("pattern", [UNFINISHED, PATCHING], ids=["unfinished", "patching"])
def test_code_is_finished_and_tests_use_real_parts(pattern: re.Pattern[str]) -> None:
    assert [name_of(path) for path in sources() if pattern.search(path.read_text())] == []


def test_no_package_host_is_named() -> None:
    """Where packages come from is the machine's business."""
    texts = [path for path in tracked() if path.suffix in TEXTS]
    assert [name_of(path) for path in texts if HOSTS_OF_PACKAGES.search(path.read_text(errors="ignore"))] == []


def test_every_module_says_what_it_is() -> None:
    silent = [name_of(path) for path in product_sources() if parsed(path).body and not ast.get_docstring(parsed(path))]
    assert [name for name in silent if not name.endswith("__main__.py")] == []


CONTRACTS = ("table", "objects", "queues")


@pytest.mark.parametrize("name", CONTRACTS)
def test_ports_have_few_methods_and_each_says_what_it_promises(name: str) -> None:
    protocols = [
        node
        for node in parsed(PACKAGE / "ports" / f"{name}.py").body
        if isinstance(node, ast.ClassDef) and node.name == name.capitalize()
    ]
    (protocol,) = protocols
    methods = [node for node in protocol.body if isinstance(node, ast.FunctionDef)]
    assert len(methods) <= 10
    assert [method.name for method in methods if not ast.get_docstring(method)] == []
    assert ast.get_docstring(protocol) or ast.get_docstring(parsed(PACKAGE / "ports" / f"{name}.py"))


def test_public_functions_of_doors_are_documented_or_plain() -> None:
    """A public method of a service longer than ten lines says what goes in, what comes out, what it raises."""
    silent = [
        f"{name_of(path)}:{method.lineno} {method.name}"
        for path in product_sources()
        if path.name == "service.py"
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        for method in node.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        and not method.name.startswith("_")
        and not ast.get_docstring(method)
        and (method.end_lineno or 0) - method.lineno > 10
    ]
    assert silent == []
