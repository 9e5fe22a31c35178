"""The same folder, listed by Trivy and by the readers: the same sets."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from chalicelib.advisories.bolt_writer import write
from chalicelib.packages.languages.readers import LANGUAGE_READERS
from chalicelib.packages.models import Package
from chalicelib.packages.purls import purl
from chalicelib.packages.reading import Unreadable
from tests.lacking import lacking

from .made import MadeEntry, archive
from .test_hostile import GOOD

_TRIVY: Final = Path.home() / ".cache" / "crs-tools" / "bin" / "trivy"
_FLAGS: Final = (
    "--skip-db-update --skip-java-db-update --offline-scan --skip-version-check --disable-telemetry --quiet "
    "--scanners vuln --list-all-pkgs --pkg-types library --format json"
)
# Jars are told by their digest in a database of all jars; an empty one knows none.
_JARS: Final = """
CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);
CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT);
"""
_Listed = tuple[str, str, str, str]


@pytest.mark.clients
def test_trivy_lists_the_same_packages(tmp_path: Path) -> None:
    """S3: types, names, versions and package URLs, of made files and of what this machine has installed."""
    if not _TRIVY.is_file():
        lacking("trivy is missing: .ci/install-clients brings it")
    root = tmp_path / "root"
    for name, (path, data) in GOOD.items():
        _put(root / name / path, data)
    _put(root / "broken" / "package.json", b"{")
    _put(root / "outer" / "all.ear", archive({"a.war": archive({"lib/a.jar": GOOD["java"][1]})}))
    shutil.copytree(Path(pytest.__file__).parents[1], root / "site-packages", ignore=_all_but_metadata, symlinks=False)
    for program in ("crane", "oras"):
        if (tool := _TRIVY.with_name(program)).is_file():
            (root / program).write_bytes(tool.read_bytes())
            (root / program).chmod(0o755)
    theirs, ours = _theirs(root, tmp_path / "cache"), set(_ours(root))
    assert len(theirs) > 100
    assert ours - theirs == set()
    assert theirs - ours == set()


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o755)


def _all_but_metadata(folder: str, entries: list[str]) -> list[str]:
    """Packages' own files are of no interest, and many."""
    kept = {"METADATA", "PKG-INFO", "bom.cdx.json"}
    return [each for each in entries if not (Path(folder) / each).is_dir() and each not in kept]


def _theirs(root: Path, cache: Path) -> set[_Listed]:
    (cache / "db").mkdir(parents=True)
    (cache / "java-db").mkdir()
    write(cache / "db" / "trivy.db", {"data-source": {}, "vulnerability": {"CVE-1": b"{}"}})
    for folder, version in (("db", 2), ("java-db", 1)):
        times = dict.fromkeys(("NextUpdate", "UpdatedAt", "DownloadedAt"), "2038-01-01T00:00:00Z")
        (cache / folder / "metadata.json").write_text(json.dumps({"Version": version, **times}))
    with sqlite3.connect(cache / "java-db" / "trivy-java.db") as jars:
        jars.executescript(_JARS)
    done = subprocess.run(
        [_TRIVY, "rootfs", "--cache-dir", cache, *_FLAGS.split(), root], capture_output=True, check=True
    )
    return {
        (result["Type"], each["Name"], each.get("Version", ""), each.get("Identifier", {}).get("PURL", ""))
        for result in json.loads(done.stdout).get("Results", [])
        for each in result.get("Packages", [])
    }


def _ours(root: Path) -> Iterator[_Listed]:
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        for package in _packages(file, str(file.relative_to(root))):
            yield package.type, package.name, package.version, purl(package, None)


def _packages(file: Path, path: str) -> Iterator[Package]:
    entry = MadeEntry(path, file.read_bytes(), file.stat().st_mode)
    for reader in LANGUAGE_READERS:
        if reader.wants(entry):
            try:
                yield from reader.read(path, entry.content(), entry).packages
            except Unreadable:
                continue
