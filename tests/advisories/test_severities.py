"""How bad it is, and who says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.advisories.advisory import DataSource
from chalicelib.advisories.severities import Severities
from tests.advisories.rows import database


@pytest.mark.parametrize(
    ("vulnerability_id", "source", "said", "expected"),
    [
        ("CVE-1", "debian", {"VendorSeverity": {"debian": 1, "nvd": 4}}, ("low", "debian")),
        ("CVE-1", "alpine", {"VendorSeverity": {"debian": 1, "nvd": 4}}, ("critical", "nvd")),
        ("CVE-1", "alpine", {"VendorSeverity": {"debian": 1}, "Severity": "HIGH"}, ("high", "")),
        ("CVE-1", "alpine", {"VendorSeverity": {"ghsa": 3}}, ("unknown", "")),
        ("CVE-1", "debian", {"VendorSeverity": {"debian": 0, "nvd": 4}, "Severity": "HIGH"}, ("unknown", "debian")),
        ("CVE-1", "alpine", {"VendorSeverity": {"nvd": 0}, "Severity": "MEDIUM"}, ("medium", "")),
        ("GHSA-1", "osv", {"VendorSeverity": {"ghsa": 3, "nvd": 1}}, ("high", "ghsa")),
        ("GHSA-1", "osv", {"VendorSeverity": {"nvd": 1}}, ("low", "nvd")),
        ("CVE-1", "", {}, ("unknown", "")),
        ("CVE-1", "", {"Severity": "no severity"}, ("unknown", "")),
    ],
)
def test_a_severity_is_the_publisher_s_then_github_s_of_its_own_ids_then_nvd_s(
    vulnerability_id: str, source: str, said: dict[str, Any], expected: tuple[str, str], tmp_path: Path
) -> None:
    """S3"""
    severities = Severities(database(tmp_path, {"vulnerability": {vulnerability_id: said}}))

    assert severities.rate(vulnerability_id, DataSource(id=source)) == expected


def test_the_advisory_s_own_severity_of_the_package_goes_before_all(tmp_path: Path) -> None:
    """S3"""
    severities = Severities(database(tmp_path, {"vulnerability": {"CVE-1": {"VendorSeverity": {"debian": 4}}}}))

    assert severities.rate("CVE-1", DataSource(id="debian"), ("low", "debian")) == ("low", "debian")


def test_who_builds_upon_another_s_advisories_goes_by_its_severities(tmp_path: Path) -> None:
    """S3"""
    severities = Severities(database(tmp_path, {"vulnerability": {"CVE-1": {"VendorSeverity": {"debian": 4}}}}))

    assert severities.rate("CVE-1", DataSource(id="rootio", base_id="debian")) == ("critical", "debian")


def test_of_a_vulnerability_that_the_database_does_not_describe_nobody_knows(tmp_path: Path) -> None:
    """S3"""
    assert Severities(database(tmp_path, {})).rate("CVE-1", DataSource(id="debian")) == ("unknown", "")
