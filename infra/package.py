"""Makes what is deployed: `python -m infra.package [FOLDER]` writes sam.json and deployment.zip (build/package).

    requirements.txt ─► vendored for Lambda's platform ─► trimmed ─┐
    app.py, chalicelib, .chalice ──────────────────────────────────┼─► compiled ─► chalice package ─► sam.json + zip
    infra/template ─► merge.json ──────────────────────────────────┘

Nothing of AWS is called. Packages come from pip's own places once, and from build/vendored-… after that.
"""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import chalice.app

from . import template

ROOT: Final = Path(__file__).resolve().parents[1]
BUILD: Final = ROOT / "build"
STAGE: Final = "aws"
# What a function calls by boto3. The descriptions of all others would be nine tenths of the package.
SERVICES: Final = ("dynamodb", "s3", "secretsmanager", "sqs")
# The C library of Lambda's machines: Amazon Linux 2 below Python 3.12, Amazon Linux 2023 from there.
_GLIBC: Final = 26 if sys.version_info < (3, 12) else 34
_PLATFORMS: Final = (*(f"manylinux_2_{minor}_x86_64" for minor in range(_GLIBC, 16, -1)), "manylinux2014_x86_64")
# What only one machine needs or the gateway's tasks, and no function imports.
_LEFT_OUT: Final = ("host", "cli", "console", "ports/embedded")
# Commands; boto3's resources, where we use clients; a router, where Chalice is ours.
_UNOPENED: Final = ("bin", "boto3/data", "boto3/examples", "aws_lambda_powertools/event_handler")
_CHALICE: Final = (sys.executable, "-c", "from chalice.cli import main; main()")
_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
Sizes = dict[str, int]


def package(folder: Path) -> Sizes:
    """Answers bytes: of the zip, and unpacked of each top-level folder in it."""
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as parent:
        project = Path(parent) / "project"
        stage(project)
        shutil.copytree(vendored(), project / "vendor")
        _compile(project)
        synthesise(project, folder)
    return sizes(folder / "deployment.zip")


def stage(project: Path) -> None:
    """What Chalice packages: the app and its configuration, without what no function needs."""
    shutil.copytree(ROOT / "chalicelib", project / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in _LEFT_OUT:
        shutil.rmtree(project / "chalicelib" / name)
    (project / ".chalice").mkdir()
    for file in (template.CONFIG, *template.CONFIG.parent.glob("policy-*.json")):
        shutil.copy(file, project / ".chalice")
    shutil.copy(ROOT / "app.py", project)
    # Chalice would install its packages itself, untrimmed.
    (project / "requirements.txt").touch()


def synthesise(project: Path, folder: Path) -> None:
    """Chalice's own template and our part, as one: sam.json, beside deployment.zip. Calls nothing of AWS."""
    merge = project / "merge.json"
    merge.write_text(json.dumps(_part(), indent=2))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CRS_"))}
    made = subprocess.run(
        [*_CHALICE, "package", "--stage", STAGE, "--merge-template", merge, folder],
        cwd=project,
        env=environment | {"CRS_STACK": "aws", "AWS_DEFAULT_REGION": "us-east-1", "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise RuntimeError(f"chalice package failed: {made.stdout}{made.stderr}")


def sizes(archive: Path) -> Sizes:
    unpacked: Sizes = {}
    with zipfile.ZipFile(archive) as held:
        for entry in held.infolist():
            top = entry.filename.partition("/")[0]
            unpacked[top] = unpacked.get(top, 0) + entry.file_size
    return {"zip": archive.stat().st_size, **unpacked}


def vendored() -> Path:
    """The locked packages for Lambda, trimmed; made once for each lock and Python."""
    lock = ROOT / "requirements.txt"
    known = hashlib.sha256(lock.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    made = BUILD / f"vendored-{_PYTHON}-{known}"
    if not made.exists():
        fresh = made.with_name(f"{made.name}.{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
        chosen = ["--only-binary=:all:", "--no-deps", "--require-hashes", "--python-version", _PYTHON, *platforms]
        quiet = ["--quiet", "--disable-pip-version-check", "--no-compile"]
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            *quiet,
            *chosen,
            "--target",
            str(fresh),
            "--requirement",
            str(lock),
        ]
        subprocess.run(command, check=True)
        trim(fresh)
        fresh.rename(made)
    return made


def trim(packages: Path) -> None:
    """Takes away what no function opens."""
    descriptions = packages / "botocore" / "data"
    for service in [entry for entry in descriptions.iterdir() if entry.is_dir() and entry.name not in SERVICES]:
        shutil.rmtree(service)
    for unneeded in _UNOPENED:
        shutil.rmtree(packages / unneeded)
    for tests in [entry for entry in packages.rglob("tests") if entry.is_dir()]:
        shutil.rmtree(tests)


def _compile(project: Path) -> None:
    """Lambda's disk is read-only: without these, each cold start would compile what it imports."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for folder in ("chalicelib", "vendor"):
        compileall.compile_dir(project / folder, quiet=2, invalidation_mode=mode, stripdir=str(project), workers=0)
    # Chalice brings its own two modules, and brings them as source.
    cache = project / "vendor" / "chalice" / "__pycache__"
    for module in ("app.py", "__init__.py"):
        source = Path(chalice.app.__file__).with_name(module)
        compiled = cache / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        py_compile.compile(str(source), str(compiled), f"chalice/{module}", doraise=True, invalidation_mode=mode)


def _part() -> template.Part:
    from app import app

    return template.build(app)


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0]).resolve() if arguments else BUILD / "package"
    made = package(folder)
    archive = made.pop("zip")
    print(f"{folder}/sam.json, deployment.zip: {archive / 1e6:.1f} MB, unpacked {sum(made.values()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
