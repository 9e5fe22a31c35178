"""``python -m benchmarks.console``: how soon the console's list of tags is there, with 100 000 of them.

The service runs as its users run it. Chromium opens the list of a repository with 10 tags and of one with 100 000, each
time in a window that stands open, of a browser profile that was never there before: until its first contentful paint,
and what came over the wire for it, with style sheet, scripts and icons. Beside that the page's own time over HTTP, and
its calls of the table, counted in this process. Prints a page of results; ``--output`` also writes it to a file.
"""

import argparse
import http.client
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.machine import describe_machine
from benchmarks.process import Launch, Server
from benchmarks.runner import free_port
from benchmarks.tag_pages import LARGE_TAGS, SMALL_TAGS, fill
from chalicelib.accounts.service import Accounts
from chalicelib.console.visit import SESSION_COOKIE
from chalicelib.host.first_start import first_start
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import open_stack
from tests.calls.counting import Calls, counted, told
from tests.console.browser.chromium import launched
from tests.console.browsing import Browser as InProcess

MOST_MS, MOST_BYTES = 300, 60_000
"""What the first contentful paint may take, and what may come over the wire for it."""
# A new profile has a window at once, and goes on starting behind it; that is the browser's time, not the page's.
_SETTLED_S = 1.0
_PASSWORD = "correct-horse-battery-42"
_MEASURED = """() => {
  const [page] = performance.getEntriesByType("navigation"), rest = performance.getEntriesByType("resource");
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  const sent = [page, ...rest].reduce((sum, one) => sum + one.transferSize, 0);
  return [paint.startTime, sent, page.transferSize, 1 + rest.length];
}"""


@dataclass(frozen=True)
class Found:
    """Of the list of so many tags. Times in milliseconds; paints: until the first contentful one, a load each; sent,
    page: bytes over the wire, of all and of the page alone, compressed; requests: that a load makes; calls: of the
    table and the other ports, in words; raw: the page's bytes before compression."""

    tags: int
    paints: list[float]
    sent: int
    page: int
    raw: int
    requests: int
    served: list[float]
    calls: str


def path_of(tags: int) -> str:
    return f"/console/instances/default/namespaces/library/repositories/tags-{tags}"


def prepare(data: Path, sizes: tuple[int, ...]) -> tuple[str, dict[int, str]]:
    """Token of a session, and what a page calls, by number of tags."""
    settings = Settings.from_environment({"CRS_DATA": str(data), "CRS_ADMIN_PASSWORD": _PASSWORD})
    with open_stack(settings) as stack:
        instance = first_start(stack).instance
        for tags in sizes:
            fill(stack, instance, f"tags-{tags}", tags)
        token = Accounts(stack).sign_in("default", "admin", _PASSWORD, "127.0.0.1").token
        calls, made = Calls(), {}
        browser = InProcess(counted(stack, calls), token)
        for tags in sizes:
            path = path_of(tags).removeprefix("/console")
            for _ in range(3):
                browser.get(path)
            with calls.counting() as counting:
                seen = browser.get(path)
            if seen.status != 200:
                raise RuntimeError(seen.words)
            made[tags] = told(counting)
    return token, made


def serve_times(port: int, token: str, tags: int, requests: int) -> tuple[list[float], int]:
    """Milliseconds of each whole request over a kept connection, and bytes before compression."""
    connection, times, raw = http.client.HTTPConnection("127.0.0.1", port), [], 0
    for _ in range(requests):
        begun = time.perf_counter()
        connection.request("GET", path_of(tags), headers={"Cookie": f"{SESSION_COOKIE}={token}"})
        answer = connection.getresponse()
        raw = len(answer.read())
        times.append((time.perf_counter() - begun) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"the page answered {answer.status}")
    connection.close()
    return times, raw


def open_cold(browser: Browser, port: int, token: str, tags: int) -> tuple[float, int, int, int]:
    """Paint in milliseconds, bytes of all and of the page, requests."""
    context = browser.new_context()
    context.add_cookies([{"name": SESSION_COOKIE, "value": token, "domain": "127.0.0.1", "path": "/console"}])
    page = context.new_page()
    time.sleep(_SETTLED_S)
    page.goto(f"http://127.0.0.1:{port}{path_of(tags)}", wait_until="networkidle")
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    paint, sent, alone, requests = page.evaluate(_MEASURED)
    context.close()
    return paint, sent, alone, requests


def measure(folder: Path, sizes: tuple[int, ...], loads: int, requests: int) -> list[Found]:
    token, calls = prepare(folder / "data", sizes)
    port = free_port()
    environment = {"CRS_PORT": str(port), "CRS_DATA": str(folder / "data"), "CRS_ADMIN_PASSWORD": _PASSWORD}
    launch = Launch((sys.executable, "-m", "chalicelib.cli", "serve"), environment, folder=Path(__file__).parent.parent)
    found = []
    ready = f"http://127.0.0.1:{port}/readyz"
    with Server(launch, ready, folder / "log"), launched() as browser:
        for tags in sizes:
            # Neither the service's first request nor the browser's is what people see all day.
            serve_times(port, token, tags, 10)
            open_cold(browser, port, token, tags)
            served, raw = serve_times(port, token, tags, requests)
            opened = [open_cold(browser, port, token, tags) for _ in range(loads)]
            _, sent, page, count = opened[-1]
            found.append(Found(tags, [one[0] for one in opened], sent, page, raw, count, served, calls[tags]))
    return found


def report(found: list[Found], command: str, machine: tuple[tuple[str, str], ...], *, busy: bool) -> str:
    """busy: other programs had more than this machine's processors to do, so that times say nothing of the console."""
    loads, requests = len(found[0].paints), len(found[0].served)
    lines = [
        "# The console's list of tags",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC: `{command}`",
        "",
        *(f"- {name}: {value}" for name, value in machine),
        "",
        f"A page of 50 rows; {loads} loads, each in an open window of a browser that was never there before; "
        f"{requests} requests over HTTP.",
        "",
        f"| tags | first contentful paint: median · fastest · slowest (< {MOST_MS} ms) "
        f"| transferred, cold (< {MOST_BYTES:,} bytes) | of that the page | requests | page before compression "
        "| page over HTTP: median · p95 | calls of a page |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in found:
        paint, fastest, slowest = statistics.median(one.paints), min(one.paints), max(one.paints)
        served = sorted(one.served)
        lines.append(
            f"| {one.tags:,} | {'?' if busy else _mark(paint < MOST_MS)} {paint:.0f} ms · {fastest:.0f} ms "
            f"· {slowest:.0f} ms "
            f"| {_mark(one.sent < MOST_BYTES)} {one.sent:,} | {one.page:,} | {one.requests} | {one.raw:,} "
            f"| {statistics.median(served):.1f} ms · {served[int(0.95 * len(served))]:.1f} ms | {one.calls} |"
        )
    same = len({one.calls for one in found}) == 1
    lines += ["", f"{_mark(same)} a page makes the same calls, however many tags there are."]
    if busy:
        lines += ["", "? The machine was busy with other programs: the times are no verdict. Measure on a quiet one."]
    return "\n".join(lines) + "\n"


def _mark(good: bool) -> str:
    return "✓" if good else "✗"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console", description=__doc__)
    parser.add_argument("--tags", type=int, default=LARGE_TAGS)
    parser.add_argument("--loads", type=int, default=20, help="by the browser, of each list")
    parser.add_argument("--requests", type=int, default=50, help="over HTTP, of each list")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    command = "python -m benchmarks.console " + " ".join(
        f"--{name} {value}" for name, value in vars(options).items() if name != "output"
    )
    with tempfile.TemporaryDirectory() as folder:
        machine, busy = describe_machine(Path(folder), None), os.getloadavg()[0] > (os.cpu_count() or 1)
        found = measure(Path(folder), (SMALL_TAGS, options.tags), options.loads, options.requests)
    page = report(found, command, machine, busy=busy)
    print(page)
    if options.output:
        options.output.write_text(page)


if __name__ == "__main__":
    main()
