"""What a Helm chart says of itself: its Chart.yaml, which lies in the image registry as the config, in JSON.

Written by strangers: fields of the wrong type are left out, texts are cut, and what is kept can be shown and written
into YAML as it is. Pure. Source: helm.sh/docs/topics/charts, "The Chart.yaml File".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from .description import document, mapping, objects, text

# On a manifest's row, which every pull reads. Chart.yaml of real charts has about 1 KB, of which annotations are half.
ROW_BYTES: Final = 4096
# Of one text, unless a field says otherwise, and of entries of one list.
_LONGEST: Final = 2048
_MOST: Final = 50
# Neither shown nor allowed in YAML as they are: controls, line breaks of Unicode, halves of characters.
_UNFIT: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def printable(value: str) -> str:
    """Without characters that cannot be shown; line feeds and tabs stay."""
    return _UNFIT.sub("", value)


def _text(longest: int = _LONGEST) -> Callable[[object], str]:
    return lambda value: printable(text(value))[:longest]


def _short(value: object) -> str:
    """What is cut would be another name, address or version, so it is left out."""
    found = printable(text(value))
    return found if len(found) <= _LONGEST else ""


def _true(value: object) -> bool:
    return value is True


def _texts(value: object) -> list[str]:
    listed = value if isinstance(value, list) else []
    return [found for one in listed[:_MOST] if (found := _short(one))]


def _objects(*fields: str) -> Callable[[object], list[dict[str, Any]]]:
    def kept(value: object) -> list[dict[str, Any]]:
        listed = [
            {name: found for name in fields if (found := _short(one.get(name)))} for one in objects(value)[:_MOST]
        ]
        return [one for one in listed if one]

    return kept


def _labels(value: object) -> dict[str, str]:
    labelled = list(mapping(value).items())[:_MOST]
    return {_short(name)[:255]: printable(text(one)) for name, one in labelled if isinstance(one, str) and _short(name)}


_FIELDS: Final[Mapping[str, Callable[[object], Any]]] = {
    "apiVersion": _short,
    "name": _short,
    "version": _short,
    "appVersion": _short,
    "description": _text(1000),
    "type": _short,
    "deprecated": _true,
    "kubeVersion": _short,
    "home": _short,
    "icon": _short,
    "condition": _short,
    "tags": _short,
    "keywords": _texts,
    "sources": _texts,
    "maintainers": _objects("name", "email", "url"),
    "dependencies": _objects("name", "version", "repository", "condition", "alias"),
    "annotations": _labels,
}
# What goes first where all of it is too much.
_EXPENDABLE: Final = (
    "annotations", "keywords", "maintainers", "sources", "dependencies", "icon", "home", "condition", "tags",
    "description", "kubeVersion",
)  # fmt: skip


def chart_facts(config: bytes, most_bytes: int = ROW_BYTES) -> str:
    """The fields of Chart.yaml under their own names, as a JSON object on one line; "" where it names no chart.

    most_bytes   of the answer: what is beyond loses whole fields, those first that a list needs least
    """
    read = document(config)
    facts = {name: found for name, keep in _FIELDS.items() if (found := keep(read.get(name)))}
    if "name" not in facts or "version" not in facts:
        return ""
    for expendable in ("", *_EXPENDABLE):
        facts.pop(expendable, None)
        written = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
        if len(written.encode()) <= most_bytes:
            return written
    return ""
