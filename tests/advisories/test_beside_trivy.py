"""The real Trivy and the built-in engine, same image and same database: nothing that only one of them finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.trivy_compare import differences, find_trivy, told_here
from tests.advisories import generated
from tests.advisories.layouts import write_layout
from tests.advisories.rows import packed, rows_of, write
from tests.lacking import lacking
from tests.packages.rebuild import SYSTEMS, rebuilt
from tests.shared import trivy_fixtures

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def trivy() -> Path:
    return find_trivy() or lacking("trivy is not on this machine; .ci/install-clients brings it")


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_trivy_finds_the_same_in_a_real_system(name: str, trivy: Path, tmp_path: Path) -> None:
    """S3"""
    folder = trivy_fixtures()
    database = write(tmp_path / "db", rows_of(sorted((folder / "db").glob("*.yaml"))))
    layout = write_layout(tmp_path / "image", [rebuilt(folder / "packages" / f"{name}.json")])

    assert differences(layout, database, trivy) == []


@pytest.mark.parametrize(("family", "version", "platform"), generated.SYSTEMS)
@pytest.mark.parametrize("seed", [1, 2])
def test_trivy_finds_the_same_in_a_system_made_up_at_random(
    family: str, version: str, platform: str, seed: int, trivy: Path, tmp_path: Path
) -> None:
    """S3"""
    world = generated.world(family, platform, seed)
    listed = tmp_path / "packages.json"
    listed.write_text(json.dumps(world.packages))
    database = write(tmp_path / "db", packed(world.rows))
    layout = write_layout(tmp_path / "image", [rebuilt(listed, (family, version))])

    assert differences(layout, database, trivy) == []
    assert len(told_here(layout, database).findings) > 15
