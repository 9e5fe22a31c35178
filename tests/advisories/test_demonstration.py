from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.advisories import cvss, demonstration_rows
from chalicelib.advisories.database import METADATA_FILE, Database
from chalicelib.advisories.demonstration import demonstration
from chalicelib.advisories.examination import examine
from chalicelib.advisories.models import Finding
from chalicelib.packages.models import ImageInventory, Installed, LayerRef, OperatingSystem, Package

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return Database.open(demonstration(tmp_path_factory.mktemp("demonstration")))


def found(database: Database, system: tuple[str, str], *packages: Package) -> dict[str, Finding]:
    inventory = ImageInventory(
        system=OperatingSystem(family=system[0], name=system[1]),
        packages=tuple(Installed(package=package, layer=LayerRef(digest="sha256:0")) for package in packages),
    )
    return {finding.id: finding for finding in examine(inventory, database, NOW).findings}


def deb(name: str, source: str, version: str) -> Package:
    return Package(type="debian", name=name, version=version, arch="amd64", source_name=source, source_version=version)


def test_it_says_that_it_is_one(database: Database, tmp_path: Path) -> None:
    """S2"""
    assert database.metadata.demonstration
    assert json.loads((demonstration(tmp_path) / METADATA_FILE).read_text())["Demonstration"] is True
    assert all("demonstration" in one.description for one in database.describe(["CVE-2021-44228"]).values())


def test_it_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    """S2"""
    one, other = (demonstration(tmp_path / name) for name in ("one", "other"))

    assert all((one / file.name).read_bytes() == file.read_bytes() for file in other.iterdir())


def test_a_common_base_image_has_findings_of_several_severities(database: Database) -> None:
    """S2"""
    findings = found(
        database,
        ("debian", "12.0"),
        deb("libc6", "glibc", "2.36-9"),
        deb("libssl3", "openssl", "3.0.9-1"),
        deb("zlib1g", "zlib", "1:1.2.13.dfsg-1"),
        deb("tar", "tar", "1.34+dfsg-1.2"),
    )

    assert findings["CVE-2023-4911"].fixed == "2.36-9+deb12u3"
    assert (findings["CVE-2023-4911"].severity, findings["CVE-2023-4911"].severity_source) == ("high", "nvd")
    assert (findings["CVE-2005-2541"].severity, findings["CVE-2005-2541"].severity_source) == ("low", "debian")
    assert (findings["CVE-2023-45853"].severity, findings["CVE-2023-45853"].status) == ("critical", "will_not_fix")


def test_a_fixed_package_and_its_libraries_have_none(database: Database) -> None:
    """S2"""
    log4j = Package(type="jar", name="org.apache.logging.log4j:log4j-core", version="2.17.1", path="app.jar")
    old = log4j.model_copy(update={"version": "2.14.1"})

    assert found(database, ("debian", "12.0"), deb("curl", "curl", "7.88.1-10+deb12u4"), log4j) == {}
    assert set(found(database, ("debian", "12.0"), old)) == {"CVE-2021-44228", "CVE-2021-45105"}


def test_every_advisory_is_about_a_vulnerability_that_it_describes(database: Database) -> None:
    """S2"""
    rows = [*demonstration_rows.SYSTEMS.splitlines(), *demonstration_rows.LANGUAGES.splitlines()]
    ids = {row.split("|")[2].strip() for row in rows if row}

    assert set(database.describe(ids)) == ids


@pytest.mark.parametrize(
    ("vector", "score", "severity"),
    [
        ("AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0, "critical"),
        ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8, "critical"),
        ("AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8, "high"),
        ("AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:H/A:N", 5.9, "medium"),
        ("AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1, "medium"),
        ("AV:L/AC:L/PR:L/UI:N/S:C/C:N/I:H/A:N", 6.5, "medium"),
        ("AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H", 7.2, "high"),
        ("AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:L", 3.3, "low"),
        ("AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 0.0, "unknown"),
    ],
)
def test_scores_follow_from_vectors_as_they_are_published(vector: str, score: float, severity: str) -> None:
    """S2: scores that NVD publishes with these vectors."""
    assert cvss.score(vector) == score
    assert cvss.severity(score) == severity
