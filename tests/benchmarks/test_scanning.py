"""What the benchmark of scanning makes for itself is what it says it is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from benchmarks.scanning_image import blob_path, manifest_of, write_database, write_index
from benchmarks.trivy_compare import inventory_of
from chalicelib.advisories.database import Database
from chalicelib.advisories.examination import examine
from tests.advisories.layouts import write_layout
from tests.packages.rebuild import tar
from tests.scanning.shelf import DEBIAN, PYTHON, dpkg

SYSTEM = {**DEBIAN, "var/lib/dpkg/status": dpkg(**{f"package{number}": "1.0-1" for number in range(11)})}


def test_one_of_every_third_package_has_something_half_of_it_with_a_fix(tmp_path: Path) -> None:
    inventory = inventory_of(write_layout(tmp_path / "image", [tar(SYSTEM), tar(PYTHON)]))
    advisories = write_database(tmp_path / "db", inventory, "2026-11-22T06:00:00Z")
    found = examine(inventory, Database.open(tmp_path / "db"), datetime(2026, 11, 22, 12, tzinfo=UTC)).findings
    assert len(inventory.packages) == 12
    assert (advisories, len(found)) == (4, 4)
    assert [bool(finding.fixed) for finding in sorted(found, key=lambda one: one.id)] == [True, False, True, False]


def test_a_layout_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "image", [tar(SYSTEM)])
    before = inventory_of(layout)
    described = manifest_of(layout)[1]["layers"]
    write_index(layout, [{**layer, "diff_id": layer["digest"]} for layer in described])
    assert inventory_of(layout) == before
    assert all(blob_path(layout, layer["digest"]).is_file() for layer in described)
