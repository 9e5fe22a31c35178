"""The OpenAPI document and the pages that show it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from chalicelib.api import API
from chalicelib.cli.openapi import roles_page
from chalicelib.edge.documentation import FOLDER, as_text
from chalicelib.edge.openapi import openapi
from chalicelib.ports.stack import Stack
from tests.house.project import ROOT
from tests.management import Api

DOCUMENT = openapi(API)
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def test_the_document_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_the_document_that_is_checked_in_is_the_one_that_is_served() -> None:
    """`make openapi` writes it."""
    assert (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8") == as_text(DOCUMENT), "run `make openapi`"


def test_the_table_of_roles_is_the_one_that_is_enforced() -> None:
    """`make openapi` writes it; tests/api/test_matrix.py asks every path as every role."""
    assert (ROOT / "docs" / "roles.md").read_text(encoding="utf-8") == roles_page(API), "run `make openapi`"


def test_the_service_answers_the_document_to_anybody(stack: Stack) -> None:
    assert Api(stack).get("/openapi.json").json() == json.loads(as_text(DOCUMENT))


def test_every_operation_is_in_the_document_under_one_name() -> None:
    names = [endpoint.name for routes in API for endpoint in routes.endpoints]
    assert sorted(names) == sorted(operation["operationId"] for _, operation in OPERATIONS)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_an_operation_says_what_it_does_and_how_it_refuses(name: str, operation: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Z].*\.", operation["summary"]), "one sentence with a full stop"
    assert set(operation["responses"]) > {"400", "413"}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        schema = {**body["schema"], "components": DOCUMENT["components"]}
        findings = [error.message for error in OAS31Validator(schema).iter_errors(body["example"])]
        assert findings == [], f"the example {body['example']}"


def test_nothing_the_document_defines_is_unused() -> None:
    text = json.dumps(DOCUMENT)
    defined = [
        f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in DOCUMENT["components"][kind]
    ]
    assert [name for name in defined if f'"{name}"' not in text] == []


def test_the_pages_load_nothing_from_anywhere_else(stack: Stack) -> None:
    page = Api(stack).get("/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 3
    for name in loaded:
        asset = Api(stack).get(f"/{name}")
        assert (asset.status, asset.headers["X-Content-Type-Options"]) == (200, "nosniff")
        # A function may answer 6 MB.
        assert 0 < len(asset.text.encode()) < 5_000_000
    assert "<script>" not in page.text
    assert " style=" not in page.text


@pytest.mark.parametrize("name", ["README.md", "..%2Fopenapi.py", "swagger-ui.LICENSE", "nothing"])
def test_nothing_but_the_pages_is_served(stack: Stack, name: str) -> None:
    assert Api(stack).get(f"/docs/{name}").status == 404


def test_what_others_wrote_is_unchanged() -> None:
    listed = dict(re.findall(r"^\| `(\S+)` \| ([0-9a-f]{64}) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE))
    found = {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in listed}
    assert found == listed
    ours = {"README.md", "index.html", "start.js"}
    assert {path.name for path in FOLDER.iterdir()} == {*listed, *ours}
