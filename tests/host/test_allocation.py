"""Memory that was given back leaves the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HASH_IN_THREADS = """
import os, threading
from pathlib import Path
from chalicelib.host.allocation import give_large_blocks_back
from chalicelib.identity.passwords import hash_password

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

if {given_back}:
    give_large_blocks_back()
before = resident()
for _ in range(4):
    threads = [threading.Thread(target=hash_password, args=("correct-horse-battery-42",)) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
print(resident() - before)
"""


def test_the_memory_of_password_hashes_is_given_back() -> None:
    """R4: memory stays bounded. Without it each thread that hashed keeps 19 MiB."""
    kept = {given_back: _kept_bytes(given_back) for given_back in (True, False)}
    assert kept[True] < 10_000_000
    assert kept[True] < kept[False]


def _kept_bytes(given_back: bool) -> int:
    program = HASH_IN_THREADS.format(given_back=given_back)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path.cwd())
    return int(done.stdout)
