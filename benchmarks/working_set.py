"""What a container reads of its image until it has answered one request, told by the kernel. Linux, as root.

The image's trees are put together by overlayfs and dropped from memory first. Whatever then comes into memory is what
the program, its loader and the kernel's read-ahead asked for, in that order: the same pages that a lazily mounted image
has to bring. Read-ahead is set to 128 KiB, which a file system in user space gets, for the seconds that this takes.
"""

import http.client
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.service_images import Service

_TRACING = Path("/sys/kernel/tracing")
_EVENT = "events/filemap/mm_filemap_add_to_page_cache"
_ADDED = re.compile(r"mm_filemap_add_to_page_cache: dev (\d+):(\d+) ino ([0-9a-f]+) .*?ofs=(\d+)(?: order=(\d+))?")
_READ_AHEAD_KB = "128"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LONGEST_S = 60.0
_SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOUNTED = """\
mount -t overlay overlay -o "lowerdir=$TREES,upperdir=$WORK/upper,workdir=$WORK/work" "$WORK/root"
mkdir -p "$WORK/root/proc" "$WORK/root/dev" "$WORK/root/tmp"
mount -t proc proc "$WORK/root/proc"
mount --bind /dev "$WORK/root/dev"
exec chroot "$WORK/root" "$@"
"""


@dataclass(frozen=True)
class Read:
    """Bytes of a file that were brought at once."""

    path: str
    start: int
    end: int


@dataclass(frozen=True)
class WorkingSet:
    """seconds: from the start to the answer, on the local disk"""

    reads: tuple[Read, ...]
    seconds: float

    @property
    def files(self) -> tuple[str, ...]:
        """Each file once, in the order in which they were needed."""
        return tuple(dict.fromkeys(read.path for read in self.reads))

    @property
    def size(self) -> int:
        return sum(read.end - read.start for read in self.reads)


def trace(service: Service, port: int) -> WorkingSet:
    inodes = dict(_dropped(service.trees))
    with ExitStack() as stack:
        stack.enter_context(_short_read_ahead(service.trees[-1]))
        instance = stack.enter_context(_tracing())
        seconds = _answered(service, port)
        (instance / _EVENT / "enable").write_text("0")
        lines = (instance / "trace").read_text(errors="replace").splitlines()
    return WorkingSet(tuple(reads_of(lines, inodes)), seconds)


def _dropped(trees: Sequence[Path]) -> Iterator[tuple[tuple[int, int, int], tuple[str, int]]]:
    """Every file that holds something by device and inode, with its size; none of it is in memory afterwards."""
    os.sync()
    for tree in reversed(trees):
        for folder, _, files in os.walk(tree):
            for name in files:
                place = os.path.join(folder, name)
                told = os.lstat(place)
                if os.path.isfile(place) and not os.path.islink(place) and told.st_size:
                    descriptor = os.open(place, os.O_RDONLY)
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                    os.close(descriptor)
                    device = os.major(told.st_dev), os.minor(told.st_dev)
                    yield (*device, told.st_ino), (os.path.relpath(place, tree), told.st_size)


@contextmanager
def _short_read_ahead(tree: Path) -> Iterator[None]:
    device = os.stat(tree).st_dev
    knob = Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb")
    before = knob.read_text()
    try:
        knob.write_text(_READ_AHEAD_KB)
        yield
    finally:
        knob.write_text(before)


@contextmanager
def _tracing() -> Iterator[Path]:
    """A trace of our own beside whatever else is traced."""
    if not (_TRACING / "instances").is_dir():
        subprocess.run(["mount", "-t", "tracefs", "tracefs", str(_TRACING)], check=True)
    instance = _TRACING / "instances" / f"working-set-{os.getpid()}"
    instance.mkdir()
    try:
        (instance / "buffer_size_kb").write_text("32768")
        (instance / _EVENT / "enable").write_text("1")
        yield instance
    finally:
        (instance / _EVENT / "enable").write_text("0")
        instance.rmdir()


def _answered(service: Service, port: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        for part in ("upper", "work", "root"):
            (Path(name) / part).mkdir()
        trees = ":".join(str(tree) for tree in service.trees)
        told = {"PATH": _SEARCHED, "PORT": str(port), **service.environment}
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", _MOUNTED, "sh"]
        command += service.entrypoint
        began = time.perf_counter()
        environment = {**told, "TREES": trees, "WORK": name}
        running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _ask(port, running)
            seconds = time.perf_counter() - began
            running.wait(_LONGEST_S)
        finally:
            if running.poll() is None:
                running.send_signal(signal.SIGKILL)
                running.wait()
        return seconds


def _ask(port: int, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _LONGEST_S
    while time.monotonic() < deadline and running.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_LONGEST_S)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                return
            raise SystemExit(f"the service answered {answer.status}")
        except ConnectionError:
            time.sleep(0.02)
        finally:
            connection.close()
    raise SystemExit("the service gave no answer")


def reads_of(lines: Sequence[str], inodes: Mapping[tuple[int, int, int], tuple[str, int]]) -> Iterator[Read]:
    """What lines of a trace tell of these files, by device and inode; pages that follow each other are one read."""
    return _merged(_added(lines, inodes))


def _added(lines: Sequence[str], inodes: Mapping[tuple[int, int, int], tuple[str, int]]) -> Iterator[Read]:
    for line in lines:
        if added := _ADDED.search(line):
            major, minor, inode, offset, order = added.groups()
            file = inodes.get((int(major), int(minor), int(inode, 16)))
            if file is not None and int(offset) < file[1]:
                end = int(offset) + (_PAGE << int(order or 0))
                yield Read(file[0], int(offset), min(end, file[1]))


def _merged(reads: Iterator[Read]) -> Iterator[Read]:
    last: Read | None = None
    for read in reads:
        if last is not None and (last.path, last.end) == (read.path, read.start):
            last = Read(last.path, last.start, read.end)
            continue
        if last is not None:
            yield last
        last = read
    if last is not None:
        yield last
