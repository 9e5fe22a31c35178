"""Documents say what is so: commands exist, variables are listed, dependencies have reasons, locks are exact."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from chalicelib.kernel.settings import Settings
from tests.house.project import PACKAGE, ROOT, name_of, rooms, tracked

LOCKS = ("requirements.txt", "requirements-gateway.txt", "requirements-dev.txt")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def read(name: str) -> str:
    return (ROOT / name).read_text()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))


def test_commands_of_the_readme_exist() -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)", read("README.md")))
    assert {"run", "test"} <= named
    assert named <= make_targets()


def test_commands_of_ci_exist() -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)", read(".ci/run")))
    assert {"check", "test"} <= named
    assert named <= make_targets()


def test_the_makefile_has_the_targets_people_are_told_of() -> None:
    assert {"run", "test", "check", "bench", "lock", "conformance", "clients", "campaign-kills"} <= make_targets()


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_variable_is_explained_to_operators(name: str) -> None:
    assert f"`CRS_{name.upper()}`" in read("docs/operations.md")


def test_operations_names_no_variable_that_does_not_exist() -> None:
    named = set(re.findall(r"`CRS_([A-Z_]+)`", read("docs/operations.md")))
    assert named <= {name.upper() for name in Settings.model_fields}


def declared() -> set[str]:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return {re.split(r"[\[<>=~! ]", line)[0].lower() for line in lines}


@pytest.mark.parametrize("dependency", sorted(declared()))
def test_every_dependency_has_a_reason_and_a_licence(dependency: str) -> None:
    rows = [row.split("|") for row in read("docs/dependencies.md").splitlines() if row.startswith("| `")]
    reasons = {row[1].strip(" `").lower(): (row[2].strip(), row[3].strip()) for row in rows}
    licence, reason = reasons[dependency]
    assert licence
    assert len(reason) > 20


@pytest.mark.parametrize("name", LOCKS)
def test_locks_hold_exact_versions_with_hashes_and_nothing_else(name: str) -> None:
    text = read(name)
    requirements = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    assert len(requirements) > 10
    for requirement in requirements:
        assert re.match(r"[a-z0-9._-]+==\S+", requirement), requirement[:80]
        assert "--hash=sha256:" in requirement, requirement[:80]


def test_a_function_carries_nothing_that_only_tests_or_the_gateway_need() -> None:
    locked = set(re.findall(r"^([a-z0-9._-]+)==", read("requirements.txt"), re.MULTILINE))
    assert locked & {"moto", "pytest", "uvicorn", "uvloop", "starlette"} == set()


@pytest.mark.parametrize("path", [path for path in tracked() if path.suffix == ".md"], ids=name_of)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    dead = [target for target in LINK.findall(path.read_text()) if not (path.parent / target).exists()]
    assert dead == []


def test_the_map_names_every_floor() -> None:
    """chalicelib/README.md stays true as rooms are added."""
    text = (PACKAGE / "README.md").read_text()
    floors = [room.name for room in rooms()] + ["kernel", "ports", "edge", "host", "cli"]
    assert [name for name in floors if f"{name}/" not in text] == []
