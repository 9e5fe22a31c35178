"""helm: charts as OCI artifacts, signed ones, dependencies, and the classic repository."""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.cluster import cluster
from tests.clients.conftest import Shell, Target, program, remote_digest, remote_tags
from tests.conformance.client import Repository
from tests.serving import PASSWORD, Service, serving

pytestmark = pytest.mark.clients

README, VALUES = "# Told in the README\n", "replicas: 3\n"


class Helm:
    """helm at one address, logged in."""

    def __init__(self, shell: Shell, host: str, username: str, password: str, namespace: str = "library") -> None:
        self.shell, self.host, self.username, self.password = shell, host, username, password
        self.registry = f"oci://{host}/{namespace}"
        self.classic = f"http://{host}/charts/default/{namespace}"
        self.run("registry", "login", "--plain-http", "-u", username, "--password-stdin", host, stdin=password)

    def run(self, *arguments: str | Path, **more: Any) -> str:
        return self.shell.run("helm", *arguments, **more)

    def create(self, chart: str) -> Path:
        """A chart as helm itself makes them, with texts of its own."""
        self.run("create", chart)
        folder = self.shell.home / chart
        (folder / "README.md").write_text(README)
        with (folder / "values.yaml").open("a") as values:
            values.write(VALUES)
        return folder

    def push(self, chart: str, version: str, *signing: str | Path) -> bytes:
        """The archive, with its provenance where it was signed."""
        self.run("package", chart, "--version", version, *signing)
        self.run("push", f"{chart}-{version}.tgz", self.registry, "--plain-http")
        return (self.shell.home / f"{chart}-{version}.tgz").read_bytes()

    def add(self, name: str, *, login: bool = True) -> None:
        credentials = ("--username", self.username, "--password-stdin") if login else ()
        self.run("repo", "add", name, self.classic, *credentials, stdin=self.password if login else None)

    def found(self, wanted: str) -> list[tuple[str, str]]:
        self.run("repo", "update")
        listed = json.loads(self.run("search", "repo", wanted, "--versions", "--devel", "--output", "json"))
        return [(one["version"], one["app_version"]) for one in listed]

    def folder(self, name: str) -> Path:
        path = self.shell.home / name
        path.mkdir(exist_ok=True)
        return path


@pytest.fixture
def helm(shell: Shell, target: Target) -> Helm:
    return Helm(shell, target.host, target.username, target.password)


@pytest.fixture
def chart() -> str:
    return f"chart-{secrets.token_hex(4)}"


@pytest.fixture
def keyring(shell: Shell) -> Iterator[Path]:
    """A signing key of `tester`; its public half lies beside it. No passphrase."""
    home = shell.home / "gnupg"
    home.mkdir(mode=0o700)
    gpg = (program("gpg"), "--homedir", str(home), "--batch", "--quiet")
    about = (
        "%no-protection\nKey-Type: RSA\nKey-Length: 2048\nName-Real: tester\nName-Email: tester@example.com\n%commit\n"
    )
    subprocess.run((*gpg, "--gen-key"), input=about, text=True, check=True, capture_output=True, timeout=60)
    for command, file in (("--export-secret-keys", "secret.gpg"), ("--export", "public.gpg")):
        exported = subprocess.run((*gpg, command), check=True, capture_output=True, timeout=60)
        (shell.home / file).write_bytes(exported.stdout)
    yield shell.home / "secret.gpg"
    subprocess.run((program("gpgconf"), "--homedir", str(home), "--kill", "all"), check=True, timeout=60)


def test_helm_pushes_shows_and_pulls_a_chart(shell: Shell, target: Target) -> None:
    """R3"""
    chart = target.repository("chart").name.rpartition("/")[2]
    repository = Repository(target.registry, f"library/{chart}")
    shell.run("helm", "registry", "login", "--plain-http", "-u", target.username, "--password-stdin", target.host,
              stdin=target.password)  # fmt: skip
    shell.run("helm", "create", chart)
    for version in ("0.1.0", "0.2.0+build.7"):
        shell.run("helm", "package", chart, "--version", version)
        shell.run("helm", "push", f"{chart}-{version}.tgz", f"oci://{target.host}/library", "--plain-http")
    # A tag holds no "+": helm writes "_" and reads it back.
    assert remote_tags(repository) == ["0.1.0", "0.2.0_build.7"]
    assert remote_digest(repository, "0.1.0").startswith("sha256:")

    name = f"oci://{target.name(repository)}"
    assert f"name: {chart}" in shell.run("helm", "show", "chart", name, "--plain-http", "--version", "0.1.0")
    (shell.home / "out").mkdir()
    shell.run("helm", "pull", name, "--plain-http", "--version", "0.2.0+build.7", "--destination", shell.home / "out")
    pulled = (shell.home / "out" / f"{chart}-0.2.0+build.7.tgz").read_bytes()
    assert pulled == (shell.home / f"{chart}-0.2.0+build.7.tgz").read_bytes()
    layer = repository.manifest("GET", "0.2.0_build.7").json()["layers"][0]
    assert layer["digest"] == f"sha256:{hashlib.sha256(pulled).hexdigest()}"
    # helm asks for the tag list when no version is named, and takes the highest.
    assert "version: 0.2.0+build.7" in shell.run("helm", "show", "chart", name, "--plain-http")
    shell.run("helm", "registry", "logout", target.host)


def test_helm_shows_and_installs_from_the_registry(helm: Helm, chart: str) -> None:
    """H1"""
    helm.create(chart)
    helm.push(chart, "0.1.0")
    name = f"{helm.registry}/{chart}"
    assert README.strip() in helm.run("show", "readme", name, "--plain-http")
    assert VALUES in helm.run("show", "values", name, "--plain-http", "--version", "0.1.0")
    with cluster() as api:
        dry = ("--dry-run=client", "--disable-openapi-validation", "--kube-apiserver", api)
        installed = helm.run("install", "trial", name, "--plain-http", "--version", "0.1.0", *dry)
    assert f"# Source: {chart}/templates/deployment.yaml" in installed
    assert "kind: Deployment" in installed


def test_a_signed_chart_is_verified_after_its_way_through_either_door(helm: Helm, chart: str, keyring: Path) -> None:
    """H1: `helm push` takes the provenance along, `helm pull --verify` asks for it; a foreign key verifies nothing."""
    helm.create(chart)
    packed = helm.push(chart, "1.0.0", "--sign", "--key", "tester", "--keyring", keyring)
    helm.add("here")
    public = ("--keyring", helm.shell.home / "public.gpg")
    for name, more in ((f"{helm.registry}/{chart}", ("--plain-http",)), (f"here/{chart}", ())):
        out = helm.folder(f"out{len(more)}")
        helm.run("pull", name, "--version", "1.0.0", "--verify", *public, "--destination", out, *more)
        assert (out / f"{chart}-1.0.0.tgz").read_bytes() == packed
        assert b"BEGIN PGP SIGNED MESSAGE" in (out / f"{chart}-1.0.0.tgz.prov").read_bytes()
    helm.push(chart, "1.1.0")
    for name, more in ((f"{helm.registry}/{chart}", ("--plain-http",)), (f"here/{chart}", ())):
        helm.run("repo", "update")
        helm.run("pull", name, "--version", "1.1.0", "--verify", *public, *more, fails=True)


def test_dependencies_come_from_the_registry_and_from_the_classic_repository(helm: Helm, chart: str) -> None:
    """H1"""
    parts = {f"{chart}-a": helm.registry, f"{chart}-b": helm.classic}
    for part in parts:
        helm.create(part)
        helm.push(part, "1.2.3")
        helm.push(part, "2.0.0")
    helm.add("here")
    wanted = [f"- name: {part}\n  version: 1.x\n  repository: {place}\n" for part, place in parts.items()]
    folder = helm.create(chart)
    with (folder / "Chart.yaml").open("a") as described:
        described.write("dependencies:\n" + "".join(wanted))
    helm.run("dependency", "update", chart, "--plain-http")
    assert sorted(path.name for path in (folder / "charts").iterdir()) == [f"{part}-1.2.3.tgz" for part in parts]
    helm.push(chart, "0.1.0")
    shown = helm.run("show", "chart", f"{helm.registry}/{chart}", "--plain-http")
    assert f"repository: {helm.classic}" in shown
    assert f"name: {chart}-a" in shown


def test_the_classic_repository_is_added_searched_pulled_and_installed_from(helm: Helm, chart: str) -> None:
    """H1"""
    helm.create(chart)
    for version in ("1.10.0", "1.9.0", "2.0.0-rc.1"):
        packed = helm.push(chart, version)
    odd = helm.push(chart, "1.8.0+build.7")
    helm.add("here")
    assert helm.found(f"here/{chart}") == [
        ("2.0.0-rc.1", "1.16.0"), ("1.10.0", "1.16.0"), ("1.9.0", "1.16.0"), ("1.8.0+build.7", "1.16.0"),
    ]  # fmt: skip
    out = helm.folder("out")
    helm.run("pull", f"here/{chart}", "--version", "2.0.0-rc.1", "--destination", out)
    assert (out / f"{chart}-2.0.0-rc.1.tgz").read_bytes() == packed
    helm.run("pull", f"here/{chart}", "--version", "1.8.0+build.7", "--destination", out)
    assert (out / f"{chart}-1.8.0+build.7.tgz").read_bytes() == odd
    helm.run("pull", f"here/{chart}", "--destination", out)
    assert (out / f"{chart}-1.10.0.tgz").exists()
    assert README.strip() in helm.run("show", "readme", f"here/{chart}")
    with cluster() as api:
        dry = ("--dry-run=client", "--disable-openapi-validation", "--kube-apiserver", api)
        assert "kind: Deployment" in helm.run("install", "trial", f"here/{chart}", *dry)


def test_a_deleted_version_vanishes_from_the_classic_repository(helm: Helm, target: Target, chart: str) -> None:
    """H1: deleted as tags are."""
    helm.create(chart)
    helm.push(chart, "1.0.0")
    helm.push(chart, "1.1.0")
    helm.add("here")
    assert [version for version, _ in helm.found(f"here/{chart}")] == ["1.1.0", "1.0.0"]
    assert Repository(target.registry, f"library/{chart}").manifest("DELETE", "1.1.0").status_code == 202
    assert [version for version, _ in helm.found(f"here/{chart}")] == ["1.0.0"]
    helm.run("pull", f"{helm.registry}/{chart}", "--plain-http", "--version", "1.1.0", fails=True)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path / "data") as served:
        yield served


def manage(service: Service, method: str, path: str, body: object = None) -> Any:
    signed_in = {"account": "default", "username": service.username, "password": service.password}
    token = httpx.post(f"{service.url}/api/v1/session", json=signed_in).json()["token"]
    url = f"{service.url}/api/v1/instances/default{path}"
    answer = httpx.request(method, url, json=body, headers={"Authorization": f"Bearer {token}"})
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def test_what_helm_sees_without_credentials_and_from_elsewhere(shell: Shell, service: Service) -> None:
    """H1, G2: public charts without a login, private ones not; an instance with an allowlist lets in who is on it."""
    manage(
        service, "POST", "/namespaces", {"name": "open", "auto_create_repository": True, "default_visibility": "public"}
    )
    private = Helm(shell, service.host, service.username, PASSWORD)
    public = Helm(shell, service.host, service.username, PASSWORD, "open")
    for helm, chart in ((private, "hidden"), (public, "shown")):
        helm.create(chart)
        helm.push(chart, "1.0.0")
    public.run("registry", "logout", service.host)
    public.add("open", login=False)
    assert [version for version, _ in public.found("open/shown")] == ["1.0.0"]
    public.run("pull", "open/shown", "--destination", public.folder("out"))
    public.run("pull", f"{public.registry}/shown", "--plain-http", "--destination", public.folder("out"))
    assert "401" in private.run("repo", "add", "private", private.classic, fails=True)
    private.run("pull", f"{private.registry}/hidden", "--plain-http", fails=True)

    here = manage(service, "GET", "/allowlist")["items"]
    assert "127.0.0.1/32" in [one["cidr"] for one in here]
    private.add("private")
    assert [version for version, _ in private.found("private/hidden")] == ["1.0.0"]
    manage(service, "POST", "/allowlist", {"cidr": "198.51.100.0/24", "remark": "elsewhere"})
    for entry in here:
        manage(service, "DELETE", f"/allowlist/{entry['id']}")
    assert "403" in private.run("pull", "private/hidden", fails=True)
    assert "403" in public.run("repo", "add", "again", public.classic, fails=True)
    assert "403" in public.run("pull", f"{public.registry}/shown", "--plain-http", fails=True)
