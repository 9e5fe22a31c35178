"""containerd that starts containers before their image is there: with the stargz snapshotter as a proxy plugin.

with lazy_containerd(shell, target) as lazy:
    lazy.pull(name)                           what it takes to mount, nothing more
    with lazy.mounted(diff_ids) as root: …    the tree, read through FUSE
    lazy.run(name, "/bin/sh", "-c", "…")      a container, by runc
"""

from __future__ import annotations

import hashlib
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.clients.conftest import Shell, Target, program
from tests.clients.daemons import containerd, daemon
from tests.clients.unpacking import unmount_below


@dataclass(frozen=True)
class Lazy:
    shell: Shell
    socket: Path
    login: str

    def pull(self, name: str) -> str:
        own = ("ctr-remote", "-a", self.socket, "images", "rpull")
        return self.shell.run(*own, "--plain-http", "--user", self.login, name)

    @contextmanager
    def mounted(self, diff_ids: Sequence[str]) -> Iterator[Path]:
        """The files of an image that was pulled, by the digests of its layers that its config lists."""
        key = f"view-{secrets.token_hex(4)}"
        root = self.shell.home / key
        root.mkdir()
        own = ("ctr-remote", "-a", self.socket, "snapshots", "--snapshotter", "stargz")
        command = self.shell.run(*own, "view", "--target", root, key, chain_id(diff_ids))
        subprocess.run(shlex.split(command), check=True)
        try:
            yield root
        finally:
            # The view itself is gone with the next of containerd's own collections, which nothing here waits for.
            subprocess.run(["umount", root], check=True)

    def mounts(self) -> int:
        """How many layers are mounted without having been downloaded."""
        below = str(self.shell.home / "snapshotter")
        lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
        return sum(kind.startswith("fuse") and where.startswith(below) for _, where, kind, *_ in lines)

    def settled(self, sent_bytes: Callable[[], int]) -> None:
        """Waits until nothing more comes of what a pull began."""
        last = -1
        while (now := sent_bytes()) != last:
            last = now
            time.sleep(0.3)

    def run(self, name: str, *command: str) -> str:
        """What a container says. It has no network and no control group, which not every machine gives."""
        own = (
            "ctr-remote",
            "-a",
            self.socket,
            "run",
            "--rm",
            "--snapshotter",
            "stargz",
            "--runc-binary",
            program("runc"),
        )
        return self.shell.run(*own, name, f"test-{secrets.token_hex(4)}", *command)


@contextmanager
def lazy_containerd(shell: Shell, target: Target) -> Iterator[Lazy]:
    """Both daemons on folders of the shell's. The snapshotter logs in from docker's config file."""
    root = shell.home / "snapshotter"
    root.mkdir()
    socket = root / "socket"
    # crane writes the file that the snapshotter reads; it needs no docker for it.
    shell.run("crane", "auth", "login", target.host, "-u", target.username, "--password-stdin", stdin=target.password)
    command = [program("stargz-snapshotter"), str(socket), str(root / "root")]
    with ExitStack() as open_ones:
        open_ones.callback(unmount_below, root)
        open_ones.enter_context(daemon(shell, command, root / "log", socket.is_socket))
        own = open_ones.enter_context(containerd(shell, stargz=socket))
        yield Lazy(shell, own, f"{target.username}:{target.password}")


def chain_id(diff_ids: Sequence[str]) -> str:
    """What containerd calls the snapshot of these layers on each other. Source: OCI image specification, config."""
    chained, *rest = diff_ids
    for diff_id in rest:
        chained = f"sha256:{hashlib.sha256(f'{chained} {diff_id}'.encode()).hexdigest()}"
    return chained
