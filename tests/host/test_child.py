"""The consumers' process: started again when it dies, gone when its parent is gone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from chalicelib.host.child import ConsumersProcess, environment_of
from chalicelib.kernel.settings import Settings

PATIENT = ("-c", "import sys; sys.stdin.buffer.read()")
PARENT = """
import os, sys
from chalicelib.host.child import ConsumersProcess
from chalicelib.kernel.settings import Settings
from pathlib import Path
consumers = ConsumersProcess(Settings(data=Path(sys.argv[1])))
consumers.start()
print(consumers.pid, flush=True)
sys.stdin.read()
"""


def wait_until(happened: object, seconds: float = 60) -> None:
    """Of another process: there is no clock to inject. Looks every 20 ms and fails when the time is up."""
    assert callable(happened)
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_process_that_dies_is_started_again_and_ends_when_told() -> None:
    consumers = ConsumersProcess(Settings(), PATIENT)
    consumers.start()
    first = consumers.pid
    assert first is not None
    os.kill(first, 9)
    wait_until(lambda: consumers.pid != first)
    second = consumers.pid
    consumers.end()
    assert second is not None
    assert not is_alive(second)


def test_consumers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "data")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    consumers = int(parent.stdout.readline())
    wait_until(lambda: (tmp_path / "data" / "queues.sqlite3").exists())  # it is running, not only starting
    assert is_alive(consumers)
    parent.kill()
    parent.communicate()
    wait_until(lambda: not is_alive(consumers))


def test_child_learns_the_settings_but_not_the_password() -> None:
    settings = Settings(port=1234, admin_password="secret", data=Path("/somewhere"))
    environment = environment_of(settings)
    assert "CRS_ADMIN_PASSWORD" not in environment
    assert Settings.from_environment(environment) == settings.model_copy(
        update={"admin_password": None, "serve_api": False}
    )
