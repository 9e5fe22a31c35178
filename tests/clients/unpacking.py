"""Pulls an image as plain clients do, and gives the tree of files that a container of it would see.

with UNPACKERS["podman"](shell, target, name) as root: …        name: host/repository:tag
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tests.clients.conftest import Shell, Target
from tests.clients.daemons import containerd, dockerd

Unpacker = Callable[[Shell, Target, str], AbstractContextManager[Path]]


@contextmanager
def umoci(shell: Shell, target: Target, name: str) -> Iterator[Path]:
    """skopeo brings the blobs, umoci unpacks them, without any overlay."""
    folder = _folder(shell)
    login = f"{target.username}:{target.password}"
    shell.run("skopeo", "copy", "--src-tls-verify=false", "--src-creds", login, f"docker://{name}",
              f"oci:{folder}/layout:it")  # fmt: skip
    shell.run("umoci", "unpack", "--image", f"{folder}/layout:it", folder / "bundle")
    yield folder / "bundle" / "rootfs"


@dataclass(frozen=True)
class Podman:
    shell: Shell

    def pull(self, target: Target, name: str) -> Path:
        """Where the image's files are."""
        own = ("podman", "--events-backend", "none", "--cgroup-manager", "cgroupfs")
        login = ("--creds", f"{target.username}:{target.password}")
        self.shell.run(*own, "pull", "-q", "--tls-verify=false", *login, name)
        return Path(self.shell.run(*own, "image", "mount", name).strip())


@contextmanager
def podman_storage(shell: Shell, partial: bool = False) -> Iterator[Podman]:
    """On the kernel's overlay. partial: of a layer that has a table of contents only the files are fetched that no
    other image has."""
    folder = _folder(shell)
    # It wants the file that the environment names.
    (shell.home / "auth.json").write_text("{}")
    (folder / "storage.conf").write_text(
        f"""[storage]
driver = "overlay"
runroot = "{folder}/run"
graphroot = "{folder}/storage"
[storage.options]
pull_options = {{enable_partial_images = "{str(partial).lower()}", use_hard_links = "false", ostree_repos = ""}}
"""
    )
    try:
        yield Podman(Shell(shell.home, {**shell.more, "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf")}))
    finally:
        unmount_below(folder)


@contextmanager
def podman(shell: Shell, target: Target, name: str) -> Iterator[Path]:
    with podman_storage(shell) as storage:
        yield storage.pull(target, name)


@contextmanager
def ctr(shell: Shell, target: Target, name: str) -> Iterator[Path]:
    """containerd's overlay snapshotter."""
    folder = _folder(shell)
    inside = Shell(folder, shell.more)
    login = ("--plain-http", "--user", f"{target.username}:{target.password}")
    with containerd(inside) as socket:
        own = ("ctr", "-a", socket, "images")
        shell.run(*own, "pull", "--snapshotter", "overlayfs", "--platform", "linux/amd64", *login, name)
        (folder / "root").mkdir()
        shell.run(*own, "mount", "--snapshotter", "overlayfs", name, folder / "root")
        try:
            yield folder / "root"
        finally:
            shell.run(*own, "unmount", folder / "root")


@contextmanager
def docker(shell: Shell, target: Target, name: str) -> Iterator[Path]:
    """docker's overlay2, mounted from the folders that it names."""
    folder = _folder(shell)
    inside = Shell(folder, shell.more)
    with dockerd(inside, target.host, driver="overlay2") as address:
        own = ("docker", "--host", address)
        inside.run(*own, "login", "-u", target.username, "--password-stdin", target.host, stdin=target.password)
        inside.run(*own, "pull", "-q", name)
        data = json.loads(inside.run(*own, "image", "inspect", "--format", "{{json .GraphDriver.Data}}", name))
        (folder / "root").mkdir()
        lower = ":".join(filter(None, (data["UpperDir"], data.get("LowerDir"))))
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"ro,lowerdir={lower}", folder / "root"], check=True)
        try:
            yield folder / "root"
        finally:
            subprocess.run(["umount", folder / "root"], check=True)


UNPACKERS: dict[str, Unpacker] = {"umoci": umoci, "podman": podman, "ctr": ctr, "docker": docker}


def unmount_below(folder: Path) -> None:
    """Whatever a client left mounted, which would keep the folder from being deleted."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((path for path in mounts if path.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)


def _folder(shell: Shell) -> Path:
    """A new one, of a short name: docker and podman put up with few characters."""
    return Path(mkdtemp(prefix="", dir=shell.home))
