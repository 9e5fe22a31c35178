"""`make openapi`: writes what is checked in about the API: docs/openapi.json and docs/roles.md."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from chalicelib.edge.documentation import as_text
from chalicelib.edge.endpoint import Endpoint, Routes
from chalicelib.edge.openapi import may, openapi, path_of, summary_of
from chalicelib.kernel.roles import RIGHTS, Right, Role

_ROLES_PAGE = """\
# Who may do what

Every user of an account has one role; an access key may do what its user may. The role is asked before anything is
looked up: whom it refuses gets `403 DENIED` and learns nothing about what exists. What belongs to another account, or
to another instance than the path names, answers `404` exactly as what does not exist. Who has not signed in gets `401`.

| right | {roles} |
|---|{lines}|
{rights}

The **operator** runs this service: a user who may also make, suspend and list accounts, whatever the role.
A **guest** of a shared repository pulls it with an access key of their own account; in this API the share shows in
`/shared-with-me` of that account, and everything else of the owner's is foreign to it. Registry clients with an access
key of the instance's own account push, pull and delete as owner or developer, and pull as reader or auditor.

Beyond the role, a request to an instance comes from an address on its allowlist, and changes of content need an
instance that is not frozen. The last column says where that differs: *anywhere* lets the account's owner in from any
address, *frozen too* goes on while the instance is frozen, *enterprise* is refused on personal instances.

## Every path

Under `/api/v1`. [openapi.json](openapi.json) says the rest.

| path | does | {roles} | |
|---|---|{lines}|---|
{paths}
"""


def roles_page(api: Iterable[Routes]) -> str:
    """docs/roles.md, whole."""
    endpoints = [endpoint for routes in api for endpoint in routes.endpoints]
    order = {method: place for place, method in enumerate(("GET", "POST", "PUT", "PATCH", "DELETE"))}
    endpoints.sort(key=lambda endpoint: (endpoint.path, order[endpoint.method]))
    rights = [_row(right.value, [_mark(right in RIGHTS[role]) for role in Role]) for right in Right]
    return _ROLES_PAGE.format(
        roles=" | ".join(Role),
        lines="|".join("---" for _ in Role),
        rights="\n".join(rights),
        paths="\n".join(_endpoint(endpoint) for endpoint in endpoints),
    )


def _endpoint(endpoint: Endpoint) -> str:
    allowed = may(endpoint)
    everybody = allowed == ["everybody"]
    marks = [_mark(everybody or role.value in allowed) for role in Role]
    notes = [
        word
        for word, holds in (
            ("everybody", everybody),
            ("operator", allowed == ["operator"]),
            ("enterprise", bool(endpoint.feature)),
            ("frozen too", endpoint.of_instance and endpoint.frozen_too),
            ("anywhere", endpoint.from_anywhere),
        )
        if holds
    ]
    return _row(f"`{endpoint.method} {path_of(endpoint)}`", [summary_of(endpoint), *marks, ", ".join(notes)])


def _row(first: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join((first, *cells)) + " |"


def _mark(holds: bool) -> str:
    return "✓" if holds else ""


def write(folder: Path) -> None:
    api = importlib.import_module("app").API
    (folder / "openapi.json").write_text(as_text(openapi(api)), encoding="utf-8")
    (folder / "roles.md").write_text(roles_page(api), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
