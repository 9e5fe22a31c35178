"""Which advisories concern packages of languages; and whether Trivy's reports of them come out the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.advisories.database import Database
from chalicelib.advisories.language_matching import lookups, match_languages
from chalicelib.advisories.models import Finding
from chalicelib.packages.models import Installed, LayerRef, Package
from tests.shared import trivy_fixtures

from .rows import database, rows_of, write

_LAYER: Final = LayerRef(digest="sha256:1", diff_id="sha256:2")
_GITHUB: Final = {"ID": "ghsa", "Name": "GitHub Security Advisory"}
# What installs the packages of a lock file, in an image.
_INSTALLED: Final = {
    "bun": "node-pkg", "cargo": "rustbinary", "composer": "composer-vendor", "composer-vendor": "composer-vendor",
    "dotnet-core": "dotnet-core", "gomod": "gobinary", "gradle": "jar", "npm": "node-pkg", "nuget": "dotnet-core",
    "packages-props": "dotnet-core", "pip": "python-pkg", "pipenv": "python-pkg", "pnpm": "node-pkg",
    "poetry": "python-pkg", "pom": "jar", "pylock": "python-pkg", "python-pkg": "python-pkg", "sbt": "jar",
    "uv": "python-pkg", "yarn": "node-pkg",
}  # fmt: skip


def _package(type_: str, name: str, version: str, path: str = "") -> Package:
    return Package(type=type_, name=name, version=version, path=path)


def _found(opened: Database, *packages: Package) -> list[Finding]:
    return list(match_languages([Installed(package=each, layer=_LAYER) for each in packages], opened))


def _one_row(tmp_path: Path, platform: str, name: str, advisory: Mapping[str, Any] | None) -> Database:
    return database(tmp_path, {platform: {name: {"CVE-1": advisory}}, "data-source": {platform: _GITHUB}})


def test_a_finding_says_what_has_it_where_and_what_mends_it(tmp_path: Path) -> None:
    """S1, S3."""
    platform = "pip::GitHub Security Advisory Pip"
    opened = database(
        tmp_path,
        {
            platform: {
                "werkzeug": {
                    "CVE-2019-14806": {
                        "VulnerableVersions": ["< 0.15.3", ">= 1.0, < 1.0.1"],
                        "PatchedVersions": ["0.15.3", "1.0.1", "0.15.3"],
                        "VendorIDs": ["GHSA-gq9m-qvpx-68hc"],
                    },
                    "CVE-2020-28724": {"VulnerableVersions": ["< 0.11.6"], "PatchedVersions": ["0.11.6"]},
                }
            },
            "data-source": {platform: _GITHUB},
            "vulnerability": {"CVE-2019-14806": {"Severity": "LOW", "VendorSeverity": {"ghsa": 3, "nvd": 2}}},
        },
    )
    path = "usr/lib/python3/dist-packages/Werkzeug-0.11.10.dist-info/METADATA"
    assert _found(opened, _package("python-pkg", "Werkzeug", "0.11.10", path)) == [
        Finding(
            id="CVE-2019-14806",
            vendor_ids=("GHSA-gq9m-qvpx-68hc",),
            type="python-pkg",
            package="Werkzeug",
            purl="pkg:pypi/werkzeug@0.11.10",
            installed="0.11.10",
            fixed="0.15.3, 1.0.1",
            status="fixed",
            severity="high",
            severity_source="ghsa",
            source="ghsa",
            path=path,
            layer=_LAYER,
        )
    ]


@pytest.mark.parametrize(
    ("type_", "platform", "known", "installed"),
    [
        ("python-pkg", "pip::a", "ruamel-yaml", "Ruamel_Yaml"),
        ("node-pkg", "npm::a", "jsonstream", "JSONStream"),
        ("dotnet-core", "nuget::a", "newtonsoft.json", "Newtonsoft.Json"),
        ("composer-vendor", "composer::a", "guzzlehttp/psr7", "GuzzleHTTP/psr7"),
        ("gobinary", "go::a", "github.com/Masterminds/goutils", "github.com/Masterminds/goutils"),
        ("rustbinary", "cargo::a", "smallvec", "smallvec"),
        ("gemspec", "rubygems::a", "activesupport", "activesupport"),
        ("jar", "maven::a", "org.apache.logging.log4j:log4j-core", "org.apache.logging.log4j:log4j-core"),
    ],
)
def test_each_language_is_looked_up_under_the_names_it_holds_for_equal(
    tmp_path: Path, type_: str, platform: str, known: str, installed: str
) -> None:
    """S3."""
    opened = _one_row(tmp_path, platform, known, {"VulnerableVersions": ["< 1.2.3"]})
    assert [(found.package, found.fixed) for found in _found(opened, _package(type_, installed, "1.2.2"))] == [
        (installed, "1.2.3")
    ]
    assert _found(opened, _package(type_, installed, "1.2.3")) == []
    assert lookups(_package(type_, installed, "1.2.2")) == [(f"{platform.partition('::')[0]}::", known)]


def test_go_modules_that_differ_in_capitals_are_different_ones(tmp_path: Path) -> None:
    """S3."""
    opened = _one_row(tmp_path, "go::a", "github.com/Azure/x", {"VulnerableVersions": ["< 2"]})
    assert _found(opened, _package("gobinary", "github.com/azure/x", "v1.0.0")) == []


def test_the_standard_library_of_go_is_a_package_like_others(tmp_path: Path) -> None:
    """S3."""
    ranges = ["< 1.21.11", ">= 1.22.0-0, < 1.22.4"]
    opened = _one_row(tmp_path, "go::Go Vulnerability Database", "stdlib", {"VulnerableVersions": ranges})
    for version, affected in (("v1.20.3", True), ("v1.22.3", True), ("v1.22.0-rc.1", True), ("v1.21.11", False)):
        assert bool(_found(opened, _package("gobinary", "stdlib", version))) == affected, version


@pytest.mark.parametrize(
    ("advisory", "fixed", "status"),
    [
        ({"VulnerableVersions": [">= 1, < 2", "<= 3", "<4"]}, "2, 4", "fixed"),
        ({"VulnerableVersions": ["<= 3"]}, "", "affected"),
        ({"VulnerableVersions": [""]}, "", "affected"),
        ({"PatchedVersions": [">= 2"], "UnaffectedVersions": ["< 1"]}, ">= 2", "fixed"),
    ],
)
def test_what_mends_it_is_read_off_the_ranges_where_nobody_says_it(
    tmp_path: Path, advisory: dict[str, list[str]], fixed: str, status: str
) -> None:
    """S1."""
    opened = _one_row(tmp_path, "cargo::a", "ammonia", advisory)
    assert [(found.fixed, found.status) for found in _found(opened, _package("rustbinary", "ammonia", "1.5"))] == [
        (fixed, status)
    ]


def test_of_two_publishers_of_one_vulnerability_the_last_by_name_counts(tmp_path: Path) -> None:
    """S3: and what only one of them knows counts as well."""
    opened = database(
        tmp_path,
        {
            "maven::GitHub": {
                "a:b": {"CVE-1": {"VulnerableVersions": ["< 2"]}, "CVE-2": {"VulnerableVersions": ["< 3"]}}
            },
            "maven::GitLab": {"a:b": {"CVE-1": {"VulnerableVersions": ["[1.0,1.5)"]}}},
            "data-source": {"maven::GitHub": {"ID": "ghsa"}, "maven::GitLab": {"ID": "glad"}},
        },
    )
    assert [(found.id, found.source) for found in _found(opened, _package("jar", "a:b", "1.2"))] == [
        ("CVE-1", "glad"),
        ("CVE-2", "ghsa"),
    ]
    assert [found.id for found in _found(opened, _package("jar", "a:b", "1.7"))] == ["CVE-2"]


@pytest.mark.parametrize(
    "package",
    [
        _package("python-pkg", "x", ""),
        _package("python-pkg", "x", "unknown"),
        _package("conda-pkg", "x", "1"),
        _package("debian", "x", "1"),
    ],
)
def test_what_has_no_version_or_no_advisories_has_no_findings(tmp_path: Path, package: Package) -> None:
    """S3."""
    assert _found(_one_row(tmp_path, "pip::a", "x", {"VulnerableVersions": ["< 9"]}), package) == []
    assert bool(lookups(package)) == (package.version == "unknown")


def test_packages_that_somebody_else_mended_have_the_advisories_of_the_mender(tmp_path: Path) -> None:
    """S3."""
    opened = database(
        tmp_path,
        {
            "pip::a": {"django": {"CVE-1": {"VulnerableVersions": ["< 5"]}}},
            "seal pip::s": {"django": {"CVE-2": {"VulnerableVersions": [">= 4.2.8+sp1, < 4.2.8+sp3"]}}},
            "npm::a": {
                "ejs": {"CVE-3": {"VulnerableVersions": ["< 5"]}},
                "qs": {"CVE-4": {"VulnerableVersions": ["< 5"]}},
            },
            "seal npm::s": {"ejs": {"CVE-5": {"VulnerableVersions": ["< 3.1.8-sp2"]}}},
        },
    )

    def ids(type_: str, name: str, version: str) -> list[str]:
        return [found.id for found in _found(opened, _package(type_, name, version))]

    assert ids("python-pkg", "django", "4.2.8") == ["CVE-1"]
    assert ids("python-pkg", "django", "4.2.8+sp2") == ["CVE-2"]
    assert ids("python-pkg", "django", "4.2.8+sp3") == []
    assert ids("node-pkg", "ejs", "3.1.8-sp1") == ["CVE-5"]
    assert ids("node-pkg", "qs", "3.1.8-sp1") == ["CVE-4"]
    assert lookups(_package("node-pkg", "qs", "3.1.8-sp1")) == [("seal npm::", "qs"), ("npm::", "qs")]
    assert lookups(_package("python-pkg", "django", "4.2.8+sp1")) == [("seal pip::", "django")]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Database:
    rows = rows_of(sorted((trivy_fixtures() / "db").glob("*.yaml")))
    return Database.open(write(tmp_path_factory.mktemp("published"), rows))


def test_reports_of_trivy_about_languages_come_out_the_same_field_by_field(published: Database) -> None:
    """S1, S3."""
    compared = 0
    for name, type_, result in _results(trivy_fixtures() / "reports"):
        told = result.get("Vulnerabilities") or []
        packages = {(each["Name"], each.get("Version", "")) for each in result.get("Packages") or []}
        packages |= {(each["PkgName"], each["InstalledVersion"]) for each in told}
        found = _found(published, *(_package(type_, *each) for each in sorted(packages)))
        assert sorted(map(_row, found)) == sorted({_told(each) for each in told}), name
        compared += len(told)
    assert compared >= 30


def _results(reports: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for file in sorted(reports.glob("*.json")):
        for result in json.loads(file.read_text())["Results"]:
            if result.get("Type") in _INSTALLED:
                yield f"{file.name}: {result['Target']}", _INSTALLED[result["Type"]], result


def _row(found: Finding) -> tuple[str, ...]:
    rated = (found.severity.upper(), found.severity_source, found.source, ",".join(found.vendor_ids))
    return (found.id, found.package, found.purl, found.installed, found.fixed, found.status, *rated)


def _told(each: Mapping[str, Any]) -> tuple[str, ...]:
    source = each.get("DataSource", {}).get("ID", "")
    rated = (each["Severity"], each.get("SeveritySource", ""), source, ",".join(each.get("VendorIDs", [])))
    package = (each["PkgName"], each["PkgIdentifier"]["PURL"], each["InstalledVersion"])
    return (each["VulnerabilityID"], *package, each.get("FixedVersion", ""), each["Status"], *rated)
