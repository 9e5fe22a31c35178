"""GET rows with ``wrk`` where it is installed: a client in C that costs half of what ours does.

It is used for GET of small things only: it never ends a HEAD whose answer announces a length, and it copies the bytes
of a large body out of the kernel 8 KiB at a time. It follows no redirects, so the row is asked once by our own client
before, and goes to ``wrk`` only when the answer is a plain 200.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import LoadFailed
from benchmarks.wire import Request

_SCRIPT = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("figures %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"""
_FIGURES = re.compile(r"^figures (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class WrkOutcome:
    """What wrk reports; latencies of whole requests."""

    operations: int
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    client_cpu_s: float


def find_wrk() -> str | None:
    """Its path, or None when it is not installed."""
    return shutil.which("wrk")


def run_wrk(
    binary: str, address: tuple[str, int], connections: int, request: Request, seconds: int, folder: Path
) -> WrkOutcome:
    """Repeats one GET on so many connections for whole seconds; raises LoadFailed when wrk reports nothing.

    folder  takes the small Lua script that makes it print its figures
    """
    script = folder / "figures.lua"
    script.write_text(_SCRIPT)
    first, *lines = request.head.decode("latin-1").strip().split("\r\n")
    path = first.split(" ")[1]
    headers = [part for line in lines for part in ("-H", line)]
    url = f"http://{address[0]}:{address[1]}{path}"
    before = os.times()
    done = subprocess.run(
        [binary, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), *headers, url],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    after = os.times()
    found = _FIGURES.search(done.stdout)
    if found is None or found[1] == "0":
        raise LoadFailed(f"wrk measured nothing: {(done.stderr or done.stdout)[-500:]}")
    operations, elapsed_us, p50_us, p99_us, errors = (int(figure) for figure in found.groups())
    cpu_s = after.children_user - before.children_user + after.children_system - before.children_system
    return WrkOutcome(operations, elapsed_us / 1e6, p50_us / 1e3, p99_us / 1e3, errors, cpu_s)
