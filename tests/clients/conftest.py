"""One served registry, one real image and a runner of programs for all clients."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.clients.image import RECIPE, Layout, layout, tools
from tests.conformance.client import Registry, Repository, TokenLogin
from tests.lacking import lacking
from tests.serving import serving

TIMEOUT_S = 300


def program(name: str) -> str:
    """Its path, from the tools folder or the system. Where CI is set its absence is a failure."""
    built = tools() / "bin" / name
    # The system's own before what else lies on the path: those are the versions that .ci/install-clients names.
    found = str(built) if built.exists() else shutil.which(name, path=f"/usr/bin:/usr/sbin:{os.environ['PATH']}")
    if found is None:
        lacking(f"{name} is missing: run .ci/install-clients")
    return found


@dataclass
class Shell:
    """Runs clients in a home of their own, so that no test sees another's logins or caches."""

    home: Path
    more: Mapping[str, str] = field(default_factory=dict)

    def run(self, name: str, *arguments: str | Path, stdin: str | None = None, fails: bool = False) -> str:
        """Standard output; with `fails`, what it said of its failure. The exit code must be 0, or with `fails` not."""
        command = [program(name), *map(str, arguments)]
        done = subprocess.run(
            command, input=stdin, env=self.environment(), cwd=self.home, capture_output=True, text=True,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert (done.returncode != 0) is fails, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout + done.stderr if fails else done.stdout

    def environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
        folders = {"HOME": self.home, "XDG_RUNTIME_DIR": self.home, "DOCKER_CONFIG": self.home / ".docker"}
        own = {**folders, "REGISTRY_AUTH_FILE": self.home / "auth.json"}
        return {**kept, **{key: str(path) for key, path in own.items()}, "NO_PROXY": "127.0.0.1,localhost", **self.more}


@dataclass(frozen=True)
class Target:
    """The registry under test, as clients name it (`host`), and as the tests look into it (`registry`)."""

    host: str
    username: str
    password: str
    registry: Registry

    def repository(self, client: str) -> Repository:
        """A repository of this test's own."""
        return Repository(self.registry, f"library/{client}-{secrets.token_hex(4)}")

    @property
    def other_host(self) -> str:
        """The same registry under another name. Clients mount nothing between two hosts: they send every byte."""
        return self.host.replace("127.0.0.1", "localhost")

    def name(self, repository: Repository, tag: str = "") -> str:
        return f"{self.host}/{repository.name}" + (f":{tag}" if tag else "")

    def foreign_name(self, repository: Repository, tag: str) -> str:
        return f"{self.other_host}/{repository.name}:{tag}"


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """CRS_TEST_REGISTRY names another registry; without it the service is started on a folder of its own."""
    if named := os.environ.get("CRS_TEST_REGISTRY"):
        username, password = (os.environ.get(f"CRS_TEST_{what}", "x") for what in ("USERNAME", "PASSWORD"))
        with on_target(named, username, password) as found:
            yield found
        return
    with (
        serving(tmp_path_factory.mktemp("clients") / "data") as service,
        on_target(service.url, service.username, service.password) as found,
    ):
        yield found


@contextmanager
def on_target(url: str, username: str, password: str) -> Iterator[Target]:
    login = httpx.BasicAuth(username, password) if os.environ.get("CRS_TEST_BASIC") else TokenLogin(username, password)
    with httpx.Client(base_url=url, auth=login, timeout=60, trust_env=False) as http:
        registry = Registry(url, username, password, "library", None, http)
        yield Target(url.partition("://")[2], username, password, registry)


@pytest.fixture(scope="session")
def image() -> Layout:
    tree = tools() / "trees" / "bookworm-amd64"
    if not tree.is_dir():
        lacking(f"{tree} is missing: run .ci/install-clients")
    return layout(tree, tools() / f"image-{RECIPE}")


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A home of this test's own, gone at the end: a client can leave 3 GB behind.

    Not pytest's folder: podman takes no run folder of more than 50 characters, a socket no path of more than 107.
    """
    with TemporaryDirectory(prefix="crs-") as home:
        yield Shell(Path(home))


@pytest.fixture(scope="session")
def pushed(target: Target, image: Layout, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The image in the registry: as `v1` the OCI index, as `docker` its Docker schema 2 twin."""
    repository = target.repository("real")
    shell = Shell(tmp_path_factory.mktemp("pushed"))
    login = ("--dest-tls-verify=false", "--dest-creds", f"{target.username}:{target.password}")
    for tag, form in (("v1", "oci"), ("docker", "v2s2")):
        shell.run(
            "skopeo", "copy", "--all", "--format", form, *login, f"oci:{image.reference}",
            f"docker://{target.name(repository, tag)}",
        )  # fmt: skip
    return repository


def remote_digest(repository: Repository, reference: str) -> str:
    answer = repository.manifest("HEAD", reference)
    assert answer.status_code == 200, f"{repository.name}:{reference} answers {answer.status_code}"
    return str(answer.headers["Docker-Content-Digest"])


def remote_tags(repository: Repository) -> list[str]:
    return list(repository.tags().json()["tags"])


def assert_whole(repository: Repository, reference: str, image: Layout) -> None:
    """The tag is the very index of the layout, and all that hangs on it is there in its true size."""
    assert repository.manifest("GET", reference).content == image.blob(image.digest).read_bytes()
    for digest in image.images.values():
        assert repository.manifest("GET", digest).content == image.blob(digest).read_bytes()
    for digest in image.blobs() - {image.digest, *image.images.values()}:
        head = repository.blob("HEAD", digest)
        assert (head.status_code, int(head.headers["Content-Length"])) == (200, image.blob(digest).stat().st_size)


def assert_layout_equals(folder: Path, image: Layout) -> None:
    """Every blob of the image is in the OCI layout at `folder`, byte for byte."""
    for digest in image.blobs():
        path = folder / "blobs" / digest.replace(":", "/", 1)
        assert path.is_file(), f"{digest} is missing in {folder}"
        assert f"sha256:{file_sha256(path)}" == digest


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
