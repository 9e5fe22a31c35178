"""Packages that somebody else rebuilt with fixes of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.advisories.fingerprints import SIZE, fingerprint, fingerprints
from tests.advisories.images import examined, fixes, found, inventory, package, whole
from tests.advisories.rows import Rows

ROOT_IO: dict[str, Any] = {
    "data-source": {
        "debian 12": {"ID": "debian"},
        "root.io debian 12": {"ID": "rootio", "Name": "Root.io", "BaseID": "debian"},
    },
    "vulnerability": {"CVE-1": {"VendorSeverity": {"debian": 3, "nvd": 4}}},
    "debian 12": {
        "curl": {
            "CVE-1": {"FixedVersion": "9"},
            "CVE-2": {"FixedVersion": "7.88.1-12"},
            "CVE-3": {},
            "CVE-4": {"FixedVersion": "1"},
        }
    },
    "root.io debian 12": {
        "curl": {"CVE-1": {"VulnerableVersions": ["<7.88.1-10.root.io.2"], "PatchedVersions": ["7.88.1-10.root.io.2"]}}
    },
}


def test_root_io_s_own_advisories_replace_the_makers(tmp_path: Path) -> None:
    """S3"""
    image = inventory("debian", "12.5", whole("curl", "7.88.1-10.root.io.1"))

    findings = found(tmp_path, image, ROOT_IO)

    assert {key: one.fixed for key, one in findings.items()} == {
        "CVE-1": "7.88.1-10.root.io.2",
        "CVE-2": "7.88.1-12",
        "CVE-3": "",
    }
    assert (findings["CVE-1"].severity, findings["CVE-1"].severity_source, findings["CVE-1"].source) == (
        "high",
        "debian",
        "rootio",
    )


def test_what_root_io_mended_is_no_finding_any_more(tmp_path: Path) -> None:
    """S3"""
    mended = inventory("debian", "12.5", whole("curl", "7.88.1-10.root.io.2"))
    as_built = inventory("debian", "12.5", whole("curl", "7.88.1-10"))

    assert "CVE-1" not in fixes(tmp_path, mended, ROOT_IO)
    assert fixes(tmp_path, as_built, ROOT_IO)["CVE-1"] == "9"


def test_a_release_that_somebody_rebuilds_has_not_ended(tmp_path: Path) -> None:
    """S3"""
    rows: Rows = {"root.io debian 9": {}, "debian 9": {}}

    assert not examined(tmp_path, inventory("debian", "9", whole("curl", "1-1.root.io.1")), rows).end_of_life
    assert examined(tmp_path, inventory("debian", "9", whole("curl", "1-1")), rows).end_of_life


def test_seal_s_packages_have_its_advisories_and_the_others_the_makers(tmp_path: Path) -> None:
    """S3"""
    rows = {
        "data-source": {"seal Red Hat 8": {"ID": "seal", "BaseID": "redhat"}},
        "Oracle Linux 8": {
            "bash": {"CVE-1": {"FixedVersion": "5.0-2.el8"}},
            "seal-curl": {"CVE-9": {"FixedVersion": "99-1"}},
        },
        "seal Red Hat 8": {
            "seal-curl": {
                "CVE-2": {
                    "VulnerableVersions": ["<7.61-2.el8+sp1"],
                    "PatchedVersions": ["7.61-2.el8+sp1"],
                    "Severity": 2,
                },
                "CVE-3": {"VulnerableVersions": [">=1, <2", ">=7, <8"], "PatchedVersions": ["2", "8"]},
                "CVE-4": {},
                "CVE-5": {"VulnerableVersions": ["not a range", "<99"], "PatchedVersions": ["1", "99"]},
                "CVE-6": {"VulnerableVersions": ["<1"], "PatchedVersions": ["1"]},
            }
        },
    }
    image = inventory("oracle", "8.9", package("bash", "5.0-1.el8"), package("seal-curl", "7.61-1.el8+sp1"))

    examination = examined(tmp_path, image, rows)

    findings = {one.id: one for one in examination.findings}
    assert {key: one.fixed for key, one in findings.items()} == {
        "CVE-1": "5.0-2.el8",
        "CVE-2": "7.61-2.el8+sp1",
        "CVE-3": "8",
        "CVE-5": "99",
    }
    assert (findings["CVE-2"].severity, findings["CVE-2"].severity_source) == ("medium", "redhat")
    assert (examination.supported, examination.examined) == (True, 2)


@pytest.mark.parametrize(
    "bounds", ["<7.88.1-11", ">=1, <9", ">=1 <9", "!=1", "=7.88.1-10.root.io.1", "7.88.1-10.root.io.1"]
)
def test_ranges_hold_where_all_their_bounds_do(bounds: str, tmp_path: Path) -> None:
    """S3"""
    rows = {
        "debian 12": {},
        "root.io debian 12": {"curl": {"CVE-1": {"VulnerableVersions": ["<1", bounds], "PatchedVersions": ["9"]}}},
    }

    assert fixes(tmp_path, inventory("debian", "12", whole("curl", "7.88.1-10.root.io.1")), rows) == {"CVE-1": "9"}


@pytest.mark.parametrize("bounds", ["<7", ">=1, <7", "", ">9", "< 9 ", "~9", "<=a"])
def test_ranges_that_do_not_hold_or_cannot_be_read_are_no_finding(bounds: str, tmp_path: Path) -> None:
    """S3: a space between sign and version is not read without a comma, as in Trivy."""
    rows = {
        "debian 12": {},
        "root.io debian 12": {"curl": {"CVE-1": {"VulnerableVersions": [bounds], "PatchedVersions": ["9"]}}},
    }

    assert fixes(tmp_path, inventory("debian", "12", whole("curl", "7.88.1-10.root.io.1")), rows) == {}


def test_an_image_depends_on_the_rows_of_who_rebuilt_it_too() -> None:
    """S4"""
    numbers = fingerprints(inventory("debian", "12.5", whole("curl", "7.88.1-10.root.io.1")))

    for platform in ("debian 12", "root.io debian 12"):
        assert fingerprint(platform, "curl").to_bytes(SIZE) in numbers
        assert fingerprint(platform, "").to_bytes(SIZE) in numbers
