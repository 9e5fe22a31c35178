"""One copy in a process of its own, which then says what it took: `python -m benchmarks.copy_once '<JSON>'`.

source, target   `{"port": 5000, "repository": "library/app"}` over HTTP, or, on the data folder that `CRS_DATA` names,
                 `{"instance": "ci", "repository": "library/app"}`
tag, parallel    the same at both ends; blobs at once
"""

import json
import resource
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.acceleration_service import ACCOUNT
from chalicelib.cli.settings import opened_stack
from chalicelib.copying.callers import SYNC, bringer, reader
from chalicelib.copying.copier import Copier
from chalicelib.copying.local import LocalRepository
from chalicelib.copying.models import Effort
from chalicelib.copying.remote import RemoteRepository
from chalicelib.instances.service import Instances
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports.outbound import Outbound
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.remote_login import Login
from chalicelib.ports.remote_reference import RemoteReference

_LONGEST_S = 3600


def main() -> None:
    asked = json.loads(sys.argv[1])
    with ExitStack() as held:
        source, target = (_end(held, asked[side], side) for side in ("source", "target"))
        effort = Effort(until=time.monotonic() + _LONGEST_S, parallel=asked.get("parallel", 4))
        read_before, begun = _read_bytes(), time.perf_counter()
        outcome = Copier(source, target, effort).copy(asked["tag"], asked["tag"], override=False)
        wall_s = time.perf_counter() - begun
        used = resource.getrusage(resource.RUSAGE_SELF)
        told = {
            "verdict": outcome.verdict,
            "message": outcome.message,
            "wall_s": wall_s,
            "cpu_s": used.ru_utime + used.ru_stime,
            "moved": outcome.moved,
            "skipped": outcome.skipped,
            "read": _read_bytes() - read_before,
            "peak": _peak_bytes(),
        }
    print(json.dumps(told))


def registry_at(port: int) -> RemoteRegistry:
    """Its connections stay open."""
    login, calls = Login(ACCOUNT.username, ACCOUNT.password), Outbound(allow_private=True).keeping()
    return RemoteRegistry(RemoteReference.parse(f"127.0.0.1:{port}/x"), calls, login=login)


def _end(held: ExitStack, end: dict[str, Any], side: str) -> LocalRepository | RemoteRepository:
    if "port" in end:
        return RemoteRepository(held.enter_context(registry_at(end["port"])), end["repository"])
    stack = held.enter_context(opened_stack())
    name = RepositoryName.parse(end["repository"])
    instance = Instances(stack).named("default", end["instance"])
    who = reader if side == "source" else bringer
    return LocalRepository(stack, who(instance, name, SYNC), name)


def _read_bytes() -> int:
    """By any call that reads: files, and sockets."""
    counted = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counted["rchar"])


def _peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


if __name__ == "__main__":
    main()
