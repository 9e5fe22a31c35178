"""S1: which findings OpenVEX documents silence, and which documents are none."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from pydantic import ValidationError

from chalicelib.advisories.models import Finding
from chalicelib.findings.image_names import ImageNames
from chalicelib.findings.openvex import OpenVex
from chalicelib.findings.package_urls import PackageUrl
from chalicelib.findings.vex import Silencers
from chalicelib.packages.models import LayerRef

IMAGE = "sha256:" + "a" * 64
INDEX = "sha256:" + "b" * 64
OTHER = "sha256:" + "c" * 64
NAMES = ImageNames(("library/team/app",), frozenset({INDEX}))
BASH = "pkg:deb/debian/bash@5.0-4?arch=amd64&distro=debian-10.1"
PRODUCT = {"@id": f"pkg:oci/app@sha256%3A{'a' * 64}"}


class Kept(NamedTuple):
    document: OpenVex
    id: str = "doc"
    until: str = ""


def statement(*products: Any, status: str = "not_affected", **more: Any) -> dict[str, Any]:
    why = {"justification": "vulnerable_code_not_present"} if status == "not_affected" else {}
    listed = list(products or (PRODUCT,))
    return {"vulnerability": {"name": "CVE-2026-1"}, "products": listed, "status": status, **why, **more}


def vex(*statements: dict[str, Any], **more: Any) -> OpenVex:
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex/1",
        "author": "Ann",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": list(statements or (statement(),)),
        **more,
    }
    return OpenVex.model_validate(document)


def finding(known: str = "CVE-2026-1", purl: str = BASH, **more: Any) -> Finding:
    ref = LayerRef(digest="sha256:layer")
    return Finding(id=known, type="debian", package="bash", purl=purl, installed="5.0-4", layer=ref, **more)


def reason(*documents: OpenVex, about: Finding | None = None, digest: str = IMAGE) -> str | None:
    """Why the finding is silent, None where it counts."""
    silencers = Silencers([Kept(one) for one in documents], lambda one: NAMES if one == IMAGE else ImageNames())
    silence = silencers.of(about or finding(), digest)
    return None if silence is None else silence.reason


def test_a_statement_silences_its_vulnerability_in_its_image_with_its_reason() -> None:
    """S1: and in no other image."""
    assert reason(vex()) == "vulnerable_code_not_present"
    assert reason(vex(), digest=OTHER) is None
    assert reason(vex(), about=finding("CVE-2026-2")) is None
    said = statement(impact_statement=" Never called. ")
    assert reason(vex(said)) == "vulnerable_code_not_present: Never called."
    assert reason(vex(statement(status="fixed", status_notes="patched"))) == "patched"
    assert reason(vex(statement(status="fixed"))) == "fixed"
    assert reason() is None


def test_aliases_and_advisories_of_the_vendor_name_a_vulnerability_too() -> None:
    """S1"""
    aliased = vex(statement(vulnerability={"name": "GHSA-aa", "aliases": ["cve-2026-1"]}))
    assert reason(aliased)
    assert reason(vex(), about=finding("DSA-1", vendor_ids=("CVE-2026-1",)))


@pytest.mark.parametrize(
    ("product", "meant"),
    [
        ({"@id": f"pkg:oci/other-name@sha256:{'a' * 64}?repository_url=elsewhere.example/x"}, True),
        ({"@id": f"pkg:oci/app@sha256:{'b' * 64}"}, True),
        ({"@id": f"pkg:oci/app@sha256:{'c' * 64}"}, False),
        ({"@id": "https://example.com/app", "hashes": {"sha-256": "A" * 64}}, True),
        ({"@id": "https://example.com/app", "identifiers": {"purl": "pkg:oci/app"}}, True),
        ({"@id": "pkg:oci/app?repository_url=registry.example:5000/library/team/app"}, True),
        ({"@id": "pkg:oci/app?repository_url=library%2Fteam%2Fapp"}, True),
        ({"@id": "pkg:oci/app?repository_url=registry.example/team/app"}, False),
        ({"@id": "pkg:oci/team"}, False),
        ({"@id": f"pkg:oci/app@sha256:{'a' * 64}?tag=v1"}, True),
        ({"@id": "pkg:deb/debian/bash"}, True),
        ({"@id": "pkg:deb/debian/bash@5.0-4"}, True),
        ({"@id": "pkg:deb/debian/bash@5.0-5"}, False),
        ({"@id": "pkg:deb/ubuntu/bash"}, False),
        ({"@id": "pkg:deb/debian/bash?arch=arm64"}, False),
        ({**PRODUCT, "subcomponents": [{"@id": "pkg:deb/debian/curl"}, {"@id": "pkg:deb/debian/bash"}]}, True),
        ({**PRODUCT, "subcomponents": [{"@id": "pkg:deb/debian/curl"}]}, False),
        ({"@id": "pkg:deb/debian/bash", "subcomponents": [{"@id": "pkg:deb/debian/curl"}]}, False),
    ],
)
def test_products_are_images_by_digest_or_name_and_packages(product: dict[str, Any], meant: bool) -> None:
    """S1: digests say more than names; an index means its images."""
    assert bool(reason(vex(statement(product)))) is meant


def test_of_what_was_said_of_the_same_the_latest_counts() -> None:
    """S1: within a document, and across them, in whatever order they were uploaded."""
    silent = statement(timestamp="2026-01-02T00:00:00Z")
    loud = statement(status="affected", last_updated="2026-01-03T00:00:00Z")
    assert reason(vex(silent, loud)) is None
    assert reason(vex(loud), vex(silent)) is None
    later = statement(status="fixed", timestamp="2026-01-04T00:00:00Z")
    assert reason(vex(later, loud, silent)) == "fixed"
    assert reason(vex(statement(status="under_investigation")), vex()) == "vulnerable_code_not_present"
    assert reason(vex(), vex(statement(status="under_investigation"))) is None
    assert reason(vex(silent, statement({"@id": "pkg:oci/else"}, status="affected"))) == "vulnerable_code_not_present"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"@context": "https://openvex.dev/ns/v0.3.0"}, "@context"),
        ({"@id": ""}, "@id"),
        ({"author": ""}, "author"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"statements": []}, ""),
        ({"statements": [statement()] * 1001}, "statements"),
        ({"statements": [statement(justification=None)]}, "statements.0"),
        ({"statements": [statement(justification="because")]}, "statements.0.justification"),
        ({"statements": [statement(status="harmless")]}, "statements.0.status"),
        ({"statements": [statement(vulnerability="CVE-2026-1")]}, "statements.0.vulnerability"),
        ({"statements": [{**statement(), "products": []}]}, "statements.0"),
        ({"statements": [statement({"@id": "pkg:oci/app?tag=v1"})]}, "statements.0.products.0"),
        ({"statements": [statement({"@id": "https://example.com/app"})]}, ""),
        ({"statements": [statement(impact_statement="x" * 2001)]}, "statements.0.impact_statement"),
    ],
)
def test_what_is_no_document_is_refused_where_it_goes_wrong(change: dict[str, Any], where: str) -> None:
    """S1: nothing is silenced without a reason, nor by a tag, which moves."""
    with pytest.raises(ValidationError) as refused:
        vex(**change)
    assert {".".join(map(str, error["loc"])) for error in refused.value.errors()} == {where}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("pkg:npm/%40babel/core@7.0.0", ("npm", "@babel", "core", "7.0.0")),
        ("pkg:npm/@babel/core@7.0.0", ("npm", "@babel", "core", "7.0.0")),
        ("pkg:PyPI/Foo_Bar@1", ("pypi", "", "foo-bar", "1")),
        ("pkg:golang/github.com/Foo/Bar@v1#sub/path", ("golang", "github.com/Foo", "Bar", "v1")),
        ("pkg:maven/a.b/c", ("maven", "a.b", "c", "")),
        ("pkg://oci/App@sha256%3Aab?tag=x", ("oci", "", "app", "sha256:ab")),
    ],
)
def test_package_urls_are_read_as_their_specification_says(text: str, parts: tuple[str, ...]) -> None:
    """S1"""
    url = PackageUrl.parse(text)
    assert (url.type, url.namespace, url.name, url.version) == parts


@pytest.mark.parametrize(
    "text", ["", "pkg:", "pkg:npm", "pkg:npm/", "npm/x@1", "https://x/y", "pkg:npm/@1", "pkg:a/" + "b" * 2048]
)
def test_what_is_no_package_url_is_refused(text: str) -> None:
    """S1"""
    with pytest.raises(ValueError, match="package URL"):
        PackageUrl.parse(text)
