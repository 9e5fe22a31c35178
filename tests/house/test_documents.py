"""Documents say what is so: commands exist, variables are listed, dependencies have reasons, locks are exact."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from chalicelib.kernel.settings import Settings
from tests.house.project import PACKAGE, ROOT, name_of, rooms, tracked

LOCKS = ("requirements.txt", "requirements-gateway.txt", "requirements-dev.txt")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
METHODS = "GET|POST|PUT|PATCH|DELETE"
# `GET POST /users`, `DELETE …/shares/{share}?confirm=<name>`, and the same at the beginning of a line of an example.
OPERATION = re.compile(rf"(?:`|^)((?:(?:{METHODS}) )+)…?(/[^\s?`]+)", re.MULTILINE)
PAGES = sorted((ROOT / "docs").glob("*.md"))


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
    told = {"run", "test", "check", "bench", "lock", "conformance", "clients", "browser", "pictures", "campaign-kills"}
    assert told <= make_targets()


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_variable_is_explained_to_operators(name: str) -> None:
    assert f"`CRS_{name.upper()}`" in read("docs/operations.md")


def test_operations_names_no_variable_that_does_not_exist() -> None:
    named = set(re.findall(r"`CRS_([A-Z_]+)`", read("docs/operations.md")))
    assert named <= {name.upper() for name in Settings.model_fields}


def declared() -> set[str]:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return {re.split(r"[\[<>=~! ;]", line)[0].lower() for line in lines}


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


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_readme_leads_to_every_page(page: Path) -> None:
    named = LINK.findall(read("README.md"))
    assert f"docs/{page.name}" in named


def operations() -> set[tuple[str, str]]:
    """Method and path of everything in the OpenAPI document; a part in braces is any part."""
    paths = json.loads(read("docs/openapi.json"))["paths"]
    return {(method.upper(), re.sub(r"{[^}]+}", "{}", path)) for path, methods in paths.items() for method in methods}


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=name_of)
def test_every_path_that_a_page_names_is_one_of_the_api(page: Path) -> None:
    """A part that stands for others may be an example: `PATCH /accounts/acme`."""
    known = operations() | {("GET", path) for path in ("/healthz", "/readyz")}
    for methods, path in OPERATION.findall(page.read_text()):
        for method in methods.split():
            assert any(method == m and fits(path, known_path) for m, known_path in known), f"{method} {path}"


def fits(path: str, known: str) -> bool:
    """The known path ends like the one named, part for part, and the first of them letter for letter."""
    named, parts = path.strip("/").split("/"), known.strip("/").split("/")
    ending = parts[-len(named) :]
    if len(ending) != len(named) or ending[0] != named[0]:
        return False
    return all(part in ("{}", name) for name, part in zip(named, ending, strict=True))


def test_pages_are_held_to_the_paths_that_the_api_has() -> None:
    assert OPERATION.findall("`GET POST /users`, `DELETE …/shares/{share}?confirm=a`") == [
        ("GET POST ", "/users"),
        ("DELETE ", "/shares/{share}"),
    ]
    assert fits("/users/{user}", "/api/v1/users/{}")
    assert fits("/accounts/acme", "/api/v1/accounts/{}")
    assert not fits("/people", "/api/v1/users")
    assert not fits("/people", "/api/v1/users/{}")
