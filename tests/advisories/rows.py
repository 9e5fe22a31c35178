"""Advisories as trivy-db's own fixtures write them, into a database that is read and matched with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from chalicelib.advisories import bolt_writer
from chalicelib.advisories.database import DATABASE_FILE, METADATA_FILE, Database

Rows = dict[str, Any]
METADATA = {
    "Version": 2,
    "NextUpdate": "2026-11-22T12:00:00Z",
    "UpdatedAt": "2026-11-22T06:00:00Z",
    "DownloadedAt": "2026-11-22T06:30:00Z",
}


class _Loader(yaml.SafeLoader):
    """Leaves moments as they are written."""


_LETTERS = yaml.SafeLoader.yaml_implicit_resolvers
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in known if tag != _TIMESTAMP] for letter, known in _LETTERS.items()
}


def rows_of(files: Iterable[Path]) -> Rows:
    """Buckets inside buckets, of all files together; a bucket that is named twice has both its contents."""
    tree: Rows = {}
    for file in files:
        _add(tree, yaml.load(file.read_text(), Loader=_Loader))  # noqa: S506 - it is a safe one
    return tree


def _add(tree: Rows, buckets: Iterable[Mapping[str, Any]]) -> None:
    for bucket in buckets:
        if "bucket" in bucket:
            _add(tree.setdefault(bucket["bucket"], {}), bucket["pairs"])
        else:
            tree[bucket["key"]] = _json(bucket.get("value"))


def _json(value: object) -> bytes:
    """Whole numbers without a fraction, as Go writes and reads them."""
    return json.dumps(_whole(value), separators=(",", ":")).encode()


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def packed(tree: Mapping[str, Any]) -> Rows:
    """Of rows that a test writes down: two levels of names, and JSON below; three for what is Red Hat's."""
    levels = {"vulnerability": 1, "data-source": 1}
    return {name: _packed(content, levels.get(name, 2)) for name, content in tree.items()}


def _packed(content: Mapping[str, Any], levels: int) -> Rows:
    return {key: _packed(value, levels - 1) if levels > 1 else _json(value) for key, value in content.items()}


def write(folder: Path, tree: Rows) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    bolt_writer.write(folder / DATABASE_FILE, tree)
    (folder / METADATA_FILE).write_text(json.dumps(METADATA))
    return folder


def database(folder: Path, tree: Mapping[str, Any]) -> Database:
    """Of rows that a test writes down."""
    return Database.open(write(folder, packed(tree)))
