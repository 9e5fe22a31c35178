"""`make campaign-api`: schemathesis against the service, as each role, with every check it has.

python -m tests.api.campaign [--examples 1000] [--roles owner,reader] [--rooms accounts,…] [--processes 2]

One run is one role and one room (`--rooms all`: one role, everything). Runs that found nothing are noted in the report,
docs/campaigns/api.md, and skipped the next time; `--again` runs them once more.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

from chalicelib.api import API
from chalicelib.kernel.roles import Role
from tests.registry.images import image
from tests.registry.wire import sha256
from tests.serving import PASSWORD, PROJECT, Service, serving

REPORT = PROJECT / "docs" / "campaigns" / "api.md"
CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = "tests.api.campaign_hooks"
ALL = "all"
ROOMS = tuple(dict.fromkeys(routes.room for routes in API))
EVERYBODY = tuple(role.value for role in Role)


@dataclass
class Target:
    """A running service in which there is something of everything."""

    url: str
    keys: dict[str, str] = field(default_factory=dict)
    known: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    role: str
    room: str
    examples: int
    requests: int
    seconds: int
    failure: str = ""


@contextmanager
def target(folder: Path) -> Iterator[Target]:
    with serving(folder / "data") as running, httpx.Client(base_url=running.url, trust_env=False) as client:
        made = Target(running.url)
        client.headers["Authorization"] = f"Bearer {_session(client, running.username)}"
        _people(client, made)
        _content(client, running, made)
        yield made


def _session(client: httpx.Client, username: str) -> str:
    answer = client.post("/api/v1/session", json={"username": username, "password": PASSWORD})
    return str(_made(answer)["token"])


def _made(answer: httpx.Response) -> Any:
    assert answer.status_code in (200, 201, 202), answer.text
    return answer.json()


def _people(client: httpx.Client, made: Target) -> None:
    """Callers have access keys: a session would end with the first DELETE /session."""
    for role in EVERYBODY:
        user = {"username": f"tester-{role}", "password": PASSWORD, "role": role}
        _made(client.post("/api/v1/users", json=user))
        session = {"Authorization": f"Bearer {_session(client, user['username'])}"}
        key = _made(client.post("/api/v1/access-keys", json={"remark": "campaign"}, headers=session))
        made.keys[role] = f"{key['id']}.{key['secret']}"
    spare = {"username": "spare", "password": PASSWORD, "role": "reader"}
    _made(client.post("/api/v1/users", json=spare))
    made.known["user"] = ["spare"]


def _content(client: httpx.Client, running: Service, made: Target) -> None:
    (instance,) = [one for one in _made(client.get("/api/v1/instances"))["items"] if one["name"] == "default"]
    place = f"/api/v1/instances/{instance['id']}"
    body = image(b"layer")
    for data in (b"{}", b"layer"):
        upload = f"/v2/library/app/blobs/uploads/?digest={sha256(data)}"
        assert client.post(upload, content=data, auth=running.login).status_code == 201
    for tag in ("v1", "v2"):
        put = {"headers": {"Content-Type": json.loads(body)["mediaType"]}, "auth": running.login}
        assert client.put(f"/v2/library/app/manifests/{tag}", content=body, **put).status_code == 201  # type: ignore[arg-type]
    (repository,) = _made(client.get(f"{place}/repositories"))["items"]
    shares = f"{place}/namespaces/library/repositories/{repository['id']}/shares"
    _made(client.post(shares, json={"account": "acme", "username": "guest"}))
    made.known |= {
        "instance": [instance["id"], "default"],
        "namespace": ["library"],
        "repository": [repository["id"], "app"],
        "tag": ["v1", "v2"],
        "digest": [sha256(body)],
        "username": ["admin"],
        "account": ["default"],
        "asset": ["swagger-ui.css"],
    }


def run(at: Target, role: str, room: str, examples: int) -> Outcome:
    begun = time.monotonic()
    of_room = [] if room == ALL else ["--include-tag", room]
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG),
        "run", f"{at.url}/api/v1/openapi.json", "--checks", "all", "--continue-on-failure", *of_room,
        "--max-examples", str(examples), "--generation-deterministic",
        "--header", f"Authorization: Bearer {at.keys[role]}", "--no-color",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": HOOKS,
        "CRS_CAMPAIGN_KNOWN": json.dumps(at.known),
        "PYTHONPATH": str(PROJECT),
        "NO_PROXY": "*",
    }
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    failure = "" if done.returncode == 0 else done.stdout[-100_000:] + done.stderr[-4000:]
    requests = sum(int(number) for number in re.findall(r"(\d+) generated", done.stdout))
    return Outcome(role, room, examples, requests, round(time.monotonic() - begun), failure)


def alone(role: str, room: str, examples: int) -> Outcome:
    """At a service of its own: no run meets what another left behind."""
    with tempfile.TemporaryDirectory() as folder, target(Path(folder)) as at:
        return run(at, role, room, examples)


_HEAD = """\
# The management API under schemathesis

`make campaign-api` asks every operation of [openapi.json](../openapi.json) what its schema allows and what it does not,
as each role, at a running service with real content, with every check that schemathesis {version} has: no answer over
499, none that is not documented, in status, media type, headers and schema; what the schema forbids is refused, what it
allows is not refused as malformed unless no schema could say so; no answer without credentials; what was deleted is
gone, what was made is there. Paths lead to things that exist four times of five.

Each line is a run that found nothing, with so many examples an operation in the fuzzing phase; requests count all
phases. Runs that are listed are not run again.

| role | room | examples | requests | seconds |
|---|---|---|---|---|
"""
_LINE = re.compile(r"^\| (\S+) \| (\S+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)


def noted() -> dict[tuple[str, str, int], Outcome]:
    """The report's lines."""
    text = REPORT.read_text() if REPORT.exists() else ""
    found = (Outcome(one[0], one[1], int(one[2]), int(one[3]), int(one[4])) for one in _LINE.findall(text))
    return {(one.role, one.room, one.examples): one for one in found}


def note(outcomes: Iterable[Outcome]) -> None:
    lines = [
        f"| {one.role} | {one.room} | {one.examples} | {one.requests} | {one.seconds} |\n"
        for one in sorted(outcomes, key=lambda one: (EVERYBODY.index(one.role), one.room, one.examples))
    ]
    REPORT.write_text(_HEAD.format(version=version("schemathesis")) + "".join(lines))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--roles", default=",".join(EVERYBODY))
    parser.add_argument("--rooms", default=",".join(ROOMS))
    parser.add_argument("--again", action="store_true", help="run what is noted too")
    parser.add_argument("--quiet", action="store_true", help="note nothing")
    parser.add_argument("--processes", type=int, default=1, help="runs at once")
    asked = parser.parse_args()
    done = {} if asked.again or asked.quiet else noted()
    wanted = [
        (role, room)
        for role in asked.roles.split(",")
        for room in asked.rooms.split(",")
        if (role, room, asked.examples) not in done
    ]
    failed = False
    with ThreadPoolExecutor(asked.processes) as threads:
        for outcome in threads.map(lambda one: alone(one[0], one[1], asked.examples), wanted):
            told = f"{outcome.role} {outcome.room}: {outcome.requests} requests, {outcome.seconds} s"
            print(told, outcome.failure, flush=True)
            failed = failed or bool(outcome.failure)
            if not outcome.failure and not asked.quiet:
                done[(outcome.role, outcome.room, outcome.examples)] = outcome
                note(done.values())
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
