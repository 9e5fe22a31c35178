"""The gateway's image built and run, without a registry and without a network of containers.

`python:3.11-slim` cannot be had everywhere, so a Debian tree with Python takes its place; packages come as wheels that
pip brought before, from wherever pip is told to. The image runs on the machine's network, as a user without rights and
on a file system that it cannot write to.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.conftest import Shell, program
from tests.clients.image import tools
from tests.serving import PROJECT

BASE = "localhost/crs-base"
IMAGE = "localhost/crs-gateway"
_PACKAGES = "python3,python3-venv,ca-certificates"
_BUILD_S = 600


@dataclass
class Engine:
    """buildah and podman on a storage of their own in the shell's home."""

    shell: Shell

    @property
    def storage(self) -> list[str]:
        return ["--root", str(self.shell.home / "storage"), "--runroot", str(self.shell.home / "run")]

    def buildah(self, command: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [program("buildah"), *self.storage, command, *map(str, arguments)],
            cwd=PROJECT, env=self.shell.environment(), capture_output=True, text=True, timeout=_BUILD_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout.strip()

    def podman(self, command: str, *arguments: str | Path, fails: bool = False) -> str:
        # crun refuses machines with both kinds of control groups, as CI's may be.
        own = [*self.storage, "--cgroup-manager", "cgroupfs", "--runtime", program("runc")]
        return self.shell.run("podman", *own, command, *arguments, fails=fails).strip()

    def of_files(self, name: str, *files: tuple[Path, str]) -> None:
        """An image that holds these alone, each at its place."""
        # Both programs want the file that the environment names.
        (self.shell.home / "auth.json").write_text("{}")
        container = self.buildah("from", "scratch")
        for path, place in files:
            self.buildah("copy", "-q", container, path, place)
        self.buildah("commit", "-q", container, name)

    def inspect(self) -> dict[str, Any]:
        (found,) = json.loads(self.podman("image", "inspect", IMAGE))
        return dict(found)

    def size_bytes(self, image: str) -> int:
        return int(json.loads(self.podman("image", "inspect", image))[0]["Size"])

    def build(self, wheels: Path, file: str = "infra/Dockerfile", *arguments: str) -> None:
        """wheels   a folder with every package of the lock; nothing else is looked for"""
        self.of_files(BASE, (base_tree(), "/"))
        configuration = self.shell.home / "pip.conf"
        configuration.write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        self.buildah(
            "bud", "--isolation", "chroot", "--format", "docker", "--build-arg", f"BASE={BASE}",
            *(part for argument in arguments for part in ("--build-arg", argument)),
            "--volume", f"{wheels}:/wheels:ro", "--volume", f"{configuration}:/etc/pip.conf:ro",
            "--file", file, "--tag", IMAGE, ".",
        )  # fmt: skip

    def run(self, *command: str, options: Sequence[str] = (), variables: Mapping[str, str] | None = None) -> str:
        given = [part for name, value in (variables or {}).items() for part in ("--env", f"{name}={value}")]
        return self.podman(
            "run", "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "host",
            "--no-healthcheck", "--ulimit", "nofile=8192:8192", "--ulimit", "nproc=1024:1024",
            *options, *given, IMAGE, *command,
        )  # fmt: skip

    def python(self, script: str) -> str:
        """What a script prints that runs in the image."""
        return self.run("-c", script, options=("--rm", "--entrypoint", "python3"))

    @contextmanager
    def running(self, variables: Mapping[str, str]) -> Iterator[str]:
        """The container's id. It ends, and is gone, with the context."""
        container = self.run(options=("--detach",), variables=variables)
        try:
            yield container
        except BaseException:
            print(self.podman("logs", container))
            raise
        finally:
            self.podman("rm", "--force", "--time", "0", container)


def base_tree() -> Path:
    """A Debian with Python, made once and kept."""
    tree = tools() / "trees" / "bookworm-python"
    if not tree.is_dir():
        part = tree.with_name("python-part")
        subprocess.run(["rm", "-rf", str(part)], check=True)
        tree.parent.mkdir(parents=True, exist_ok=True)
        command = [program("debootstrap"), "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(part)]
        subprocess.run(command, check=True, capture_output=True, timeout=_BUILD_S)
        part.rename(tree)
    return tree


def wheels(folder: Path) -> Path:
    """Every package of the gateway's lock, for the base's Python."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    options = ["--only-binary", ":all:", "--python-version", "3.11", "--dest", str(folder)]
    subprocess.run([*command, *options, "-r", str(PROJECT / "requirements-gateway.txt")], check=True, timeout=_BUILD_S)
    return folder
