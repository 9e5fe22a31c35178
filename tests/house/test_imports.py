"""Who may import whom."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import grimp
import pytest

from tests.house.project import PACKAGE, ROOT, name_of, product_sources, rooms, sources

PRIVATE = ("store", "rules")
# Inside a room knowledge flows one way: what stands further left imports what stands further right.
INSIDE = {"models": {"service", "store", "api", "handlers"}, "rules": {"service", "store", "api", "handlers"}}


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("chalicelib", cache_dir=None)


def test_floors_hold() -> None:
    """The contracts of pyproject.toml."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("room", [room.name for room in rooms()])
def test_nobody_imports_another_rooms_store_or_rules(room: str) -> None:
    own = f"chalicelib.{room}"
    strangers = {
        f"{importer} → {private}"
        for name in PRIVATE
        if (private := f"{own}.{name}") in graph().modules
        for importer in graph().find_modules_that_directly_import(private)
        if not importer.startswith(own + ".")
    }
    assert strangers == set()


@pytest.mark.parametrize("room", [room.name for room in rooms()])
def test_models_and_rules_of_a_room_know_nothing_above_them(room: str) -> None:
    wrong = {
        f"{low} → {high}"
        for low, above in INSIDE.items()
        for high in above
        if {f"chalicelib.{room}.{low}", f"chalicelib.{room}.{high}"} <= graph().modules
        and graph().direct_import_exists(importer=f"chalicelib.{room}.{low}", imported=f"chalicelib.{room}.{high}")
    }
    assert wrong == set()


def test_top_level_programs_use_the_doors_of_rooms() -> None:
    private = tuple(f"chalicelib.{room.name}.{name}" for room in rooms() for name in PRIVATE)
    offenders = [
        name_of(path)
        for path in (ROOT / "app.py", ROOT / "gateway.py")
        if any(module in path.read_text() for module in private)
    ]
    assert offenders == []


def test_only_the_ports_for_aws_speak_to_aws() -> None:
    allowed = PACKAGE / "ports" / "aws"
    offenders = [
        name_of(path)
        for path in product_sources()
        if not path.is_relative_to(allowed) and any(word in path.read_text() for word in ("boto3", "botocore"))
    ]
    assert offenders == []


def test_nobody_reads_chalices_global_request() -> None:
    """It is one for the whole process: concurrent requests would read each other's."""
    assert [name_of(path) for path in product_sources() if "current_request" in path.read_text()] == []


def test_the_stack_is_chosen_in_one_place() -> None:
    """Above the ports no code asks which stack it runs on, but the host, which is one machine's by nature."""
    offenders = [
        name_of(path)
        for path in sources()
        if path.is_relative_to(PACKAGE)
        and path.relative_to(PACKAGE).parts[0] not in {"ports", "host", "cli", "kernel"}
        and ("settings.stack" in path.read_text() or "CRS_STACK" in path.read_text())
    ]
    assert offenders == []
