"""``python -m benchmarks.api``: how many requests of the management API the embedded service answers, and at what cost.

The service runs as its users run it, on an empty folder; the client of the registry's benchmark asks it over sockets,
signed in, through the gate. Beside that: what the wrapper costs in this process, without a socket, step by step.
Prints the page; ``--output FILE`` also writes it.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.load import LoadFailed
from benchmarks.machine import describe_machine, pin_to_cores
from benchmarks.measure import Effort, choose_client, measure
from benchmarks.process import Launch, Server
from benchmarks.results import Sample
from benchmarks.rows import Row, Workload
from benchmarks.runner import free_port
from benchmarks.wire import Operation, Request, build_request
from benchmarks.wrk import find_wrk

_PASSWORD = "correct-horse-battery-42"
_CONNECTIONS = (1, 8)
_NUMBERS = itertools.count()
_IN_PROCESS = 3000
_DISTURBED_SHARE = 0.1


@dataclass(frozen=True)
class Site:
    """A running service, signed in at, with a repository of a few tags."""

    port: int
    token: str
    instance: str
    tags: str

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Request:
        headers = {"Host": f"127.0.0.1:{self.port}", "Authorization": f"Bearer {self.token}"}
        sent: tuple[memoryview, ...] = ()
        if body is not None:
            headers["Content-Type"] = "application/json"
            sent = (memoryview(json.dumps(body).encode()),)
        return build_request(method, f"/api/v1{path}", headers, sent)


def ask(port: int, method: str, path: str, token: str = "", body: Mapping[str, Any] | None = None) -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1{path}", method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def prepare(port: int) -> Site:
    token = ask(port, "POST", "/session", body={"username": "admin", "password": _PASSWORD})["token"]
    instance = ask(port, "GET", "/instances/default", token)["id"]
    place = f"/instances/{instance}/namespaces/library/repositories"
    repository = ask(port, "POST", place, token, {"name": "app"})
    for number in range(20):
        ask(port, "POST", place, token, {"name": f"app-{number}"})
    return Site(port, token, instance, f"{place}/{repository['id']}/tags")


def _steady(site: Site, path: str) -> Workload:
    request = site.request("GET", path)

    def once() -> Operation:
        (yield request).expect(200)

    return Workload(once, request)


def _create_and_delete(site: Site) -> Workload:
    """A repository of its own each time. Two requests count as one operation."""
    place = f"/instances/{site.instance}/namespaces/library/repositories"

    def once() -> Operation:
        name = f"made-{next(_NUMBERS)}"
        (yield site.request("POST", place, {"name": name})).expect(201)
        (yield site.request("DELETE", f"{place}/{name}?confirm={name}")).expect(204)

    return Workload(once)


def _edit(site: Site) -> Workload:
    path = f"/instances/{site.instance}/namespaces/library"

    def once() -> Operation:
        (yield site.request("PATCH", path, {"scan_on_push": next(_NUMBERS) % 2 == 0})).expect(200)

    return Workload(once)


@dataclass(frozen=True)
class Asked:
    """One line of the page. writes: whether the server may have work left after the last answer."""

    title: str
    make: Callable[[Site], Workload]
    writes: bool = False


ASKED: tuple[Asked, ...] = (
    Asked("read an instance", lambda site: _steady(site, f"/instances/{site.instance}")),
    Asked("list instances", lambda site: _steady(site, "/instances")),
    Asked("read a namespace", lambda site: _steady(site, f"/instances/{site.instance}/namespaces/library")),
    Asked("list 20 repositories", lambda site: _steady(site, f"/instances/{site.instance}/repositories?limit=20")),
    Asked("list tags", lambda site: _steady(site, site.tags)),
    Asked("change a namespace", _edit, writes=True),
    Asked("make and delete a repository, two requests", _create_and_delete, writes=True),
)


def over_sockets(folder: Path, seconds: int) -> list[tuple[Asked, int, Sample]]:
    port = free_port()
    environment = {"CRS_PORT": str(port), "CRS_DATA": str(folder / "data"), "CRS_ADMIN_PASSWORD": _PASSWORD}
    launch = Launch((sys.executable, "-m", "chalicelib.cli", "serve"), environment, folder=Path(__file__).parent.parent)
    effort = Effort(seconds=seconds, quick=False, wrk=find_wrk(), folder=folder)
    found = []
    with Server(launch, f"http://127.0.0.1:{port}/readyz", folder / "log") as server:
        site = prepare(port)
        for asked in ASKED:
            row = Row("api", asked.title, lambda _stage, _tags: Workload(lambda: iter_nothing()), writes=asked.writes)
            for connections in _CONNECTIONS:
                workload, address = asked.make(site), ("127.0.0.1", port)
                client = choose_client(address, workload, effort)
                sample = measure(server, address, workload, row, connections, effort, client)
                if sample.errors:
                    raise LoadFailed(f"{asked.title}: {sample.errors[0]}")
                found.append((asked, connections, sample))
    return found


def iter_nothing() -> Operation:
    """Rows of this page bring their workload themselves."""
    yield from ()


# Runs in a process of its own: app.py opens the stack that the environment names.
_STEPS = """
import json, sys, time
from pathlib import Path
import chalice
import app
from chalicelib.accounts.service import Accounts
from chalicelib.edge.apicall import given
from chalicelib.host.first_start import first_start
from chalicelib.host.proxy_event import Paths, proxy_event
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import open_stack

bare = chalice.Chalice("bare", configure_logs=False)

@bare.route("/x")
def x():
    return chalice.Response("{}", {"Content-Type": "application/json"}, 200)

def event(paths, path, token):
    route, parameters = paths.find(path)
    return proxy_event(method="GET", route=route, path=path, parameters=parameters, query="",
        headers={"host": "x", **({"authorization": "Bearer " + token} if token else {})},
        body=b"", address="127.0.0.1", internal=False, request_id=new_id())

def took(application, made, times):
    for _ in range(50):
        application(made, None)
    begun = time.process_time()
    for _ in range(times):
        application(made, None)
    return (time.process_time() - begun) * 1e6 / times

settings = Settings.from_environment({"CRS_DATA": sys.argv[1], "CRS_ADMIN_PASSWORD": sys.argv[2]})
with open_stack(settings) as stack, given(stack):
    instance = first_start(stack).instance
    token = Accounts(stack).sign_in("default", "admin", sys.argv[2], "127.0.0.1").token
    paths, times = Paths(app.app.routes), int(sys.argv[3])
    place = "/api/v1/instances/" + instance.id
    print(json.dumps({
        "Chalice alone: a view that answers {}": took(bare, event(Paths(bare.routes), "/x", ""), times),
        "refused: nobody has signed in": took(app.app, event(paths, place, ""), times),
        "who am I: signed in": took(app.app, event(paths, "/api/v1/me", token), times),
        "read an instance: signed in, instance, address": took(app.app, event(paths, place, token), times),
    }))
"""


def in_process(folder: Path) -> dict[str, float]:
    """What is asked → microseconds of CPU."""
    done = subprocess.run(
        [sys.executable, "-c", _STEPS, str(folder / "in-process"), _PASSWORD, str(_IN_PROCESS)],
        cwd=Path(__file__).parent.parent, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def page(rows: list[tuple[Asked, int, Sample]], steps: Mapping[str, float], folder: Path, seconds: int) -> str:
    disturbed = sum(sample.foreign_share for _, _, sample in rows) / len(rows)
    about = [f"- {name}: {value}" for name, value in describe_machine(folder, find_wrk())]
    about.append(f"- other work on these cores: {disturbed:.0%} of their time, on average")
    if disturbed > _DISTURBED_SHARE:
        about.append("- **A disturbed run: rates are too low by about that much; CPU per request holds.**")
    lines = [
        f"| {asked.title} | {connections} | {sample.rate:,.0f} | {sample.p50_ms:.2f} | {sample.p99_ms:.2f} "
        f"| {sample.server_cpu_ms:.2f} |"
        for asked, connections, sample in rows
    ]
    return "\n".join(
        [
            "# The management API: requests a second and CPU for each",
            "",
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {seconds} s a line: `python -m benchmarks.api`.",
            "",
            *about,
            "",
            "The embedded service over sockets, client and server on the same cores. Every request is signed in,",
            "passes the gate (role, instance, address, state) and is answered as JSON; changes are audited, and synced",
            "to disk.",
            "",
            "| what | connections | a second | p50 ms | p99 ms | CPU ms each |",
            "|---|---|---|---|---|---|",
            *lines,
            "",
            "## Inside the process",
            "",
            "The Chalice app called with API Gateway's event, without a socket.",
            "",
            "| what | CPU µs |",
            "|---|---|",
            *(f"| {what} | {cost:.0f} |" for what, cost in steps.items()),
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    pin_to_cores()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        written = page(over_sockets(folder, asked.seconds), in_process(folder), folder, asked.seconds)
    print(written)
    if asked.output:
        asked.output.write_text(written)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
