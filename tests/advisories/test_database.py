from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.advisories.bolt import DatabaseCorrupt, MappedPages
from chalicelib.advisories.database import METADATA_FILE, Database, read_metadata
from chalicelib.advisories.fingerprints import SIZE, fingerprint, fingerprints
from chalicelib.packages.models import ImageInventory, Package
from tests.advisories.images import inventory, package, whole
from tests.advisories.rows import METADATA, database, packed, write

ROWS: dict[str, Any] = {
    "data-source": {
        "debian 12": {"ID": "debian", "Name": "Debian", "URL": "https://example.com"},
        "pip::A": {"ID": "ghsa"},
    },
    "vulnerability": {
        "CVE-1": {
            "Title": "a title",
            "Description": "a text",
            "Severity": "HIGH",
            "VendorSeverity": {"nvd": 3},
            "CVSS": {
                "redhat": {"V3Vector": "CVSS:3.0/AV:N", "V3Score": 8.1},
                "nvd": {"V2Vector": "AV:N", "V2Score": 5.0, "V40Vector": "CVSS:4.0/AV:N", "V40Score": 9.0},
            },
            "CweIDs": ["CWE-1"],
            "References": ["https://one", "https://two"],
            "PublishedDate": "2024-01-01T00:00:00Z",
        },
        "ELSA-1": {"References": ["https://one", "https://linux.oracle.com/errata/ELSA-1.html"]},
        "X-1": {"References": ["https://one"]},
    },
    "Red Hat CPE": {"repository": {"rhel-8": [1]}},
    "debian 12": {"curl": {"CVE-1": {"FixedVersion": "2.0"}}, "zlib": {"CVE-2": None}},
    "pip::A": {"jinja2": {"CVE-1": {"VulnerableVersions": ["<3"]}}},
    "pip::B": {"jinja2": {"CVE-9": {}}},
    "Red Hat": {"bash": {"RHSA-1": {"Entries": [{"Cves": [{"ID": "CVE-1"}], "Affected": [1]}]}}},
}


def changed(**changes: Any) -> dict[str, Any]:
    return {
        **ROWS,
        **{key.replace("_", " "): {**ROWS.get(key.replace("_", " "), {}), **new} for key, new in changes.items()},
    }


def different(folder: Path, rows: dict[str, Any]) -> set[tuple[str, str]]:
    """Rows that are not the same in both."""
    one, other = (
        {row[:2]: row[2] for row in database(folder / name, of).rows()} for name, of in (("1", ROWS), ("2", rows))
    )
    return {place for place in one.keys() | other.keys() if one.get(place) != other.get(place)}


def test_advisories_are_found_by_platform_and_package(tmp_path: Path) -> None:
    """S3"""
    found = database(tmp_path, ROWS)

    advisory = found.advisories("debian 12", "curl")["CVE-1"]

    assert (advisory.fixed, advisory.source.id, advisory.source.name) == ("2.0", "debian", "Debian")
    assert found.advisories("debian 12", "zlib")["CVE-2"].fixed == ""
    assert (
        found.advisories("debian 12", "cur") == found.advisories("debian 1", "curl") == found.advisories("", "") == {}
    )
    assert found.source("pip::B").id == ""


def test_a_language_s_platforms_are_found_by_their_prefix(tmp_path: Path) -> None:
    """S3"""
    found = database(tmp_path, ROWS)

    assert found.platforms("pip::") == ["pip::A", "pip::B"]
    assert found.platforms("") == ["Red Hat", "debian 12", "pip::A", "pip::B"]
    assert (found.knows("debian 12"), found.knows("debian 1"), found.knows("")) == (True, False, False)


def test_a_vulnerability_is_described_with_the_score_of_who_rates_all_of_them(tmp_path: Path) -> None:
    """S3"""
    described = database(tmp_path, ROWS).describe(["CVE-1", "ELSA-1", "X-1", "unknown"])

    one = described["CVE-1"]
    assert (one.title, one.url, one.score) == ("a title", "https://avd.aquasec.com/nvd/cve-1", 9.0)
    assert [(rating.by, rating.version) for rating in one.ratings] == [
        ("nvd", "4.0"),
        ("nvd", "2.0"),
        ("redhat", "3.0"),
    ]
    assert described["ELSA-1"].url == "https://linux.oracle.com/errata/ELSA-1.html"
    assert (described["X-1"].url, described["X-1"].score) == ("https://one", None)
    assert "unknown" not in described


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (ROWS, set()),
        (changed(debian_12={"curl": {"CVE-1": {"FixedVersion": "2.1"}}}), {("debian 12", "curl")}),
        (changed(debian_12={"curl": {"CVE-7": {"FixedVersion": "2.0"}}}), {("debian 12", "curl")}),
        (changed(debian_12={"xz": {}}), {("debian 12", "xz")}),
        (changed(debian_13={}), {("debian 13", "")}),
        (
            changed(vulnerability={"CVE-1": {**ROWS["vulnerability"]["CVE-1"], "VendorSeverity": {"nvd": 4}}}),
            {("debian 12", "curl"), ("pip::A", "jinja2"), ("Red Hat", "bash")},
        ),
        (changed(vulnerability={"CVE-1": {**ROWS["vulnerability"]["CVE-1"], "Description": "another"}}), set()),
        (changed(Red_Hat_CPE={"repository": {"rhel-8": [1, 2]}}), {("Red Hat CPE", "")}),
        (
            changed(**{"data-source": {"debian 12": {"ID": "other"}}}),
            {("debian 12", ""), ("debian 12", "curl"), ("debian 12", "zlib")},
        ),
    ],
)
def test_two_databases_differ_in_the_rows_whose_findings_may_differ(
    rows: dict[str, Any], expected: set[tuple[str, str]], tmp_path: Path
) -> None:
    """S4"""
    assert different(tmp_path, rows) == expected


@pytest.mark.parametrize(
    ("image", "concerned"),
    [
        (
            inventory("debian", "12.5", whole("libcurl4", "1", source_name="curl")),
            {("debian 12", "curl"), ("debian 12", "")},
        ),
        (
            inventory("redhat", "8.9", package("bash", "1-1")),
            {("Red Hat", "bash"), ("Red Hat CPE", ""), ("Red Hat", "")},
        ),
        (
            inventory("ubuntu", "22.04-ESM", whole("zlib", "1")),
            {("ubuntu 22.04", "zlib"), ("ubuntu 22.04-ESM", "zlib"), ("ubuntu 22.04", ""), ("ubuntu 22.04-ESM", "")},
        ),
        (inventory("alpine", "3.19.1", stream="edge"), {("alpine edge", "")}),
        (inventory("fedora", "40", package("bash", "1-1")), set()),
    ],
)
def test_an_image_keeps_the_numbers_of_the_rows_that_it_depends_on(
    image: ImageInventory, concerned: set[tuple[str, str]]
) -> None:
    """S4"""
    assert fingerprints(image) == b"".join(sorted(fingerprint(*pair).to_bytes(SIZE) for pair in concerned))


def test_all_platforms_of_a_language_count_as_one(tmp_path: Path) -> None:
    """S4"""
    library = Package(type="python-pkg", name="Jinja2", version="3.0")

    numbers = fingerprints(inventory("debian", "12", library))

    assert fingerprint("pip::A", "jinja2") == fingerprint("pip::B", "jinja2") != fingerprint("npm::A", "jinja2")
    assert fingerprint("pip::A", "jinja2").to_bytes(SIZE) in numbers


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"Version": 2}', b'{"Version": 1, "UpdatedAt": "2026-01-01T00:00:00Z"}', b"\xff"],
)
def test_metadata_that_says_too_little_or_another_format_is_refused(content: bytes) -> None:
    """S2"""
    with pytest.raises(DatabaseCorrupt):
        read_metadata(content)


def test_metadata_says_how_old_the_database_is() -> None:
    """S2"""
    metadata = read_metadata(json.dumps(METADATA).encode())

    assert (metadata.version, metadata.updated_at, metadata.demonstration) == (2, METADATA["UpdatedAt"], False)


def test_a_folder_without_the_two_files_is_no_database(tmp_path: Path) -> None:
    """S2"""
    with pytest.raises(DatabaseCorrupt, match=r"metadata\.json"):
        Database.open(tmp_path)
    (tmp_path / METADATA_FILE).write_text(json.dumps(METADATA))
    with pytest.raises(DatabaseCorrupt, match=r"trivy\.db"):
        Database.open(tmp_path)


@pytest.mark.parametrize("advisory", [b"{", b'"text"', b"1", b"\xff", b"[" * 100_000])
def test_a_row_that_cannot_be_read_is_told_with_its_place(advisory: bytes, tmp_path: Path) -> None:
    """S2"""
    tree = packed(ROWS)
    tree["debian 12"]["curl"]["CVE-1"] = advisory
    tree["vulnerability"]["CVE-1"] = advisory
    found = Database.open(write(tmp_path, tree))

    with pytest.raises(DatabaseCorrupt, match="debian 12 / curl"):
        found.advisories("debian 12", "curl")
    with pytest.raises(DatabaseCorrupt, match="CVE-1"):
        found.describe(["CVE-1"])
    with pytest.raises(DatabaseCorrupt, match="CVE-1"):
        list(found.rows())


class CountedPages:
    """Of a file that lies elsewhere: each read is a request."""

    def __init__(self, path: Path) -> None:
        self._pages = MappedPages(path)
        self.size = self._pages.size
        self.requests = 0

    def read(self, offset: int, size: int) -> bytes:
        self.requests += 1
        return self._pages.read(offset, size)


def test_a_lookup_reads_a_page_a_level_and_those_above_only_once(tmp_path: Path) -> None:
    """S3"""
    many = {f"CVE-2024-{number}": {"Title": "a title", "Severity": "HIGH"} for number in range(30_000)}
    folder = write(tmp_path, packed({"vulnerability": many}))
    pages = CountedPages(folder / "trivy.db")
    found = Database(pages, read_metadata((folder / METADATA_FILE).read_bytes()))
    opening = pages.requests

    found.describe(["CVE-2024-7"])
    first = pages.requests - opening
    found.describe(["CVE-2024-7", "CVE-2024-29999"])

    assert opening <= 4
    assert first <= 3
    assert pages.requests - opening - first <= 2
