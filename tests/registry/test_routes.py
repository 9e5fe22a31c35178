"""Paths are read from their end, so that names may hold the protocol's own words."""

from __future__ import annotations

import pytest

from chalicelib.kernel.errors import NotFound, Refused
from chalicelib.registry.routes import Route, route

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("path", "kind", "name", "reference"),
    [
        ("/v2/", "ping", "", ""),
        ("/v2", "ping", "", ""),
        ("/v2/_catalog", "catalog", "", ""),
        ("/v2/a1/b/manifests/v1", "manifest", "a1/b", "v1"),
        (f"/v2/a1/b/manifests/{DIGEST}", "manifest", "a1/b", DIGEST),
        ("/v2/a1/manifests/manifests/manifests", "manifest", "a1/manifests", "manifests"),
        ("/v2/a1/tags/list/tags/list", "tags", "a1/tags/list", ""),
        ("/v2/a1/blobs/uploads/blobs/uploads/", "uploads", "a1/blobs/uploads", ""),
        ("/v2/a1/blobs/uploads/manifests/list", "manifest", "a1/blobs/uploads", "list"),
        ("/v2/a1/b/blobs/uploads", "uploads", "a1/b", ""),
        ("/v2/a1/b/blobs/uploads/01X", "upload", "a1/b", "01X"),
        (f"/v2/a1/b/blobs/{DIGEST}", "blob", "a1/b", DIGEST),
        (f"/v2/a1/b/referrers/{DIGEST}", "referrers", "a1/b", DIGEST),
    ],
)
def test_path_leads_to_its_place(path: str, kind: str, name: str, reference: str) -> None:
    """R1"""
    found = route(path)
    assert (found.kind, found.name, found.reference) == (kind, name, reference)


@pytest.mark.parametrize(
    "path", ["/v2/a1/b", "/v2/a1/b/tags/all", "/v2/a1/b/manifests/", "/v3/", "/v2//", "/v2/" + "a" * 2000]
)
def test_path_of_nobody_is_missing(path: str) -> None:
    with pytest.raises(NotFound):
        route(path)


@pytest.mark.parametrize("path", ["/v2/a1/b\n/tags/list", "/v2/A1/b/tags/list", "/v2//b/tags/list", "/v2/a1/b/blobs/x"])
def test_path_with_a_malformed_part_is_refused(path: str) -> None:
    with pytest.raises(Refused):
        route(path)


def test_scopes_follow_from_what_is_done() -> None:
    """R2"""
    manifest, upload = route("/v2/a1/b/manifests/v1"), route("/v2/a1/b/blobs/uploads/x")
    assert manifest.actions("HEAD") == ("pull",)
    assert manifest.actions("PUT") == ("pull", "push")
    assert manifest.actions("DELETE") == ("delete",)
    assert upload.actions("GET") == upload.actions("DELETE") == ("pull", "push")
    assert Route("ping").actions("GET") == ()
