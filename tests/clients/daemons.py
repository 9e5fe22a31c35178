"""containerd and dockerd of a test's own: own root, own socket, nothing of the machine's."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.clients.conftest import Shell, program

START_TIMEOUT_S = 40.0


@contextmanager
def containerd(shell: Shell, stargz: Path | None = None) -> Iterator[Path]:
    """The socket of a containerd without CRI, which would want a network, and without snapshotters that need devices.

    stargz: the socket of a snapshotter of that name
    """
    root = shell.home / "containerd"
    root.mkdir()
    socket = root / "containerd.sock"
    config = root / "config.toml"
    config.write_text(
        f"""version = 2
root = "{root}/root"
state = "{root}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs",
                    "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
                    "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
"""
        + (f'[proxy_plugins.stargz]\n  type = "snapshot"\n  address = "{stargz}"\n' if stargz else "")
    )
    command = [program("containerd"), "--config", str(config), "--log-level", "warn"]

    def answers() -> bool:
        return ran_well([program("ctr"), "-a", str(socket), "version"])

    with daemon(shell, command, root / "log", answers):
        yield socket


@contextmanager
def dockerd(shell: Shell, registry_host: str, driver: str = "vfs") -> Iterator[str]:
    """The address of a docker daemon that trusts the registry without TLS and touches no network or firewall."""
    root = shell.home / "docker"
    root.mkdir()
    # A socket's path holds at most 107 characters, which a test's folder can exceed: hence names this short.
    address = f"unix://{root}/s"
    with containerd(shell) as containerd_socket:
        command = [
            program("dockerd"), "--host", address, "--data-root", f"{root}/data", "--exec-root", f"{root}/x",
            "--pidfile", f"{root}/pid", "--containerd", str(containerd_socket), "--storage-driver", driver,
            "--bridge", "none", "--iptables=false", "--ip6tables=false", "--insecure-registry", registry_host,
            "--config-file", f"{root}/none.json",
        ]  # fmt: skip
        (root / "none.json").write_text("{}")

        def answers() -> bool:
            return ran_well([program("docker"), "--host", address, "version"])

        with daemon(shell, command, root / "log", answers):
            yield address


def ran_well(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


@contextmanager
def daemon(shell: Shell, command: list[str], log: Path, answers: Callable[[], bool]) -> Iterator[None]:
    """A program that runs until the context ends; the context begins when it answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=shell.environment(), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        begun = time.monotonic()
        while not answers():
            late = time.monotonic() - begun > START_TIMEOUT_S
            assert process.poll() is None and not late, f"{command[0]}: {log.read_text(errors='replace')[-3000:]}"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()
