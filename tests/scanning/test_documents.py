"""Bills of materials as files: what is in them, in the formats that other programs read (S4)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from chalicelib.ports.stack import Stack
from tests.management import Reply

from .shelf import DEBIAN, PYTHON, Shelf


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    opened = Shelf.opened(stack)
    opened.import_database()
    return opened


def sbom(shelf: Shelf, digest: str, **query: object) -> Reply:
    return shelf.api.get(shelf.library.path(f"/manifests/{digest}/sbom"), **query)


def described(properties: list[dict[str, str]]) -> dict[str, str]:
    return {one["name"].removeprefix("aquasecurity:trivy:"): one["value"] for one in properties}


def require_cyclonedx(text: str) -> dict[str, Any]:
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert wrong is None, str(wrong)
    found: dict[str, Any] = json.loads(text)
    return found


def require_spdx(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    parser = JsonLikeDictParser()  # type: ignore[no-untyped-call]
    wrong = validate_full_spdx_document(parser.parse(json.loads(text)))
    assert wrong == [], "\n".join(one.validation_message for one in wrong)
    return found


def test_cyclonedx_tells_packages_where_they_come_from_and_what_lies_in_what(shelf: Shelf) -> None:
    """S4"""
    digest = shelf.push(DEBIAN, PYTHON)
    shelf.scan()
    answer = sbom(shelf, digest)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/vnd.cyclonedx+json")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="app.cdx.json"'
    bill = require_cyclonedx(answer.text)
    image = bill["metadata"]["component"]
    assert (image["name"], image["version"], image["type"]) == ("library/app", digest, "container")
    assert image["purl"] == f"pkg:oci/app@{digest.replace(':', '%3A')}?arch=amd64"
    parts = {one["name"]: one for one in bill["components"]}
    assert (parts["debian"]["type"], parts["debian"]["version"]) == ("operating-system", "12.5")
    openssl = parts["openssl"]
    assert openssl["purl"] == "pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12.5"
    assert openssl["version"] == "3.0.11-1"
    told = described(openssl["properties"])
    assert (told["SrcName"], told["LayerDigest"][:7]) == ("openssl", "sha256:")
    assert described(parts["Jinja2"]["properties"])["FilePath"].endswith("METADATA")
    inside = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert inside[image["bom-ref"]] == ["system", "pkg:pypi/jinja2@3.1.0"]
    assert inside["system"] == [openssl["purl"], parts["zlib1g"]["purl"]]


def test_spdx_tells_the_same(shelf: Shelf) -> None:
    """S4"""
    digest = shelf.push(DEBIAN, PYTHON)
    shelf.scan()
    answer = sbom(shelf, digest, format="spdx")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/spdx+json")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="app.spdx.json"'
    bill = require_spdx(answer.text)
    parts = {one["name"]: one for one in bill["packages"]}
    assert set(parts) == {"library/app", "debian", "openssl", "zlib1g", "Jinja2"}
    assert parts["library/app"]["checksums"] == [{"algorithm": "SHA256", "checksumValue": digest.partition(":")[2]}]
    assert parts["openssl"]["sourceInfo"] == "built package from: openssl 3.0.11-1"
    located = parts["openssl"]["externalRefs"][0]["referenceLocator"]
    assert located == "pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12.5"
    names = {one["SPDXID"]: one["name"] for one in bill["packages"]}
    held = [
        (names[one["spdxElementId"]], names[one["relatedSpdxElement"]])
        for one in bill["relationships"]
        if one["relationshipType"] == "CONTAINS"
    ]
    assert held == [
        ("library/app", "debian"),
        ("library/app", "Jinja2"),
        ("debian", "openssl"),
        ("debian", "zlib1g"),
    ]


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_the_same_image_makes_the_same_document_however_often_it_is_scanned(shelf: Shelf, form: str) -> None:
    digest = shelf.push(DEBIAN, PYTHON)
    shelf.scan()
    first = sbom(shelf, digest, format=form).text
    shelf.import_database({"debian 12": {"openssl": {"CVE-1": {}}}})
    shelf.scan()
    assert sbom(shelf, digest, format=form).text == first


def test_index_asks_for_a_platform_and_each_platform_has_its_own_bill(shelf: Shelf) -> None:
    amd = shelf.push(DEBIAN, PYTHON, tag="", platform="linux/amd64")
    arm = shelf.push(DEBIAN, tag="", platform="linux/arm64")
    index = shelf.library.push_index((amd, "linux/amd64"), (arm, "linux/arm64"), tag="v1")
    shelf.scan()
    unclear = sbom(shelf, index)
    assert (unclear.status, "linux/amd64, linux/arm64" in unclear.json()["detail"]) == (409, True)
    assert sbom(shelf, index, platform="linux/arm64").text == sbom(shelf, arm).text
    assert sbom(shelf, index, platform="linux/arm64").json()["metadata"]["component"]["version"] == arm
    wrong = sbom(shelf, index, platform="linux/riscv64")
    assert (wrong.status, wrong.json()["errors"][0]["field"]) == (400, "platform")
    assert sbom(shelf, amd, platform="linux/arm64").status == 400


def test_image_that_was_not_scanned_says_what_to_do(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN)
    unknown = sbom(shelf, digest)
    assert (unknown.status, "scan a tag of it first" in unknown.json()["detail"]) == (404, True)
    shelf.begin()
    waiting = sbom(shelf, digest)
    assert (waiting.status, "under way" in waiting.json()["detail"]) == (404, True)
    assert sbom(shelf, f"sha256:{'0' * 64}").status == 404
    assert sbom(shelf, "sha256:no").status == 404


def test_image_whose_scan_failed_says_why(shelf: Shelf) -> None:
    digest = shelf.push(b"no archive at all, whatever its type says")
    shelf.scan()
    failed = sbom(shelf, digest)
    assert (failed.status, failed.code) == (409, "CONFLICT")
    assert shelf.record(digest).message in failed.json()["detail"]


def test_what_is_no_image_has_no_bill(shelf: Shelf) -> None:
    digest = shelf.push(b"{}", tag="signature", layer_type="application/vnd.dev.cosign.simplesigning.v1+json")
    assert sbom(shelf, digest).status == 409


def test_bill_of_what_could_not_all_be_read_says_so(shelf: Shelf) -> None:
    digest = shelf.push({**DEBIAN, "usr/lib/node_modules/a/package.json": "{"})
    shelf.scan()
    assert shelf.record(digest).state == "partial"
    bill = require_cyclonedx(sbom(shelf, digest).text)
    assert bill["compositions"] == [
        {"aggregate": "incomplete", "assemblies": [bill["metadata"]["component"]["bom-ref"]]}
    ]
    assert "package.json" in described(bill["metadata"]["component"]["properties"])["crs:unread"]
    assert "package.json" in require_spdx(sbom(shelf, digest, format="spdx").text)["comment"]
