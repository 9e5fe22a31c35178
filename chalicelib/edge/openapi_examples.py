"""Examples of request bodies, made from their schemas: what a field is called says what a good value looks like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_BY_NAME: Final[dict[str, Any]] = {
    "account": "default",
    "address": "192.0.2.7",
    "amount": "780.00",
    "bucket": "acme-images",
    "cidr": "192.0.2.0/24",
    "digest": "sha256:" + "0" * 64,
    "id_token": "eyJhbGciOi…",
    "months": 12,
    "name": "library",
    "namespace": "library",
    "password": "correct-horse-battery-42",
    "remark": "the office",
    "repository": "alpine",
    "summary": "Base images",
    "tag": "v1.2",
    "tags": ["v1.1", "v1.2"],
    "username": "ada",
}
_BY_TYPE: Final[dict[str, Any]] = {
    "string": "text",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "object": {},
    "array": [],
}
_BY_FORMAT: Final = {"date-time": "2026-01-31T08:00:00Z", "uri": "https://issuer.example.com", "password": "a password"}


def example_of(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """A value of this schema. Optional fields stay out unless they have an example of their own."""
    resolved = _resolved(schema, definitions)
    required = resolved.get("required", ())
    return {
        name: _field(name, _resolved(field, definitions), definitions)
        for name, field in resolved.get("properties", {}).items()
        if name in required or "examples" in field or (name in _BY_NAME and not _may_be_null(field))
    }


def _field(name: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    if schema.get("examples"):
        return schema["examples"][0]
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    if name in _BY_NAME and _fits(_BY_NAME[name], schema):
        return _BY_NAME[name]
    if schema.get("type") == "object" and "properties" in schema:
        return example_of(schema, definitions)
    if schema.get("type") == "array":
        return [_field("", _resolved(schema.get("items", {}), definitions), definitions)]
    return _BY_FORMAT.get(schema.get("format", ""), schema.get("minimum", _BY_TYPE[schema.get("type", "string")]))


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Behind its reference, and the first of its choices that is not null."""
    if "$ref" in schema:
        return {**_resolved(definitions[schema["$ref"].rpartition("/")[2]], definitions), **_beside_reference(schema)}
    choices = [choice for choice in schema.get("anyOf", schema.get("oneOf", ())) if choice.get("type") != "null"]
    return {**schema, **_resolved(choices[0], definitions)} if choices else schema


def _beside_reference(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != "$ref"}


def _may_be_null(schema: Mapping[str, Any]) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    kinds = {str: "string", int: "integer", list: "array"}
    return schema.get("type") == kinds[type(value)]
