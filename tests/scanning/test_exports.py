"""Findings as files: SARIF for code hosts, CSV for spreadsheets (S4)."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from chalicelib.ports.stack import Stack

from .shelf import DATABASE, DEBIAN, PYTHON, Shelf

SILENCING: dict[str, Any] = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://example.com/vex/1",
    "author": "us",
    "timestamp": "2026-01-30T00:00:00Z",
    "version": 1,
}


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    opened = Shelf.opened(stack)
    opened.import_database()
    return opened


def exported(shelf: Shelf, digest: str, form: str, **query: object) -> str:
    answer = shelf.api.get(shelf.library.path(f"/manifests/{digest}/vulnerabilities"), format=form, **query)
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Disposition"] == f'attachment; filename="app.{form}"'
    assert answer.headers["Content-Type"] == {"sarif": "application/sarif+json", "csv": "text/csv"}[form]
    return answer.text


def sarif(shelf: Shelf, digest: str, **query: object) -> dict[str, Any]:
    """The one run of it, held to what the standard requires of the parts that are used."""
    log = json.loads(exported(shelf, digest, "sarif", **query))
    assert (log["version"], log["$schema"].rpartition("/")[2]) == ("2.1.0", "sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert all(rule[part]["text"] for part in ("shortDescription", "fullDescription", "help"))
        assert 0.0 <= float(rule["properties"]["security-severity"]) <= 10.0
        assert urlsplit(rule.get("helpUri", "https://x")).scheme == "https"
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri and not uri.startswith("/") and " " not in uri
        assert result["message"]["text"]
        assert all(value for value in result["partialFingerprints"].values())
    return dict(run)


def test_sarif_has_a_rule_for_each_vulnerability_and_a_result_for_each_package(shelf: Shelf) -> None:
    """S4"""
    digest = shelf.push(DEBIAN, PYTHON)
    shelf.scan()
    run = sarif(shelf, digest)
    rules = {one["id"]: one for one in run["tool"]["driver"]["rules"]}
    results = {one["ruleId"]: one for one in run["results"]}
    assert set(rules) == set(results) == {"CVE-2024-0001", "CVE-2024-0002", "CVE-2024-0003"}
    assert rules["CVE-2024-0001"]["shortDescription"]["text"] == "a hole"
    assert rules["CVE-2024-0001"]["properties"]["security-severity"] == "9.5"
    assert rules["CVE-2024-0003"]["properties"]["security-severity"] == "7.5"
    assert (results["CVE-2024-0001"]["level"], results["CVE-2024-0002"]["level"]) == ("error", "warning")
    assert "openssl 3.0.11-1" in results["CVE-2024-0001"]["message"]["text"]
    assert "Fixed in 3.0.13-1" in results["CVE-2024-0001"]["message"]["text"]
    assert "no fixed version yet" in results["CVE-2024-0002"]["message"]["text"]
    places = {
        known: one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for known, one in results.items()
    }
    assert places["CVE-2024-0001"] == "library/app"
    assert places["CVE-2024-0003"].endswith("METADATA")
    assert results["CVE-2024-0003"]["locations"][0]["logicalLocations"][0]["name"].startswith("sha256:")


def test_sarif_suppresses_what_is_silenced(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN, PYTHON)
    statement = {
        "vulnerability": {"name": "CVE-2024-0001"},
        "products": [{"@id": f"pkg:oci/app@{digest.replace(':', '%3A')}"}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
    }
    made = shelf.api.post("/instances/ci/vex-documents", {"document": {**SILENCING, "statements": [statement]}})
    assert made.status == 201, made.text
    shelf.scan()
    suppressed = {one["ruleId"]: one.get("suppressions") for one in sarif(shelf, digest)["results"]}
    (told,) = suppressed.pop("CVE-2024-0001")
    assert (told["kind"], told["status"], bool(told["justification"])) == ("external", "accepted", True)
    assert list(suppressed.values()) == [None, None]
    rows = list(csv.DictReader(io.StringIO(exported(shelf, digest, "csv"))))
    assert {row["id"]: bool(row["silenced"]) for row in rows}["CVE-2024-0001"]


def test_sarif_of_a_vulnerability_of_two_packages_is_one_rule_of_the_graver(shelf: Shelf) -> None:
    more = {"zlib1g": {"CVE-2024-0001": {"FixedVersion": "9", "Severity": 1}}}
    shelf.import_database({**DATABASE, "debian 12": {**DATABASE["debian 12"], **more}})
    digest = shelf.push(DEBIAN)
    shelf.scan()
    run = sarif(shelf, digest, search="CVE-2024-0001")
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["defaultConfiguration"]["level"] == "error"
    assert sorted(one["level"] for one in run["results"]) == ["error", "note"]


def test_files_hold_what_the_filters_let_through_and_all_of_it(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN, PYTHON)
    shelf.scan()
    assert [one["ruleId"] for one in sarif(shelf, digest, severity="medium")["results"]] == ["CVE-2024-0002"]
    assert len(sarif(shelf, digest, limit=1)["results"]) == 3


def test_csv_has_a_line_a_finding_and_no_formulas(shelf: Shelf) -> None:
    evil = {"CVE-2024-0001": {"Title": '=HYPERLINK("https://evil.example")', "Severity": "HIGH"}}
    shelf.import_database({**DATABASE, "vulnerability": {**DATABASE["vulnerability"], **evil}})
    digest = shelf.push(DEBIAN, PYTHON)
    shelf.scan()
    rows = list(csv.DictReader(io.StringIO(exported(shelf, digest, "csv", sort="id"))))
    assert [row["id"] for row in rows] == ["CVE-2024-0001", "CVE-2024-0002", "CVE-2024-0003"]
    assert (rows[0]["package"], rows[0]["fixed"], rows[0]["severity"]) == ("openssl", "3.0.13-1", "critical")
    assert rows[0]["title"].startswith("'=")
    assert (rows[2]["score"], rows[2]["platforms"]) == ("7.5", "linux/amd64")


def test_what_was_not_examined_is_no_empty_file(shelf: Shelf) -> None:
    digest = shelf.push(b"no archive")
    path = shelf.library.path(f"/manifests/{digest}/vulnerabilities")
    assert shelf.api.get(path, format="sarif").status == 404
    shelf.scan()
    assert shelf.api.get(path, format="sarif").status == 409
    assert shelf.api.get(path, format="xml").status == 400
