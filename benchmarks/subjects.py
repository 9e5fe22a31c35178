"""Who is measured: this registry as it is served, and the others with the settings that make them fastest.

Ours checks tokens and policies; the others run anonymously. All keep their data in plain files of one folder. The
others' logs are turned down to errors and their access logs off; distribution keeps its in-memory descriptor cache,
as Debian ships it.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.process import Launch

PROJECT_FOLDER = Path(__file__).resolve().parent.parent
OURS = "ours"


@dataclass(frozen=True)
class Account:
    """Who the client logs in as, where the subject asks for it."""

    username: str
    password: str


@dataclass(frozen=True)
class Subject:
    """One registry.

    binary   path of the program, None when it is not installed
    version  what it says of itself
    launch   data folder, port → how to start it
    brought  whether ``.ci/install-clients`` brings it
    """

    key: str
    title: str
    binary: str | None
    version: Callable[[], str]
    launch: Callable[[Path, int], Launch]
    ready_path: str = "/v2/"
    account: Account | None = None
    optional: bool = False
    brought: bool = True


def list_subjects() -> list[Subject]:
    """Every subject there is, installed or not, ours first."""
    return [
        _ours(),
        _distribution_2(),
        _distribution_3(),
        _zot("zot", "zot", commit=False),
        _zot("zot-commit", "zot, commit: true", commit=True),
    ]


def _tool(name: str) -> str | None:
    """A program from the folder ``.ci/install-clients`` fills."""
    folder = Path(os.environ.get("CRS_TOOLS") or Path.home() / ".cache" / "crs-tools")
    return shutil.which(name, path=str(folder / "bin"))


def _say(*argv: str) -> str:
    """The first line a program prints."""
    done = subprocess.run(argv, capture_output=True, text=True, cwd=PROJECT_FOLDER, timeout=30, check=False)
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"


def _say_last_word(*argv: str) -> str:
    """distribution prints its path, its module and then its version."""
    return _say(*argv).split()[-1]


def _say_zot_version(binary: str) -> str:
    """zot answers with a line of JSON whose commit names the release, and is empty in a plain build."""
    said = json.loads(_say(binary, "--version"))
    return said.get("commit") or f"no release named, distribution-spec {said.get('distribution-spec')}"


def _ours() -> Subject:
    account = Account("admin", secrets.token_urlsafe(24))

    def launch(data: Path, port: int) -> Launch:
        environment = {"CRS_PORT": str(port), "CRS_DATA": str(data), "CRS_ADMIN_PASSWORD": account.password}
        return Launch((sys.executable, "-m", "chalicelib.cli", "serve"), environment, folder=PROJECT_FOLDER)

    return Subject(
        key=OURS,
        title="ours",
        binary=sys.executable if (PROJECT_FOLDER / "chalicelib" / "cli").is_dir() else None,
        version=partial(_say, "git", "describe", "--always", "--dirty"),
        launch=launch,
        ready_path="/readyz",
        account=account,
    )


def _distribution_2() -> Subject:
    binary = shutil.which("docker-registry")
    return Subject(
        key="docker-registry",
        title="distribution 2.8 (Debian)",
        binary=binary,
        version=partial(_say_last_word, binary or "docker-registry", "--version"),
        launch=partial(_launch_distribution, binary or "docker-registry"),
    )


def _distribution_3() -> Subject:
    binary = _tool("registry3")
    return Subject(
        key="registry3",
        title="distribution 3",
        binary=binary,
        version=partial(_say_last_word, binary or "registry3", "--version"),
        launch=partial(_launch_distribution, binary or "registry3"),
    )


def _launch_distribution(binary: str, data: Path, port: int) -> Launch:
    configuration = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(data / "storage")},
            "cache": {"blobdescriptor": "inmemory"},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"127.0.0.1:{port}", "secret": secrets.token_hex(16)},
    }
    file = data / "config.yml"
    file.write_text(json.dumps(configuration))
    # 2.8 refuses to start with this variable set; 3 would look for a trace collector that is not there.
    return Launch((binary, "serve", str(file)), {"OTEL_TRACES_EXPORTER": "none"}, unset=("AWS_CA_BUNDLE",))


def _zot(key: str, title: str, commit: bool) -> Subject:
    """zot as it comes does not sync what it has answered 201 to; ``commit: true`` makes it.

    Its sources are at no module proxy: who wants it measured puts a program of that name into the tools' folder.
    """
    binary = _tool("zot")

    def launch(data: Path, port: int) -> Launch:
        configuration = {
            "storage": {"rootDirectory": str(data / "storage"), "commit": commit},
            "http": {"address": "127.0.0.1", "port": str(port)},
            "log": {"level": "error"},
        }
        file = data / "config.json"
        file.write_text(json.dumps(configuration))
        return Launch((binary or "zot", "serve", str(file)), {})

    return Subject(
        key=key,
        title=title,
        binary=binary,
        version=partial(_say_zot_version, binary or "zot"),
        launch=launch,
        optional=commit,
        brought=False,
    )
