"""What a cold start of each function loads: `python -m benchmarks.cold_start` writes benchmarks/RESULTS-cold-start.md.

Measured in fresh interpreters on the unpacked package, nothing else importable: processor time of `import app`, as
Lambda does before the first event, then of opening the stack and of what the handler itself imports with that event.
Times differ from machine to machine, so a run compares with `REFERENCE`, modules of Python's own, loaded in the same
breath. Files and bytes do not: a test compares those on whatever machine it runs.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.package import BUILD, Sizes, package

from .machine import processor

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks" / "RESULTS-cold-start.md"
RECORD: Final = ROOT / "benchmarks" / "cold_start.json"
REFERENCE: Final = "asyncio, concurrent.futures, decimal, email.parser, http.client, logging.config, unittest, xml.sax"
AIM_MS: Final = 400
AIM_BYTES: Final = 60_000_000
# What has grown by more is a finding.
TOLERANCE: Final = 1.10
_CHILD: Final = """
import json, sys, time
paths = {paths!r}
sys.path = [*paths, *(path for path in sys.path if "site-packages" not in path)]
begun = time.process_time(); {first}; first = time.process_time() - begun
begun = time.process_time(); {then}; then = time.process_time() - begun
files = {{getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}}
print(json.dumps([first, then, sorted(file for file in files if file.startswith(tuple(paths)))]))
"""


@dataclass(frozen=True)
class Start:
    """One function's. init_s: before its first event; event_s: with it. files: those of the package that it loaded."""

    init_s: float
    event_s: float
    files: tuple[str, ...]


def functions() -> dict[str, str]:
    """Function → what its handler imports itself, as a statement. The function of the API is `api_handler`."""
    found = {"api_handler": "pass"}
    for node in ast.parse((ROOT / "app.py").read_text()).body:
        if isinstance(node, ast.FunctionDef) and any(isinstance(one, ast.Call) for one in node.decorator_list):
            imports = [one for one in ast.walk(node) if isinstance(one, ast.ImportFrom | ast.Import)]
            found[node.name] = "; ".join(ast.unparse(one) for one in imports) or "pass"
    return found


def start(paths: Sequence[Path], function: str, imports: str) -> Start:
    """One cold start of the function, whose code and packages lie in these folders."""
    environment = {
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_REGION": "eu-central-1",
        "AWS_SECRET_ACCESS_KEY": "none",
        "CRS_SERVE_API": str(function == "api_handler").lower(),
        "CRS_STACK": "aws",
    }
    return _child(paths, "import app", f"app.stack(); {imports}", environment)


def reference() -> float:
    """Seconds that the modules everybody has take here and now."""
    return _child((), f"import {REFERENCE}", "pass", {}).init_s


def _child(paths: Sequence[Path], first: str, then: str, environment: dict[str, str]) -> Start:
    code = _CHILD.format(paths=[str(path) for path in paths], first=first, then=then)
    ended = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=environment | {"PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    init_s, event_s, files = json.loads(ended.stdout)
    return Start(init_s, event_s, tuple(files))


def best(folder: Path, times: int) -> tuple[dict[str, Start], float]:
    """The quickest of so many starts of each function, and of the reference; in turns, for the same luck."""
    wanted = functions()
    rounds = [({name: start([folder], name, code) for name, code in wanted.items()}, reference()) for _ in range(times)]
    quickest = {
        name: Start(
            min(starts[name].init_s for starts, _ in rounds),
            min(starts[name].event_s for starts, _ in rounds),
            rounds[0][0][name].files,
        )
        for name in wanted
    }
    return quickest, min(taken for _, taken in rounds)


def grown(before: dict[str, float], now: dict[str, float]) -> list[str]:
    """A line for each number that is more than the tolerance above its record, or has none."""
    missing = [f"{name} has no record" for name in now.keys() - before.keys()]
    return missing + [
        f"{name} grew from {before[name]:.4g} to {value:.4g}"
        for name, value in now.items()
        if name in before and value > before[name] * TOLERANCE
    ]


def weights() -> dict[str, float]:
    """What does not depend on the machine: files, and their bytes, that each function loads from this checkout."""
    paths = [ROOT, Path(sysconfig.get_path("purelib"))]
    weighed: dict[str, float] = {}
    for name, code in functions().items():
        files = start(paths, name, code).files
        weighed[f"{name} files"] = len(files)
        weighed[f"{name} bytes"] = sum(Path(file).stat().st_size for file in files)
    return weighed


def times_of(starts: dict[str, Start], reference_s: float) -> dict[str, float]:
    return {f"{name} time": (one.init_s + one.event_s) / reference_s for name, one in starts.items()}


@contextmanager
def packaged() -> Iterator[tuple[Path, Sizes]]:
    """The package made anew, unpacked in a folder of its own."""
    sizes = package(BUILD / "package")
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(BUILD / "package" / "deployment.zip") as archive:
        archive.extractall(folder)
        yield Path(folder), sizes


def unpacked(sizes: Sizes) -> int:
    return sum(sizes.values()) - sizes["zip"]


def main(times: int = 12) -> None:
    with packaged() as (folder, sizes):
        starts, reference_s = best(folder, times)
    record = weights() | times_of(starts, reference_s) | {"unpacked": unpacked(sizes), "zip": sizes["zip"]}
    RECORD.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
    RESULTS.write_text(_page(starts, reference_s, sizes, record))
    print(RESULTS.read_text())


def _page(starts: dict[str, Start], reference_s: float, sizes: Sizes, record: dict[str, float]) -> str:
    rows = [
        f"| `{name}` | {one.init_s * 1e3:.0f} | {one.event_s * 1e3:.0f} | {len(one.files)} "
        f"| {record[f'{name} bytes'] / 1e6:.1f} |"
        for name, one in starts.items()
    ]
    heaviest = sorted(((size, name) for name, size in sizes.items() if name != "zip"), reverse=True)[:8]
    return "\n".join(
        [
            "# Cold starts",
            "",
            f"`python -m benchmarks.cold_start` on {processor()}; the quickest of a dozen starts of each.",
            f"Python's own `{REFERENCE}` take {reference_s * 1e3:.0f} ms here.",
            "",
            f"Package: {sizes['zip'] / 1e6:.1f} MB, unpacked {unpacked(sizes) / 1e6:.1f} MB of {AIM_BYTES / 1e6:.0f}.",
            f"Largest: {', '.join(f'{name} {size / 1e6:.1f}' for size, name in heaviest)}.",
            "",
            f"Milliseconds of processor time; aim: {AIM_MS} before the first event.",
            "",
            "| function | before the first event | with it: clients, own imports | files | MB loaded |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"`cold_start.json` keeps these numbers; what grows by more than {TOLERANCE - 1:.0%} fails a test.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
