"""Every sentence that rooms say to people, found in their sources: refusals, reasons, advice.

A sentence is a text of three words or more that is no docstring and goes neither to the log nor to the documentation.
What varies in it is numbered: f"{tag} is gone" is `%(p1)s is gone`. What pydantic says of a field is added.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from pydantic_core._pydantic_core import list_all_errors

from chalicelib.api import API
from chalicelib.kernel.roles import Right
from tests.house.project import PACKAGE

# What speaks to operators, to programs or to the console's own catalogue, or to nobody.
_SILENT: Final = frozenset({"cli", "host", "console", "packages", "advisories", "estargz", "starts", "collection"})
_SILENT_FILES: Final = frozenset(
    {
        "edge/openapi.py",
        "edge/openapi_examples.py",
        "edge/exposition.py",
        "edge/metrics.py",
        "edge/documentation.py",
        "edge/consume.py",
        "edge/pooling.py",
        "edge/asgi.py",
        "edge/tracing.py",
        "audit/verifying.py",
        "kernel/settings.py",
        "identity/keyring.py",
        "registry/routes.py",
        "registry/protocol.py",
        "registry/wire.py",
        "registry/wire_blobs.py",
        "registry/wire_lists.py",
        "registry/wire_manifests.py",
        "registry/wire_uploads.py",
        "credentials/token.py",
        "credentials/endpoint.py",
        "credentials/header.py",
        "charts/application.py",
        "scanning/licence_ids.py",
        "repositories/kubernetes.py",
        "identity/sealing.py",
    }
)
# Of the ports only what speaks to servers that users name says why it does not.
_SPEAKING_PORTS: Final = ("outbound", "remote")
_SILENT_CALLS: Final = (
    "logger.",
    "routes.",
    "metric",
    "count",
    "Field",
    "re.",
    "RuntimeError",
    "AssertionError",
    "b64decode",
)
_WORD: Final = re.compile(r"[A-Za-z]{2,}")
# What `registry.losses.in_words` counts.
COUNTED: Final = (("tag", "tags"), ("repository", "repositories"), ("namespace", "namespaces"), ("service", "services"))
_PLACE: Final = re.compile(r"%\(p[0-9]+\)s")
_FEWEST_WORDS: Final = 3
# Commands and headers are the same in every language.
_NO_SENTENCE: Final = re.compile(
    r"(RUN|FROM|COPY --|docker|crane|ctr|ctr-remote|skopeo|podman|oras|helm|nerdctl) "
    r"|(application|text)/|attachment;|Bearer |ADD |pkg:"
)
# What a form can be refused for before a room sees it.
_OF_FIELDS: Final = frozenset(
    {
        "bool_type",
        "bool_parsing",
        "int_type",
        "int_parsing",
        "int_from_float",
        "string_type",
        "string_too_short",
        "string_too_long",
        "string_pattern_mismatch",
        "missing",
        "literal_error",
        "enum",
        "greater_than",
        "greater_than_equal",
        "less_than",
        "less_than_equal",
        "datetime_type",
        "datetime_parsing",
        "datetime_from_date_parsing",
        "datetime_object_invalid",
        "timezone_aware",
        "list_type",
        "too_short",
        "too_long",
        "decimal_type",
        "decimal_parsing",
        "decimal_max_places",
        "decimal_max_digits",
        "none_required",
    }
)


@cache
def said() -> frozenset[str]:
    spoken = (text for path in _speaking() for text in _sentences(path))
    return frozenset({*spoken, *_of_fields(), *_within_sentences()})


def _speaking() -> Iterator[Path]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        silent = parts[0] in _SILENT or "/".join(parts) in _SILENT_FILES or len(parts) == 1
        if not silent and (parts[0] != "ports" or path.name.startswith(_SPEAKING_PORTS)):
            yield path


def _sentences(path: Path) -> Iterator[str]:
    finder = _Finder()
    finder.visit(ast.parse(path.read_text()))
    return (text for text in finder.found if _is_sentence(text))


def _is_sentence(text: str) -> bool:
    if _NO_SENTENCE.match(text) or "\n" in text:
        return False
    return " " in text.strip() and len(_WORD.findall(_PLACE.sub("", text))) >= _FEWEST_WORDS


class _Finder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if not ast.unparse(node.func).startswith(_SILENT_CALLS):
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pieces, places = [], 0
        for value in node.values:
            if isinstance(value, ast.Constant):
                pieces.append(str(value.value))
            elif isinstance(value, ast.FormattedValue):
                places += 1
                pieces.append(f"%(p{places})s")
                self.visit(value.value)
        self.found.append("".join(pieces))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.found.append(node.value)


def _of_fields() -> Iterator[str]:
    for error in list_all_errors():
        if error["type"] in _OF_FIELDS:
            pieces = re.split(r"\{[a-z_]+\}", error["message_template_python"])
            yield pieces[0] + "".join(f"%(p{at})s{piece}" for at, piece in enumerate(pieces[1:], 1))


def _within_sentences() -> Iterator[str]:
    """Words that sentences are completed with: rights, features, quotas, and how many of something."""
    yield from (right.value for right in Right)
    yield from {endpoint.feature for routes in API for endpoint in routes.endpoints if endpoint.feature}
    yield from ("namespaces", "repositories", "storage")
    for one, several in COUNTED:
        yield from (f"%(n1)s {one}", f"%(n1)s {several}")
    # Shorter than sentences are, and said by `advice`.
    yield from ("%(p1)s left behind", "%(p1)s files in %(p2)s", "Gradle's caches", "Cargo's registry")
