"""The other engine: the program `trivy`, on the same images and the same database (S2)."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.trivy_compare import find_trivy
from chalicelib.kernel.errors import Invalid
from chalicelib.ports.stack import Stack
from chalicelib.scanning import trivy
from chalicelib.scanning.trivy_report import read_report
from tests.lacking import lacking
from tests.stacks import embedded_stack

from .shelf import DATABASE, DEBIAN, PYTHON, Shelf

REPORT: dict[str, Any] = {
    "SchemaVersion": 2,
    "Metadata": {"OS": {"Family": "debian", "Name": "12.5", "EOSL": True}},
    "Results": [
        {
            "Target": "image (debian 12.5)",
            "Class": "os-pkgs",
            "Type": "debian",
            "Packages": [
                {
                    "Name": "openssl",
                    "Version": "3.0.11-1",
                    "Arch": "amd64",
                    "SrcName": "openssl",
                    "Layer": {"Digest": "sha256:1", "DiffID": "sha256:2"},
                }
            ],
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-2024-0001",
                    "PkgName": "openssl",
                    "PkgIdentifier": {"PURL": "pkg:deb/debian/openssl@3.0.11-1"},
                    "InstalledVersion": "3.0.11-1",
                    "FixedVersion": "3.0.13-1",
                    "Status": "fixed",
                    "Layer": {"Digest": "sha256:1", "DiffID": "sha256:2"},
                    "SeveritySource": "debian",
                    "Severity": "CRITICAL",
                    "DataSource": {"ID": "debian"},
                }
            ],
        },
        {
            "Target": "usr/bin/app",
            "Class": "lang-pkgs",
            "Type": "gobinary",
            "Packages": [{"Name": "x", "Version": "1"}],
        },
    ],
}


def program(folder: Path, code: str) -> Path:
    """A stand-in for trivy: what it does when it is asked to scan."""
    path = folder / "trivy-of-a-test"
    path.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo "Version: 9.9.9"; exit 0; fi\n'
        'while [ "$1" != --output ]; do shift; done\n' + code
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def shelf_with(tmp_path: Path, path: str) -> Iterator[Shelf]:
    with embedded_stack(tmp_path, scanner="trivy", trivy=path) as stack:
        opened = Shelf.opened(stack)
        opened.import_database()
        yield opened


def ended(tmp_path: Path, path: str) -> tuple[str, str, str]:
    """State, reason and message of an image scanned by that program."""
    for shelf in shelf_with(tmp_path, path):
        digest = shelf.push(DEBIAN, PYTHON)
        shelf.scan()
        record = shelf.record(digest)
        assert not list((tmp_path / "data" / "vulnerabilities").glob("*.part")), "its folder goes"
        return record.state, record.reason, record.message
    raise AssertionError


def test_its_report_becomes_one_of_ours(tmp_path: Path) -> None:
    written = tmp_path / "written"
    written.write_text(json.dumps(REPORT))
    for shelf in shelf_with(tmp_path, str(program(tmp_path, f'cp {written} "$2"\n'))):
        digest = shelf.push(DEBIAN, PYTHON)
        task = shelf.scan()
        record = shelf.record(digest)
        assert (task.state, record.state, record.engine) == ("succeeded", "succeeded", "trivy 9.9.9")
        assert (record.critical, record.packages, record.end_of_life) == (1, 2, True)
        (found,) = shelf.findings(digest)
        assert (found["fixed"], found["severity_source"], found["title"]) == ("3.0.13-1", "debian", "a hole")
        assert task.bytes > 0


def test_program_that_is_not_there_is_a_clear_failure(tmp_path: Path) -> None:
    state, reason, message = ended(tmp_path, str(tmp_path / "nothing"))
    assert (state, reason) == ("failed", "engine_failed")
    assert "CRS_SCANNER" in message


def test_program_that_ends_badly_fails_the_scan_with_what_it_said(tmp_path: Path) -> None:
    path = program(tmp_path, "echo no such thing >&2; exit 3\n")
    assert ended(tmp_path, str(path)) == ("failed", "engine_failed", "trivy ended with 3: no such thing")


def test_program_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trivy, "_KILLED_AFTER_S", 0.2)
    state, reason, message = ended(tmp_path, str(program(tmp_path, "exec sleep 60\n")))
    assert (state, reason, "end" in message) == ("failed", "engine_failed", True)


def test_program_that_writes_something_else_fails_the_scan(tmp_path: Path) -> None:
    path = program(tmp_path, 'echo \'{"SchemaVersion": 1}\' > "$2"\n')
    assert ended(tmp_path, str(path))[:2] == ("failed", "engine_failed")


def test_program_is_given_no_secrets_and_no_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    monkeypatch.setenv("CRS_ADMIN_PASSWORD", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    ended(tmp_path, str(program(tmp_path, f"env > {seen}; exit 1\n")))
    given = seen.read_text()
    assert "secret" not in given
    assert "HTTPS_PROXY=http://127.0.0.1:9" in given


def test_what_is_no_report_is_refused() -> None:
    for broken in ({"SchemaVersion": 3}, {**REPORT, "Results": [{"Type": "debian", "Packages": [{}]}]}):
        with pytest.raises(Invalid):
            read_report(broken)


@pytest.mark.clients
def test_both_engines_find_the_same(tmp_path: Path, stack: Stack) -> None:
    program = find_trivy() or lacking("trivy is not on this machine; .ci/install-clients brings it")
    builtin = Shelf.opened(stack)
    builtin.import_database(DATABASE)
    ours = builtin.push(DEBIAN, PYTHON)
    builtin.scan()
    for shelf in shelf_with(tmp_path / "other", str(program)):
        theirs = shelf.push(DEBIAN, PYTHON)
        shelf.scan()
        assert ours == theirs
        assert shelf.record(theirs).engine.startswith("trivy ")
        assert shelf.findings(theirs) == builtin.findings(ours)
        same = ("state", "critical", "high", "medium", "low", "unknown", "fixable", "packages", "system")
        assert [getattr(shelf.record(theirs), name) for name in same] == [
            getattr(builtin.record(ours), name) for name in same
        ]
