"""What npm and its like installed."""

from __future__ import annotations

import json

import pytest

from chalicelib.packages.languages.node import NodeReader
from chalicelib.packages.purls import purl
from chalicelib.packages.reading import Unreadable

from .made import names, told

_PATH = "app/node_modules/@babel/core/package.json"


def test_packages_are_found_wherever_a_package_json_names_one() -> None:
    """S3."""
    result = told(NodeReader(), _PATH, '{"name": "@babel/Core", "version": "7.0.0", "license": "MIT"}')
    assert names(result) == [("@babel/Core", "7.0.0")]
    assert (result.packages[0].type, result.packages[0].path) == ("node-pkg", _PATH)
    assert purl(result.packages[0], None) == "pkg:npm/%40babel/core@7.0.0"


@pytest.mark.parametrize(
    ("licence", "names_of_it"),
    [
        ("MIT", ("MIT",)),
        ({"type": "MIT", "url": "x"}, ("MIT",)),
        ([{"type": "MIT"}, {"type": "BSD"}, {}], ("MIT", "BSD")),
        (["MIT"], ()),
        (None, ()),
        ("", ()),
    ],
)
def test_licences_are_read_in_all_their_shapes(licence: object, names_of_it: tuple[str, ...]) -> None:
    """S4."""
    document = json.dumps({"name": "a", "version": "1", "license": licence})
    assert told(NodeReader(), _PATH, document).packages[0].licenses == names_of_it


def test_files_that_only_say_how_modules_are_loaded_are_no_packages() -> None:
    for document in ('{"type": "module"}', '{"name": "rxjs/ajax", "main": "x"}', '{"name": "a", "version": ""}'):
        assert names(told(NodeReader(), _PATH, document)) == []


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{",
        '{"name": "a", "version": 1}',
        '{"name": "a b", "version": "1"}',
        '{"name": "a", "version": "1", "dependencies": ["b"]}',
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
)
def test_what_is_no_package_json_is_a_problem(document: str) -> None:
    """S2: the reason is visible."""
    with pytest.raises(Unreadable):
        told(NodeReader(), _PATH, document)
