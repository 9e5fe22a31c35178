"""``python -m benchmarks.pulls_beside``: what pulls feel of a conversion that runs beside them on the same machine.

The service runs as its users run it and is given a large image. Manifests, blobs and ranges as lazy clients ask for
them are read in turns of a third of a second, while it converts and while its conversion is paused, so that what else
the machine does falls on both. As soon as the image is converted, another file is to come first, and it is converted
once more. Client and service share two cores. Prints a section; ``--page FILE`` also writes it there.
"""

import argparse
import os
import signal
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
_APPEARS_WITHIN_S = 30.0
_TURN_S = 0.35
_TURNS, _QUICK_TURNS = 14, 10
_PROGRAM = b"chalicelib.host.scanner\0conversions"
_CONNECTIONS = (1, 8)


@dataclass(frozen=True)
class Row:
    name: str
    request: Request
    status: int = 200

    def fetch(self) -> Operation:
        (yield self.request).expect(self.status)


class Converter:
    """The process that converts: paused and let go on; cores: what it had of them while it was not paused."""

    def __init__(self, data: Path) -> None:
        self._pid = _wait_for(data)
        self._cpu_s = self._clock_s = 0.0

    @property
    def cores(self) -> float:
        return self._cpu_s / self._clock_s

    @contextmanager
    def paused(self) -> Iterator[None]:
        os.kill(self._pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._pid, signal.SIGCONT)

    @contextmanager
    def working(self) -> Iterator[None]:
        cpu_s, clock_s = self._used_s(), time.perf_counter()
        yield
        self._cpu_s += self._used_s() - cpu_s
        self._clock_s += time.perf_counter() - clock_s

    def _used_s(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
        yield
    finally:
        over.set()
        thread.join()
    if failed:
        raise SystemExit(f"the conversion failed: {failed[0]}")


def _wait_for(data: Path) -> int:
    deadline = time.monotonic() + _APPEARS_WITHIN_S
    while time.monotonic() < deadline:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                named = _PROGRAM in (process / "cmdline").read_bytes()
                if named and str(data).encode() in (process / "environ").read_bytes():
                    return int(process.name)
            except OSError:  # it has ended
                continue
        time.sleep(_LOOK_EVERY_S)
    raise SystemExit("no process converts")


def _pull(rows: list[Row], address: tuple[str, int], into: list[list[Outcome]]) -> None:
    places = iter(into)
    for row in rows:
        for connections in _CONNECTIONS:
            outcome = drive(address, connections, row.fetch, _TURN_S)
            if outcome.errors:
                raise SystemExit(f"{row.name}: {outcome.errors[0]}")
            next(places).append(outcome)


def _table(rows: list[Row], found: dict[str, list[list[Outcome]]]) -> Iterator[str]:
    heads = (f"{name}: p50 ms | p99 ms | a second" for name in found)
    yield f"| what | connections | {' | '.join(heads)} |\n" + "| --- " * (2 + 3 * len(found)) + "|"
    for number, row in enumerate(rows):
        for place, connections in enumerate(_CONNECTIONS):
            told = (_told(outcomes[number * len(_CONNECTIONS) + place]) for outcomes in found.values())
            yield f"| {row.name} | {connections} | {' | '.join(told)} |"


def _told(turns: list[Outcome]) -> str:
    latencies = [latency for turn in turns for latency in turn.latencies_ns]
    rate = len(latencies) / sum(turn.elapsed_s for turn in turns)
    middle, late = (percentile_ms(latencies, share) for share in (0.5, 0.99))
    return f"{middle:.2f} | {late:.2f} | {rate:,.0f}"


def _measured(service: Service, arguments: argparse.Namespace) -> Iterator[str]:
    found: dict[str, list[list[Outcome]]] = {}
    with tempfile.TemporaryDirectory(dir=arguments.data) as name:
        yield "## 3. Pulls beside a conversion\n"
        yield where("benchmarks.pulls_beside", Path(name))
        with serving(Path(name), arguments.port):
            repository = Repository(arguments.port, service.name)
            repository.push_image(service.layout, _TAG)
            done = repository.accelerate(_TAG)
            rows, address = _rows(repository), repository.target.address
            for way in ("paused", "converting"):
                found[way] = [[] for _ in range(len(rows) * len(_CONNECTIONS))]
            with _converting(repository, service):
                converter = Converter(Path(name))
                for turn in range(_QUICK_TURNS if arguments.quick else _TURNS):
                    print(f"pulling, turn {turn + 1}", file=sys.stderr)
                    with converter.paused():
                        _pull(rows, address, found["paused"])
                    with converter.working():
                        _pull(rows, address, found["converting"])
    yield from _table(rows, found)
    size = sum(layer["size"] for layer in manifest_of(service.layout)[1]["layers"])
    yield f"\nThe conversion had {converter.cores:.2f} cores beside the pulls: it takes what they leave."
    yield f"The image: {size / 1e6:,.0f} MB packed. With nothing pulled beside it, it was accelerated in"
    yield f"{done.wall_s:.1f} s, from asking for it to its end."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small image, fewer turns")
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
