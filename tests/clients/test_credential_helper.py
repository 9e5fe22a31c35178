"""docker-credential-crs as real clients drive it: podman and skopeo log in, pull and log out through it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.cli.programs import write_program
from tests.clients.conftest import Shell, Target
from tests.conformance.client import Repository

pytestmark = pytest.mark.clients


@pytest.fixture
def helped(shell: Shell, target: Target) -> Shell:
    """A shell with the helper on its path, and its clients told that the registry's logins are there."""
    programs = shell.home / "bin"
    programs.mkdir()
    write_program(programs / "docker-credential-crs", "credential_helper")
    config = shell.home / "auth.json"
    config.write_text(json.dumps({"credHelpers": {target.host: "crs"}}))
    return replace(shell, more={**shell.more, "PATH": f"{programs}:{shell.environment()['PATH']}"})


def kept(shell: Shell) -> dict[str, dict[str, str]]:
    file = shell.home / ".config/crs/credentials.json"
    found: dict[str, dict[str, str]] = json.loads(file.read_text())["registries"]
    return found


def test_skopeo_logs_in_pulls_and_logs_out_through_the_helper(
    helped: Shell, target: Target, pushed: Repository
) -> None:
    """R3"""
    image = f"docker://{target.name(pushed, 'v1')}"
    helped.run("skopeo", "inspect", "--tls-verify=false", image, fails=True)
    helped.run("skopeo", "login", "--tls-verify=false", "-u", target.username, "--password-stdin", target.host,
               stdin=target.password)  # fmt: skip
    assert kept(helped) == {target.host: {"username": target.username, "secret": target.password}}
    assert target.password not in (helped.home / "auth.json").read_text()
    assert json.loads(helped.run("skopeo", "inspect", "--tls-verify=false", image))["Name"].endswith(pushed.name)
    helped.run("skopeo", "logout", target.host)
    assert kept(helped) == {}
    helped.run("skopeo", "inspect", "--tls-verify=false", image, fails=True)


def test_podman_reads_with_a_login_of_the_environment(helped: Shell, target: Target, pushed: Repository) -> None:
    """R3, X4: nothing is written anywhere."""
    given = {"CRS_LOGIN_REGISTRY": target.host, "CRS_LOGIN_USERNAME": target.username}
    job = replace(helped, more={**helped.more, **given, "CRS_LOGIN_PASSWORD": target.password})
    listing = ("podman", "search", "--list-tags", "--tls-verify=false", target.name(pushed))
    helped.run(*listing, fails=True)
    assert {"v1", "docker"} <= set(job.run(*listing).split())
    assert not (helped.home / ".config/crs").exists()


def test_podman_uses_it_for_every_registry_where_it_is_told_so(helped: Shell, target: Target, tmp_path: Path) -> None:
    """R3: `credential-helpers` of registries.conf."""
    (helped.home / "auth.json").write_text("{}")
    config = tmp_path / "registries.conf"
    config.write_text(f'credential-helpers = ["crs"]\n[[registry]]\nlocation = "{target.host}"\ninsecure = true\n')
    told = replace(helped, more={**helped.more, "CONTAINERS_REGISTRIES_CONF": str(config)})
    told.run("podman", "login", "-u", target.username, "--password-stdin", target.host, stdin=target.password)
    assert list(kept(told)) == [target.host]
    assert told.run("podman", "login", "--get-login", target.host).strip() == target.username
    told.run("podman", "logout", target.host)
    assert kept(told) == {}


@pytest.mark.parametrize(
    "command",
    [
        ("crane", "digest", "--insecure"),
        ("oras", "resolve", "--plain-http"),
    ],
    ids=lambda command: command[0],
)
def test_crane_and_oras_read_through_the_helper_that_dockers_file_names(
    helped: Shell, target: Target, pushed: Repository, command: tuple[str, ...]
) -> None:
    """R3, X4"""
    folder = helped.home / ".docker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"credHelpers": {target.host: "crs"}}))
    given = {"CRS_LOGIN_REGISTRY": target.host, "CRS_LOGIN_USERNAME": target.username}
    job = replace(helped, more={**helped.more, **given, "CRS_LOGIN_PASSWORD": target.password})
    helped.run(*command, target.name(pushed, "v1"), fails=True)
    assert job.run(*command, target.name(pushed, "v1")).startswith("sha256:")
