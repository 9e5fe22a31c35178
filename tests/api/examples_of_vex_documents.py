"""Example calls of endpoints about documents that silence findings, by the endpoint's name."""

from __future__ import annotations

from typing import Any

from .world import Ask, Place, example

_DOCUMENT: dict[str, Any] = {
    "document": {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex/2026-1",
        "author": "Example Ltd.",
        "timestamp": "2026-01-31T08:00:00Z",
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": "CVE-2024-3094"},
                "products": [{"@id": "pkg:oci/app?repository_url=registry.example.com/library/app"}],
                "status": "not_affected",
                "justification": "vulnerable_code_not_in_execute_path",
            }
        ],
    },
    "expires_at": "2030-01-31T08:00:00Z",
}


def _kept(at: Place) -> dict[str, str]:
    return at.here(document=at.create(f"{at.path}/vex-documents", _DOCUMENT)["id"])


@example
def list_vex_documents(at: Place) -> Ask:
    return Ask(at.here(), query={"limit": 2})


@example
def create_vex_document(at: Place) -> Ask:
    return Ask(at.here(), body=_DOCUMENT)


@example
def show_vex_document(at: Place) -> Ask:
    return Ask(_kept(at))


@example
def delete_vex_document(at: Place) -> Ask:
    return Ask(_kept(at))
