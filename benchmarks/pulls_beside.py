"""``python -m benchmarks.pulls_beside``: what pulls feel of a conversion that runs beside them on the same machine.

The service runs as its users run it and is given a large image. Manifests, blobs and ranges as lazy clients ask for
them are read while it is idle, while it converts, and while it is idle again; as soon as it has converted the image, it
is given another list of files that come first.
Client and service share two cores. Prints a section; ``--page FILE`` also writes it there.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.acceleration_service import Repository, serving
from benchmarks.load import Outcome, drive
from benchmarks.machine import pin_to_cores
from benchmarks.operations import BlobMaker, push_blob
from benchmarks.results import percentile_ms
from benchmarks.scanning_image import manifest_of
from benchmarks.sections import where, write_section
from benchmarks.service_images import SERVICES, Service, ready
from benchmarks.wire import Operation, Request, Take

_TAG = "v1"
_MIB = 1 << 20
_RANGE = 50_000
_LOOK_EVERY_S = 0.5
_CONNECTIONS = (1, 8)


@dataclass(frozen=True)
class Row:
    name: str
    request: Request
    status: int = 200

    def fetch(self) -> Operation:
        (yield self.request).expect(self.status)


@dataclass(frozen=True)
class Phase:
    name: str
    outcomes: tuple[Outcome, ...]


def _rows(repository: Repository) -> list[Row]:
    target = repository.target
    small, large = BlobMaker(100_000).make(), BlobMaker(10 * _MIB).make()
    for blob in (small, large):
        outcome = drive(target.address, 1, partial(push_blob, target, blob, patched=False), most=1)
        if outcome.errors:
            raise SystemExit(outcome.errors[0])
    part = {"Range": f"bytes={_RANGE * 7}-{_RANGE * 8 - 1}"}
    places = [target.path(f"blobs/{blob.digest}") for blob in (small, large)]
    return [
        Row("manifest", target.request("GET", target.path(f"manifests/{_TAG}"))),
        Row("blob of 100 kB", target.request("GET", places[0], take=Take.DROP)),
        Row("50,000 bytes of a blob", target.request("GET", places[1], part, take=Take.DROP), 206),
        Row("blob of 10 MiB", target.request("GET", places[1], take=Take.DROP)),
    ]


@contextmanager
def _converting(repository: Repository, service: Service) -> Iterator[None]:
    """Always something to convert: another file comes first each time, which makes another layer of the largest one."""
    over, failed = threading.Event(), list[BaseException]()
    programs = sorted(path.name for path in (service.trees[-1] / "usr" / "bin").iterdir() if not path.is_symlink())

    def work() -> None:
        try:
            for program in programs:
                repository.tell_first_files([f"/usr/bin/{program}"])
                task = repository.begin(_TAG)
                while not repository.ended(task):
                    if over.wait(_LOOK_EVERY_S):
                        return
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        # Until the process is there that converts.
        time.sleep(4.0)
        yield
    finally:
        over.set()
        thread.join()
    if failed:
        raise SystemExit(f"the conversion failed: {failed[0]}")


def _phase(name: str, rows: list[Row], address: tuple[str, int], seconds: float) -> Phase:
    print(f"pulling, {name}", file=sys.stderr)
    outcomes = []
    for row in rows:
        for connections in _CONNECTIONS:
            outcome = drive(address, connections, row.fetch, seconds)
            if outcome.errors:
                raise SystemExit(f"{row.name}: {outcome.errors[0]}")
            outcomes.append(outcome)
    return Phase(name, tuple(outcomes))


def _table(rows: list[Row], phases: list[Phase]) -> Iterator[str]:
    heads = (f"{phase.name}: p50 ms | p99 ms | a second" for phase in phases)
    yield f"| what | connections | {' | '.join(heads)} |\n" + "| --- " * (2 + 3 * len(phases)) + "|"
    for number, row in enumerate(rows):
        for place, connections in enumerate(_CONNECTIONS):
            found = [phase.outcomes[number * len(_CONNECTIONS) + place] for phase in phases]
            yield f"| {row.name} | {connections} | {' | '.join(_told(one) for one in found)} |"


def _told(found: Outcome) -> str:
    rate = len(found.latencies_ns) / found.elapsed_s
    middle, late = (percentile_ms(found.latencies_ns, share) for share in (0.5, 0.99))
    return f"{middle:.2f} | {late:.2f} | {rate:,.0f}"


def _measured(service: Service, arguments: argparse.Namespace) -> Iterator[str]:
    seconds = 1.0 if arguments.quick else 4.0
    with tempfile.TemporaryDirectory(dir=arguments.data) as name:
        yield "## 3. Pulls beside a conversion\n"
        yield where("benchmarks.pulls_beside", Path(name))
        with serving(Path(name), arguments.port):
            repository = Repository(arguments.port, service.name)
            repository.push_image(service.layout, _TAG)
            done = repository.accelerate(_TAG)
            rows, address = _rows(repository), repository.target.address
            phases = [_phase("idle", rows, address, seconds)]
            with _converting(repository, service):
                phases.append(_phase("converting", rows, address, seconds))
            time.sleep(_LOOK_EVERY_S)
            phases.append(_phase("idle again", rows, address, seconds))
    yield from _table(rows, phases)
    size = sum(layer["size"] for layer in manifest_of(service.layout)[1]["layers"])
    yield f"\nThe image: {size / 1e6:,.0f} MB packed. Alone, with nothing pulled beside it, it was accelerated in"
    yield f"{done.wall_s:.1f} s, from asking for it to its end. Of two cores the client takes up to one."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small image, a second for each row")
    parser.add_argument("--port", type=int, default=7755)
    parser.add_argument("--data", default=tempfile.gettempdir())
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    pin_to_cores()
    wanted = "python" if arguments.quick else "large"
    service = next(service for service in SERVICES if service.name == wanted)
    if not ready(service):
        raise SystemExit("there is no tree to make the large image of: see benchmarks/scanning_image.py")
    text = "\n".join(_measured(service, arguments)) + "\n"
    print(text)
    if arguments.page:
        write_section(arguments.page, "Accelerated images", text)


if __name__ == "__main__":
    main()
