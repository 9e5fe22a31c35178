"""What a service holds while it runs: its data folder and its ports."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.host.listeners import instance_ports, listen
from chalicelib.host.lock import DataFolderLock
from chalicelib.kernel.errors import InUse, Invalid
from chalicelib.kernel.settings import Settings

HOLD = """
import sys
from pathlib import Path
from chalicelib.host.lock import DataFolderLock
with DataFolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_second_service_on_a_data_folder_is_refused_and_told_which_process_has_it(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(InUse, match=str(holder.pid)), DataFolderLock(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with DataFolderLock(tmp_path):  # kill -9 leaves no lock behind
        pass


def test_port_zero_becomes_the_port_that_was_taken() -> None:
    listeners = listen(Settings(port=0, internal_port=0))
    try:
        taken = [listener.getsockname()[1] for listener in listeners.sockets]
        assert [listeners.settings.port, listeners.settings.internal_port] == taken
        assert 0 not in taken
    finally:
        listeners.close()


def test_port_in_use_is_refused_by_the_name_of_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Invalid, match="CRS_INTERNAL_PORT"):
        listen(Settings(port=0, internal_port=taken.getsockname()[1]))


def test_ports_of_instances_are_listened_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    listeners = listen(Settings(port=0, instance_ports=f"01J0={port}"))
    try:
        assert [listener.getsockname()[1] for listener in listeners.sockets][1:] == [port]
    finally:
        listeners.close()


@pytest.mark.parametrize("text", ["5001", "id=", "id=0", "id=70000", "id=five", "id=٥"])
def test_malformed_instance_ports_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="instance id"):
        instance_ports(Settings(instance_ports=text))
