"""The image that scans by Trivy on AWS: built from its Dockerfile, with what its function needs and nothing else.

AWS's own base image, which brings what Lambda talks to, cannot be had everywhere: a Debian with Python stands for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.clients.conftest import Shell, program
from tests.clients.container import BASE, IMAGE, Engine, wheels

pytestmark = pytest.mark.clients

TRIVY = "localhost/crs-trivy"
# What the image adds to its base, but for the program itself.
MOST_BYTES = 70 * 1024 * 1024


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with TemporaryDirectory(prefix="crs-") as home:
        built = Engine(Shell(Path(home)))
        built.of_files(TRIVY, (Path(program("trivy")), "/usr/local/bin/trivy"))
        built.build(wheels(tmp_path_factory.mktemp("wheels")), "infra/scanner.Dockerfile", f"TRIVY={TRIVY}")
        yield built
        built.podman("system", "reset", "--force")


def test_the_image_answers_for_the_function_of_scans(engine: Engine) -> None:
    """S1: the handler that it names is there and takes messages; settings are those of a function that scans."""
    configuration = engine.inspect()["Config"]
    assert configuration["Cmd"] == ["app.scans"]
    script = (
        "import app, json, shutil; from chalicelib.scanning.engines import engine_of;"
        "print(json.dumps([callable(app.scans), app.SETTINGS.scanner, app.SETTINGS.serve_api, shutil.which('trivy')]))"
    )
    options = ("--rm", "--entrypoint", "python3", "--env", "AWS_REGION=eu-central-1")
    told = engine.run("-c", script, options=options)
    assert json.loads(told.splitlines()[-1]) == [True, "trivy", False, "/usr/local/bin/trivy"]


def test_the_program_runs_in_it(engine: Engine) -> None:
    told = engine.run("--version", options=("--rm", "--entrypoint", "/usr/local/bin/trivy"))
    assert "Version:" in told


def test_the_image_has_nothing_that_a_function_does_not_open(engine: Engine) -> None:
    added = engine.size_bytes(IMAGE) - engine.size_bytes(BASE) - os.path.getsize(program("trivy"))
    assert added < MOST_BYTES
    names = ["pytest", "moto", "infra", "chalicelib.host", "chalicelib.cli"]
    script = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    assert engine.python(script) == "[]"
