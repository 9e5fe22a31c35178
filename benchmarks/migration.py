"""Many small images from Debian's docker-registry into the service: `crs migrate` beside image-syncer.

python -m benchmarks.migration --page benchmarks/RESULTS-migration.md

Repositories of a few tags each, as teams have them: a base layer that all tags of a repository share, and a layer of
each tag's own. The source is written once, into the registry's storage folder. Each tool brings everything into a new
service, then everything once more; ours is also killed half-way and started again.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.machine import describe_machine
from benchmarks.subjects import PROJECT_FOLDER
from tests.migration.distribution import StorageFolder
from tests.serving import Service

_NAMESPACES: Final = 10
_SYNCER: Final = Path(os.environ.get("CRS_TOOLS", Path.home() / ".cache/crs-tools")) / "bin/image-syncer"
_PAGE: Final = """\
# Migration

{moment} UTC: `{command}`

{machine}

{repositories} repositories of {tags} tags, {images} images: a base layer of {base} kB for each repository, a layer of
{own} kB and a config for each tag. From Debian's docker-registry into this service, both on this machine; {proc} images
at once, each tool in turn into a service of its own that holds nothing yet.

| tool | first run | second run | CPU of the tool, first run | memory of the tool |
| --- | --- | --- | --- | --- |
{rows}

Killed (`kill -9`) after {killed_s:.0f} s, with {before} images there, `crs migrate` took {rest_s:.1f} s when it was
started again: {resumed}.
"""


@dataclass(frozen=True)
class Ran:
    seconds: float
    cpu_s: float
    memory_mib: float


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--data", type=Path, default=Path("/tmp/migration-benchmark"))
    parser.add_argument("--port", type=int, default=7490, help="the first of several")
    parser.add_argument("--repositories", type=int, default=200)
    parser.add_argument("--tags", type=int, default=20)
    parser.add_argument("--proc", type=int, default=5)
    parser.add_argument("--base-kb", type=int, default=200)
    parser.add_argument("--own-kb", type=int, default=20)
    chosen = parser.parse_args(arguments)
    shutil.rmtree(chosen.data, ignore_errors=True)
    machine = describe_machine(chosen.data.parent, None)
    _seed(chosen)
    with _registry(chosen):
        rows = []
        for name, command in (("image-syncer", [str(_SYNCER)]), ("crs migrate", _ours())):
            with _target(chosen) as service:
                first, second = (_run(chosen, service, command) for _ in range(2))
            rows.append((name, first, second))
        with _target(chosen) as service:
            killed = _killed(chosen, service)
    page = _PAGE.format(
        moment=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        command="python -m benchmarks.migration",
        machine="; ".join(f"{name}: {text}" for name, text in machine if name in _SAID),
        repositories=chosen.repositories,
        tags=chosen.tags,
        images=chosen.repositories * chosen.tags,
        base=chosen.base_kb,
        own=chosen.own_kb,
        proc=chosen.proc,
        rows="\n".join(_row(*row) for row in rows),
        **killed,
    )
    sys.stdout.write(page)
    if chosen.page is not None:
        chosen.page.write_text(page, encoding="utf-8")
    shutil.rmtree(chosen.data, ignore_errors=True)


_SAID: Final = ("processor", "memory", "system", "load before the run (1 min)")


def _row(name: str, first: Ran, second: Ran) -> str:
    seconds = f"{first.seconds:.1f} s | {second.seconds:.1f} s | {first.cpu_s:.1f} s"
    return f"| {name} | {seconds} | {first.memory_mib:.0f} MiB |"


def _seed(chosen: argparse.Namespace) -> None:
    """The same bytes each time, which nobody can make smaller."""
    storage, some = StorageFolder(chosen.data / "source"), random.Random(20261122)
    for number in range(chosen.repositories):
        base = some.randbytes(chosen.base_kb * 1000)
        for tag in range(chosen.tags):
            storage.image(_name(number), f"v{tag}", layers=(base, some.randbytes(chosen.own_kb * 1000)))


def _name(number: int) -> str:
    return f"team{number % _NAMESPACES}/app{number}"


@contextmanager
def _registry(chosen: argparse.Namespace) -> Iterator[None]:
    """It takes no login: image-syncer and ours ask it alike."""
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(chosen.data / "source")}},
        "http": {"addr": f"127.0.0.1:{chosen.port}"},
    }
    (chosen.data / "config.yml").write_text(json.dumps(settings))
    with (chosen.data / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", chosen.data / "config.yml"], stdout=log, stderr=log)
    try:
        for _ in range(100):
            try:
                httpx.get(f"http://127.0.0.1:{chosen.port}/v2/", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _target(chosen: argparse.Namespace) -> Iterator[Service]:
    data = chosen.data / "target"
    service = Service(data, chosen.port + 1)
    service.start()
    try:
        for number in range(_NAMESPACES):
            service.run_cli("namespace", "create", f"team{number}", "--auto-create-repository")
        _write_files(chosen, service)
        yield service
    finally:
        service.stop()
        shutil.rmtree(data)


def _write_files(chosen: argparse.Namespace, service: Service) -> None:
    source = f"127.0.0.1:{chosen.port}"
    login = {"username": service.username, "password": service.password, "insecure": True}
    auth = {source: {"username": "", "password": "", "insecure": True}, service.host: login}
    names = [_name(number) for number in range(chosen.repositories)]
    images = {f"{source}/{name}": f"{service.host}/{name}" for name in names}
    (chosen.data / "auth.json").write_text(json.dumps(auth))
    (chosen.data / "images.json").write_text(json.dumps(images))


def _ours() -> list[str]:
    return [sys.executable, "-m", "chalicelib.cli", "migrate"]


def _begun(chosen: argparse.Namespace, command: list[str]) -> subprocess.Popen[bytes]:
    files = ["--auth", chosen.data / "auth.json", "--images", chosen.data / "images.json"]
    more = ["--proc", str(chosen.proc), "--log", chosen.data / "tool.log"]
    (chosen.data / "tool.log").unlink(missing_ok=True)
    with (chosen.data / "output").open("wb") as output:
        return subprocess.Popen([*command, *files, *more], cwd=PROJECT_FOLDER, stdout=output, stderr=output)


def _run(chosen: argparse.Namespace, service: Service, command: list[str]) -> Ran:
    begun = time.perf_counter()
    process = _begun(chosen, command)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    if status != 0:
        raise SystemExit((chosen.data / "output").read_text()[-3000:])
    arrived = _arrived(chosen, service)
    if arrived != chosen.repositories * chosen.tags:
        raise SystemExit(f"{command[0]} brought {arrived} images")
    return Ran(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _arrived(chosen: argparse.Namespace, service: Service) -> int:
    with httpx.Client(base_url=service.url, auth=service.login, trust_env=False) as client:
        found = 0
        for number in range(chosen.repositories):
            answer = client.get(f"/v2/{_name(number)}/tags/list")
            found += len(answer.json()["tags"] or ()) if answer.status_code == 200 else 0
        return found


def _killed(chosen: argparse.Namespace, service: Service) -> dict[str, Any]:
    """Once its log tells of half of the images."""
    begun, half = time.perf_counter(), chosen.repositories * chosen.tags // 2
    process = _begun(chosen, _ours())
    log = chosen.data / "tool.log"
    while process.poll() is None and (not log.exists() or log.read_bytes().count(b"\n") < half):
        time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    after_s = time.perf_counter() - begun
    before = _arrived(chosen, service)
    rest = _run(chosen, service, _ours())
    resumed = (chosen.data / "output").read_text().splitlines()[-1]
    return {"killed_s": after_s, "before": before, "rest_s": rest.seconds, "resumed": resumed}


if __name__ == "__main__":
    main()
