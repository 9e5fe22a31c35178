"""What a cold start of each function loads: `python -m benchmarks.cold_start` writes benchmarks/RESULTS-cold-start.md.

Measured in fresh interpreters on the unpacked package, nothing else importable: processor time of `import app`, as
Lambda does before the first event, then of opening the stack and of what the handler itself imports with that event.
Times differ from machine to machine and are recorded only. What a machine has no part in is compared by tests: files,
bytes, and the calls of functions that a start makes, which is what its time goes to.
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
AIM_MS: Final = 400
AIM_BYTES: Final = 60_000_000
# What has grown by more is a finding.
TOLERANCE: Final = 1.10
_CHILD: Final = """
import json, sys, time
paths = {paths!r}
calls = 0
def called(*_):
    global calls
    calls += 1
sys.setprofile(called if {counting} else None)
sys.path = [*paths, *(path for path in sys.path if "site-packages" not in path)]
begun = time.process_time(); {first}; first = time.process_time() - begun
begun = time.process_time(); {then}; then = time.process_time() - begun
sys.setprofile(None)
files = {{getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}}
print(json.dumps([first, then, calls, sorted(file for file in files if file.startswith(tuple(paths)))]))
"""


@dataclass(frozen=True)
class Start:
    """One function's. init_s: before its first event; event_s: with it. calls: of functions, entered and left, where
    they were counted, which takes its time. files: those of the package that it loaded."""

    init_s: float
    event_s: float
    calls: int
    files: tuple[str, ...]


def functions() -> dict[str, str]:
    """Function → what its handler imports itself, as a statement. The function of the API is `api_handler`."""
    found = {"api_handler": "pass"}
    for node in ast.parse((ROOT / "app.py").read_text()).body:
        if isinstance(node, ast.FunctionDef) and any(isinstance(one, ast.Call) for one in node.decorator_list):
            imports = [one for one in ast.walk(node) if isinstance(one, ast.ImportFrom | ast.Import)]
            found[node.name] = "; ".join(ast.unparse(one) for one in imports) or "pass"
    return found


def start(paths: Sequence[Path], function: str, imports: str, *, counting: bool = False) -> Start:
    """One cold start of the function, whose code and packages lie in these folders."""
    environment = {
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_REGION": "eu-central-1",
        "AWS_SECRET_ACCESS_KEY": "none",
        "CRS_SERVE_API": str(function == "api_handler").lower(),
        "CRS_STACK": "aws",
        "PATH": os.environ["PATH"],
        "PYTHONHASHSEED": "0",
    }
    places, then = [str(path) for path in paths], f"app.stack(); {imports}"
    code = _CHILD.format(paths=places, first="import app", then=then, counting=counting)
    ended = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environment, check=True, capture_output=True, text=True, timeout=120
    )
    init_s, event_s, calls, files = json.loads(ended.stdout)
    return Start(init_s, event_s, calls, tuple(files))


def one_of_each(paths: Sequence[Path], *, counting: bool = False) -> dict[str, Start]:
    """Of each function. Those whose handlers import the same start alike, so that one of them starts for all."""
    found: dict[tuple[bool, str], Start] = {}
    # That of the API has its routes as well.
    each = {name: (name == "api_handler", imports) for name, imports in functions().items()}
    for name, kind in each.items():
        if kind not in found:
            found[kind] = start(paths, name, kind[1], counting=counting)
    return {name: found[kind] for name, kind in each.items()}


def best(folder: Path, times: int) -> dict[str, Start]:
    """The quickest of so many starts of each function; in turns, so that all had the same luck."""
    rounds = [{name: start([folder], name, code) for name, code in functions().items()} for _ in range(times)]
    return {
        name: Start(
            min(one[name].init_s for one in rounds), min(one[name].event_s for one in rounds), 0, rounds[0][name].files
        )
        for name in rounds[0]
    }


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
    for name, one in one_of_each(paths).items():
        weighed[f"{name} files"] = len(one.files)
        weighed[f"{name} bytes"] = sum(Path(file).stat().st_size for file in one.files)
    return weighed


def packaged_weights(folder: Path, sizes: Sizes) -> dict[str, float]:
    """What does not depend on the machine, but on the package."""
    calls = {f"{name} calls": one.calls for name, one in one_of_each([folder], counting=True).items()}
    return {**calls, "unpacked": unpacked(sizes), "zip": sizes["zip"]}


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
        starts = best(folder, times)
        record = weights() | packaged_weights(folder, sizes)
    RECORD.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
    RESULTS.write_text(_page(starts, sizes, record, times))
    print(RESULTS.read_text())


def _page(starts: dict[str, Start], sizes: Sizes, record: dict[str, float], times: int) -> str:
    rows = [
        f"| `{name}` | {one.init_s * 1e3:.0f} | {one.event_s * 1e3:.0f} | {len(one.files)} "
        f"| {record[f'{name} bytes'] / 1e6:.1f} | {record[f'{name} calls'] / 2000:.0f} |"
        for name, one in starts.items()
    ]
    heaviest = sorted(((size, name) for name, size in sizes.items() if name != "zip"), reverse=True)[:8]
    return "\n".join(
        [
            "# Cold starts",
            "",
            f"`python -m benchmarks.cold_start` on {processor()}; the quickest of {times} starts of each.",
            "",
            f"Package: {sizes['zip'] / 1e6:.1f} MB, unpacked {unpacked(sizes) / 1e6:.1f} MB of {AIM_BYTES / 1e6:.0f}.",
            f"Largest: {', '.join(f'{name} {size / 1e6:.1f}' for size, name in heaviest)}.",
            "",
            f"Milliseconds of processor time; aim: {AIM_MS} before the first event.",
            "",
            "| function | before the first event | with it: clients, imports | files | MB loaded | thousand calls |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "`cold_start.json` keeps files, bytes, calls and sizes;",
            f"one that grows by more than {TOLERANCE - 1:.0%} fails a test.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
