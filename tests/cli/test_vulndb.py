"""What an operator types about the vulnerability database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chalicelib.cli.commands import crs
from chalicelib.kernel.messages import RescanImages
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import open_stack
from tests.ports_remote.foreign import Foreign, foreign
from tests.scanning.vulndb import artifact, make_database, packages, packed
from tests.stacks import make_instance

Run = Callable[..., Result]
LATER = "2026-01-31T18:00:00Z"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    with open_stack(Settings(data=tmp_path / "data")) as stack:
        make_instance(stack)

    def call(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(crs, ["vulndb", *arguments], env={"CRS_DATA": str(tmp_path / "data"), **environment})

    return call


@pytest.fixture
def registry() -> Iterator[Foreign]:
    with foreign() as made:
        yield made


def test_without_a_database_that_is_what_is_shown(run: Run) -> None:
    """S2"""
    assert run("show").output.split() == ["state", "none"]


def test_a_folder_is_imported_and_shown_with_its_age(run: Run, tmp_path: Path) -> None:
    """S2: offline."""
    result = run("import", str(make_database(tmp_path / "database")))
    assert result.exit_code == 0, result.output
    shown = dict(line.split(maxsplit=1) for line in run("show").output.splitlines())
    assert shown["state"] == "stale"
    assert shown["updated_at"].startswith("2026-01-31T06:00:00.123456789Z  (")
    assert shown["updated_at"].endswith(" days ago)")
    assert shown["digest"].startswith("sha256:")


def test_every_instance_is_judged_by_what_was_imported(run: Run, tmp_path: Path) -> None:
    """S4: by the service that runs beside the command."""
    run("import", str(make_database(tmp_path / "database")))
    with open_stack(Settings(data=tmp_path / "data")) as stack:
        assert stack.queues.depth(RescanImages.queue) == 1


def test_a_database_that_is_refused_is_told_with_the_reason_and_force_takes_it(run: Run, tmp_path: Path) -> None:
    run("import", str(make_database(tmp_path / "database")))
    smaller = str(make_database(tmp_path / "smaller", packages(10), updated_at=LATER))
    refused = run("import", smaller)
    assert (refused.exit_code, "10 rows" in refused.output) == (1, True)
    assert run("import", "--force", smaller).exit_code == 0
    assert LATER in run("show").output


def test_a_reference_is_imported_once_and_looked_at_by_check(run: Run, registry: Foreign, tmp_path: Path) -> None:
    """S2"""
    layer = packed(make_database(tmp_path / "database"))
    registry.add(layer)
    registry.tags["2"] = artifact(layer)
    source = f"127.0.0.1:{registry.port}/owner/app:2"
    assert run("import", source).exit_code == 0
    assert source in run("show").output
    assert run("check", CRS_VULNDB_SOURCE=source).exit_code == 0
    registry.tags.clear()
    failed = run("check", CRS_VULNDB_SOURCE=source)
    assert failed.exit_code == 1
    assert "last_error" in failed.output


def test_check_without_a_source_says_what_is_missing(run: Run) -> None:
    result = run("check")
    assert result.exit_code == 1
    assert "CRS_VULNDB_SOURCE" in result.output


@pytest.mark.parametrize("source", ["/nowhere/at/all", "alpine", "trivy-db:2"])
def test_what_is_neither_a_path_nor_a_reference_is_refused(run: Run, source: str) -> None:
    result = run("import", source)
    assert result.exit_code == 1
    assert "no reference" in result.output
