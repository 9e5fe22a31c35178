"""Items as DynamoDB writes them, and back. Written by hand because boto3's own goes through Decimal and is slow."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from chalicelib.ports.table import Item

Attribute = dict[str, Any]


def encode(value: Any) -> Attribute:
    """One value as an attribute value. Raises ValueError for floats and whatever else the contract leaves out."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):  # before int, which it is as well
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(int(value))}
    if value is None:
        return {"NULL": True}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"B": bytes(value)}
    if isinstance(value, Mapping):
        return {"M": encode_item(value)}
    if isinstance(value, list | tuple):
        return {"L": [encode(element) for element in value]}
    raise ValueError(f"an attribute cannot be a {type(value).__name__}")


def encode_item(item: Item) -> dict[str, Attribute]:
    return {name: encode(value) for name, value in item.items()}


def decode(attribute: Mapping[str, Any]) -> Any:
    """The value of an attribute value: only types the contract names, never Decimal or a wrapper of bytes."""
    [(kind, value)] = attribute.items()
    if kind in ("S", "BOOL"):
        return value
    if kind == "N":
        return _integer(value)
    if kind == "B":
        return bytes(value)
    if kind == "NULL":
        return None
    if kind == "M":
        return decode_item(value)
    if kind == "L":
        return [decode(element) for element in value]
    raise ValueError(f"an item of the table holds a {kind}, which this service never writes")


def decode_item(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: decode(attribute) for name, attribute in attributes.items()}


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        # Some engines answer large round numbers as 1E+20.
        return int(Decimal(text))
