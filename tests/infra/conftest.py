"""The template as it would be deployed, made once for all tests that look at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.package import stage, synthesise


@pytest.fixture(scope="session")
def template_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sam.json, without the packages that the zip beside it would hold: they need a network."""
    folder = tmp_path_factory.mktemp("package")
    stage(folder / "project")
    synthesise(folder / "project", folder / "out")
    return folder / "out" / "sam.json"


@pytest.fixture(scope="session")
def template(template_file: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(template_file.read_text())
    return made
