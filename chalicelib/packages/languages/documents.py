"""JSON and XML of strangers: read whole, under a limit, and told of as Unreadable where they are broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import BinaryIO, Final, NoReturn
from xml.parsers import expat

from chalicelib.layers.entries import MIB

from ..reading import Unreadable

# Conda's largest list of one package's files has 12 MB.
_LARGEST: Final = 16 * MIB
# Values take many times their text in memory: ten times what the largest documents have.
_MOST_CONTAINERS: Final = 300_000
_MOST_VALUES: Final = 1_500_000
_DEEPEST: Final = 200
_SPACE: Final = " \t\r\n"


def _whole(content: BinaryIO) -> bytes:
    data = content.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise Unreadable(f"more than {_LARGEST} bytes")
    return data


def json_object(content: BinaryIO, *, first: bool = False) -> dict[str, object]:
    """first: whatever follows the first value counts for nothing."""
    data = _whole(content)
    if data.count(b"{") + data.count(b"[") > _MOST_CONTAINERS or data.count(b",") > _MOST_VALUES:
        raise Unreadable("more values than a document of its kind has")
    text = data.decode("utf-8", "replace")
    try:
        value, end = json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip(_SPACE)))
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    except ValueError as error:
        raise Unreadable(f"no JSON: {error}") from None
    if not first and text[end:].strip(_SPACE):
        raise Unreadable("something follows the JSON")
    return mapping(value, "the document")


def mapping(value: object, what: str) -> dict[str, object]:
    """None, which is JSON's null or something missing, is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is no object")
    return value


def listed(value: object, what: str) -> list[dict[str, object]]:
    """Objects. None, which is JSON's null or something missing, is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable(f"{what} is no list")
    return [mapping(each, f"one of {what}") for each in value]


def text(value: object, what: str) -> str:
    """None, which is JSON's null or something missing, is an empty one."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable(f"{what} is no text")
    return value


def ranges(value: object, what: str) -> None:
    """Raises Unreadable unless it is an object of texts: npm and Composer write the versions they ask for like that."""
    for name, version in mapping(value, what).items():
        text(version, f"{what}.{name}")


Start = Callable[[tuple[str, ...], dict[str, str]], None]
End = Callable[[tuple[str, ...], str], None]


def read_xml(content: BinaryIO, start: Start | None = None, end: End | None = None) -> None:
    """start(path, attributes) and end(path, text) for each element; a path is the names from the root on.

    Document types are refused: whoever nests entities in each other fills memory with a few lines.
    """
    path: list[str] = []
    texts: list[list[str]] = []

    def refuse(*_: object) -> NoReturn:
        raise Unreadable("has a document type")

    def open_element(name: str, attributes: dict[str, str]) -> None:
        path.append(name.rpartition(":")[2])
        texts.append([])
        if len(path) > _DEEPEST:
            raise Unreadable("nested too deeply")
        if start:
            start(tuple(path), attributes)

    def close_element(_: str) -> None:
        if end:
            end(tuple(path), "".join(texts[-1]))
        path.pop()
        texts.pop()

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = open_element
    parser.EndElementHandler = close_element
    parser.CharacterDataHandler = lambda data: texts[-1].append(data)
    try:
        parser.Parse(_whole(content), True)
    except expat.ExpatError as error:
        raise Unreadable(f"no XML: {error}") from None
