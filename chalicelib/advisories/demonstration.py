"""A small database of this project's own making, so that a first scan shows something before a real one is there.

It is marked as what it is in its metadata, and every vulnerability says so in its description: whoever sees no finding
with it knows nothing yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from . import bolt_writer
from .advisory import RATED, STATUSES, DataSource
from .cvss import score, severity
from .database import DATABASE_FILE, METADATA_FILE, SCHEMA
from .demonstration_rows import LANGUAGES, SYSTEMS, VULNERABILITIES

# When its rows were last looked at. Fixed, so that the file is the same wherever it is made.
MADE_AT: Final = "2025-10-15T00:00:00Z"
_NOTE: Final = "From the demonstration database, which knows a few well-known vulnerabilities only."
_SOURCES: Final = {
    "debian": DataSource(
        id="debian",
        name="Debian Security Tracker",
        url="https://salsa.debian.org/security-tracker-team/security-tracker",
    ),
    "ubuntu": DataSource(id="ubuntu", name="Ubuntu CVE Tracker", url="https://git.launchpad.net/ubuntu-cve-tracker"),
    "alpine": DataSource(id="alpine", name="Alpine Secdb", url="https://secdb.alpinelinux.org/"),
}
_FLAT: Final = ("data-source", "vulnerability")
_ECOSYSTEMS: Final = {
    "maven": "Maven",
    "pip": "pip",
    "npm": "npm",
    "go": "Go",
    "rubygems": "RubyGems",
    "composer": "Composer",
    "nuget": "NuGet",
}


def demonstration(folder: Path) -> Path:
    """Writes `trivy.db` and `metadata.json` into the folder, which is made if it is missing; always the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    bolt_writer.write(folder / DATABASE_FILE, _packed(_tree()))
    metadata = {"Version": SCHEMA, "UpdatedAt": MADE_AT, "NextUpdate": MADE_AT, "Demonstration": True}
    (folder / METADATA_FILE).write_text(json.dumps(metadata))
    return folder


def _tree() -> dict[str, Any]:
    tree: dict[str, Any] = {"data-source": {}, "vulnerability": dict(_vulnerabilities())}
    for platform, package, vulnerability_id, fixed, own, vendor_id in _rows(SYSTEMS):
        tree["data-source"][platform] = _told(_SOURCES[platform.split()[0]])
        advisory = _advisory_of_system(fixed, own, vendor_id)
        tree.setdefault(platform, {}).setdefault(package, {})[vulnerability_id] = advisory
    for ecosystem, package, vulnerability_id, vulnerable, patched in _rows(LANGUAGES):
        name = f"GitHub Security Advisory {_ECOSYSTEMS[ecosystem]}"
        url = f"https://github.com/advisories?query=type%3Areviewed+ecosystem%3A{ecosystem}"
        platform = f"{ecosystem}::{name}"
        tree["data-source"][platform] = _told(DataSource(id="ghsa", name=name, url=url))
        advisory = {"VulnerableVersions": _list(vulnerable), "PatchedVersions": _list(patched)}
        tree.setdefault(platform, {}).setdefault(package, {})[vulnerability_id] = advisory
    return tree


def _rows(table: str) -> Iterator[list[str]]:
    return ([column.strip() for column in line.split("|")] for line in table.strip().splitlines())


def _list(column: str) -> list[str]:
    return [one.strip() for one in column.split(";")]


def _told(source: DataSource) -> dict[str, str]:
    return {"ID": source.id, "Name": source.name, "URL": source.url}


def _advisory_of_system(fixed: str, own: str, vendor_id: str) -> dict[str, Any]:
    """own: a severity, or a status of what has no fix."""
    advisory: dict[str, Any] = {} if fixed == "-" else {"FixedVersion": fixed}
    if own in RATED:
        advisory["Severity"] = RATED.index(own)
    elif own:
        advisory["Status"] = STATUSES.index(own)
    return {**advisory, "VendorIDs": [vendor_id]} if vendor_id else advisory


def _vulnerabilities() -> Iterator[tuple[str, dict[str, Any]]]:
    for vulnerability_id, vector, weakness, title in _rows(VULNERABILITIES):
        found: dict[str, Any] = {
            "Title": title,
            "Description": _NOTE,
            "References": [f"https://nvd.nist.gov/vuln/detail/{vulnerability_id}"],
        }
        if weakness:
            found["CweIDs"] = [f"CWE-{weakness}"]
        if vector:
            rated = score(vector)
            found["CVSS"] = {"nvd": {"V3Vector": f"CVSS:3.1/{vector}", "V3Score": rated}}
            found["Severity"] = severity(rated).upper()
            found["VendorSeverity"] = {"nvd": RATED.index(severity(rated))}
        yield vulnerability_id, found


def _packed(tree: dict[str, Any]) -> dict[str, Any]:
    """Advisories lie three names deep, sources and vulnerabilities two."""
    return {
        name: _jsons(content) if name in _FLAT else {package: _jsons(found) for package, found in content.items()}
        for name, content in tree.items()
    }


def _jsons(content: dict[str, Any]) -> dict[str, bytes]:
    return {key: _json(value) for key, value in content.items()}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
