"""What the run took place on: said in the report, since figures without a machine mean little."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

CORES = 2


def pin_to_cores() -> None:
    """Client and servers, which inherit it, share the first two cores this process may use."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:CORES]))


def busy_s() -> float:
    """CPU seconds the cores of this process have spent on anything at all, since the machine started."""
    wanted = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in wanted:
            user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = (int(f) for f in fields[:8])
            ticks += user + nice + system + interrupts + soft_interrupts + stolen
    return ticks / os.sysconf("SC_CLK_TCK")


def describe_machine(data: Path, wrk: str | None) -> tuple[tuple[str, str], ...]:
    """Name and value pairs for the report; wrk is its path, None where it is not used."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (
        ("processor", f"{processor()}, {len(os.sched_getaffinity(0))} cores used of {os.cpu_count()}"),
        ("memory", f"{memory_bytes / 1024**3:.0f} GiB"),
        ("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"),
        ("disk", f"{_disk_kind(data)}, {shutil.disk_usage(data).free / 1e9:.0f} GB free"),
        ("client for small GETs", _client_for_gets(wrk)),
        ("load before the run (1 min)", f"{os.getloadavg()[0]:.2f}"),
    )


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _disk_kind(folder: Path) -> str:
    """Type of the file system a folder is on: that of the longest mount point above it."""
    best, kind = "", "unknown file system"
    for line in Path("/proc/mounts").read_text().splitlines():
        point, found = line.split()[1:3]
        above = folder.resolve().is_relative_to(point)
        if above and len(point) >= len(best):
            best, kind = point, found
    return f"{kind}, where fsync costs nothing: choose --data on a disk" if kind == "tmpfs" else kind


def _client_for_gets(wrk: str | None) -> str:
    if wrk is None:
        return "our own"
    said = subprocess.run([wrk, "-v"], capture_output=True, text=True, timeout=10, check=False).stdout
    return " ".join(said.split()[:2]) or "wrk"
