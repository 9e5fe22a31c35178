"""Where things are, for the tests that look at the project itself."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "chalicelib"
# Floors that are no rooms: free in how they name their files.
NO_ROOMS: Final = frozenset(
    {
        "kernel",
        "layers",
        "estargz",
        "starts",
        "packages",
        "advisories",
        "ports",
        "edge",
        "copying",
        "host",
        "cli",
        "console",
    }
)


def sources() -> Iterator[Path]:
    """Every Python file of the product, its tests and its benchmarks."""
    yield from (ROOT / "app.py", ROOT / "gateway.py")
    for folder in ("chalicelib", "infra", "tests", "benchmarks"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def product_sources() -> Iterator[Path]:
    yield from (path for path in sources() if path.is_relative_to(PACKAGE) or path.parent == ROOT)


def rooms() -> list[Path]:
    folders = (entry for entry in PACKAGE.iterdir() if (entry / "__init__.py").exists())
    return sorted(folder for folder in folders if folder.name not in NO_ROOMS)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tracked() -> tuple[Path, ...]:
    """Files under version control; all files where there is no repository."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        return tuple(path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts)
    names = listing.stdout.decode().split("\0")
    return tuple(path for name in names if name and (path := ROOT / name).is_file())
