"""OpenAPI 3.1 of the management API, from the table that also serves it (`edge/endpoint.py`).

summary, description   the function's docstring           tags      the room
parameters, bodies     its pydantic models                answers   its return annotation
refusals               `Endpoint.refusals`                x-roles   who may (`kernel/roles.py`)
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from chalicelib.kernel.roles import RIGHTS, Right

from .answers import Problem, Text
from .endpoint import PREFIX, Endpoint, Routes
from .openapi_examples import example_of
from .problems import MEDIA_TYPE
from .replay import KEY_PATTERN, LONGEST_KEY

Document = dict[str, Any]

VERSION: Final = "1"
_SCHEMA_REF: Final = "#/components/schemas/{model}"
_ABOUT: Final = """\
Everything a person does in the console goes through this API. Sign in with `POST /api/v1/session` and send the token, \
or an access key as `<key id>.<secret>`, as `Authorization: Bearer …`.

Times are RFC 3339 in UTC, sizes are bytes. A field nobody knows is an error. Lists answer `items`, `next` (the cursor \
of the following page, null on the last) and `total`. Every POST takes an `Idempotency-Key`: sent again within a day, \
the same answer comes again and nothing is done twice. What belongs to somebody else answers exactly as what does not \
exist.
"""
# What each status of a refusal means, and the codes it can bear.
_REFUSALS: Final = {
    400: ("Invalid", "Malformed; `errors` names every bad field. `INVALID` and finer codes."),
    401: ("Unauthenticated", "No sign-in, or one that is over. `UNAUTHENTICATED`."),
    403: (
        "Denied",
        "`DENIED` (the role), `ADDRESS_NOT_ALLOWED`, `INSTANCE_FROZEN`, `EDITION_REQUIRED` or `QUOTA_EXCEEDED`.",
    ),
    404: ("NotFound", "Missing, or not to be known of. `NOT_FOUND`."),
    409: ("Conflict", "Exists already, is in use, or moved meanwhile. `CONFLICT` and finer codes."),
    413: ("TooLarge", "The body has more than 1 MiB. `TOO_LARGE`."),
    428: (
        "ConfirmationRequired",
        "`detail` says what would be lost; ask again with `confirm`.",
    ),
    429: ("Throttled", "Too many requests; wait for `Retry-After` seconds. `TOO_MANY_REQUESTS`."),
    503: ("Unavailable", "A store did not answer; try again after `Retry-After` seconds. `UNAVAILABLE`."),
}
_PARTS: Final = {
    "instance": "The instance's id, or its name within your account",
    "namespace": "The namespace's name",
    "repository": "The repository's id, or its short name where that holds no slash",
    "tag": "The tag's name",
    "digest": "`sha256:…` or `sha512:…`",
}


def openapi(api: Iterable[Routes]) -> Document:
    """The whole document, as plain JSON values."""
    endpoints = [endpoint for routes in api for endpoint in routes.endpoints]
    schemas = Schemas(endpoints)
    paths: dict[str, Document] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Container registry service",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": room} for room in sorted({endpoint.room for endpoint in endpoints})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {
                name: _refusal(status, text)
                for status, (name, text) in _REFUSALS.items()
                if any(status in endpoint.refusals for endpoint in endpoints)
            },
            "schemas": dict(sorted(schemas.definitions.items())),
        },
    }


class Schemas:
    """The JSON Schemas of all models of the API; models of one name from two rooms get longer names."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
        for endpoint in endpoints:
            wanted[(endpoint.query_model, "validation")] = None
            if endpoint.body_model is not None:
                wanted[(endpoint.body_model, "validation")] = None
            wanted.update(((model, "serialization"), None) for model in _models(endpoint))
        self._found, document = models_json_schema(list(wanted), ref_template=_SCHEMA_REF)
        self.definitions: dict[str, Document] = document.get("$defs", {})
        queries = {endpoint.query_model for endpoint in endpoints}
        self._queries = {model: self.definitions.pop(self._name(model, "validation")) for model in queries}

    def of(self, model: type[BaseModel], mode: JsonSchemaMode) -> Document:
        """A reference to it."""
        return dict(self._found[(model, mode)])

    def whole(self, model: type[BaseModel]) -> Document:
        """Of a body."""
        return dict(self.definitions[self._name(model, "validation")])

    def query(self, model: type[BaseModel]) -> Document:
        return dict(self._queries[model])

    def _name(self, model: type[BaseModel], mode: JsonSchemaMode) -> str:
        return str(self._found[(model, mode)]["$ref"]).rpartition("/")[2]


def _models(endpoint: Endpoint) -> Iterator[type[BaseModel]]:
    for answer in endpoint.answers.values():
        if answer is not None and answer is not Text:
            yield answer


def _operation(endpoint: Endpoint, schemas: Schemas) -> Document:
    _, _, description = inspect.cleandoc(endpoint.function.__doc__ or "").partition("\n")
    operation: Document = {
        "operationId": endpoint.name,
        "tags": [endpoint.room],
        "summary": summary_of(endpoint),
        "description": "\n\n".join(filter(None, (description.strip(), *_conditions(endpoint)))),
        "x-roles": may(endpoint),
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint, schemas), *_headers(endpoint)],
        "responses": {**_answers(endpoint, schemas), **_refusals(endpoint)},
    }
    if endpoint.needs is None:
        operation["security"] = []
    if endpoint.body_model is not None:
        schema = schemas.whole(endpoint.body_model)
        operation["requestBody"] = {
            "required": bool(schema.get("required")),
            "content": {
                "application/json": {
                    "schema": schemas.of(endpoint.body_model, "validation"),
                    "example": example_of(schema, schemas.definitions),
                }
            },
        }
    return operation


def may(endpoint: Endpoint) -> list[str]:
    """Who is let through: `everybody`, `operator`, or names of roles."""
    if endpoint.needs is None:
        return ["everybody"]
    if endpoint.needs is Right.OPERATE:
        return ["operator"]
    return [role.value for role, rights in RIGHTS.items() if endpoint.needs in rights]


def _conditions(endpoint: Endpoint) -> Iterator[str]:
    """What the gate asks beyond the role."""
    if endpoint.needs is not None:
        yield f"May: {', '.join(may(endpoint))}."
    if endpoint.feature:
        yield "Enterprise instances only."
    if endpoint.of_instance and endpoint.frozen_too:
        yield "Goes on while the instance is frozen."
    if endpoint.from_anywhere:
        yield "The account's owner may do this from any address."


def _path_parameters(endpoint: Endpoint) -> Iterator[Document]:
    for name in re.findall(r"{(\w+)}", endpoint.path):
        about = _PARTS.get(name, f"The {name.replace('_', ' ')}")
        schema = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "description": about, "schema": schema}


def _query_parameters(endpoint: Endpoint, schemas: Schemas) -> Iterator[Document]:
    schema = schemas.query(endpoint.query_model)
    for name, given in schema.get("properties", {}).items():
        described = dict(given)
        about = described.pop("description", "")
        described.pop("title", None)
        if described.get("default", "") is None:
            del described["default"]
        # Nobody can send null in a query: not to send it says the same.
        choices = [choice for choice in described.pop("anyOf", ()) if choice != {"type": "null"}]
        described |= choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else {}
        parameter = {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": described}
        yield {**parameter, "description": about} if about else parameter


def _headers(endpoint: Endpoint) -> Iterator[Document]:
    if endpoint.method == "POST" and endpoint.needs is not None:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Printable ASCII of your choice: the same again is carried out once.",
            "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": f"^{KEY_PATTERN}$"},
        }


def _answers(endpoint: Endpoint, schemas: Schemas) -> Document:
    found: Document = {}
    for status, answer in endpoint.answers.items():
        response: Document = {
            "description": HTTPStatus(status).phrase,
            "headers": {"X-Request-Id": {"schema": {"type": "string"}}},
        }
        if status in endpoint.located:
            response["headers"]["Location"] = {"schema": {"type": "string"}}
        content: Document = {}
        if answer is not None and answer is not Text:
            content["application/json"] = {"schema": schemas.of(answer, "serialization")}
        if status in endpoint.exported:
            content |= {media: {"schema": {"type": "string"}} for media in endpoint.media}
        if content:
            response["content"] = content
        found[str(status)] = response
    return found


def _refusals(endpoint: Endpoint) -> Document:
    return {
        str(status): {"$ref": f"#/components/responses/{_REFUSALS[status][0]}"} for status in sorted(endpoint.refusals)
    }


def _refusal(status: int, text: str) -> Document:
    headers: Document = {"X-Request-Id": {"schema": {"type": "string"}}}
    if status in (429, 503):
        headers["Retry-After"] = {"schema": {"type": "integer", "minimum": 1}}
    if status == 401:
        headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
    schema = {"$ref": _SCHEMA_REF.format(model=Problem.__name__)}
    return {"description": text, "headers": headers, "content": {MEDIA_TYPE: {"schema": schema}}}


def summary_of(endpoint: Endpoint) -> str:
    """The first line of its docstring."""
    return inspect.cleandoc(endpoint.function.__doc__ or "").partition("\n")[0].strip()


def path_of(endpoint: Endpoint) -> str:
    """Without the prefix, as people speak of it."""
    return endpoint.path.removeprefix(PREFIX)
