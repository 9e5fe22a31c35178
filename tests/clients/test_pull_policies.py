"""What real clients print where a pull policy blocks an image, and that pushing over it goes on."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import httpx
import pytest

from tests.clients.conftest import Shell, Target, remote_digest
from tests.clients.daemons import containerd, dockerd
from tests.conformance.client import Repository

pytestmark = pytest.mark.clients


def guarded(target: Target) -> Repository:
    """One of a namespace that lets nothing be pulled that was not scanned, which nothing in it will be."""
    api, namespace = f"http://{target.host}/api/v1", f"guarded-{secrets.token_hex(4)}"
    person = {"username": target.username, "password": target.password}
    with httpx.Client(trust_env=False) as http:
        token = http.post(f"{api}/session", json=person).json()["token"]
        http.headers["Authorization"] = f"Bearer {token}"
        made = {"name": namespace, "auto_create_repository": True, "scan_on_push": False}
        assert http.post(f"{api}/instances/default/namespaces", json=made).status_code == 201
        policy = {"severity": "critical", "unscanned": "block", "version": 0}
        path = f"{api}/instances/default/namespaces/{namespace}/pull-policy"
        assert http.put(path, json=policy).status_code == 200
    return Repository(target.registry, f"{namespace}/app")


def told(repository: Repository) -> str:
    namespace = repository.name.partition("/")[0]
    return f"is blocked by the pull policy of namespace {namespace}: not all of it was examined (scan: none)"


PLAIN = ("--src-tls-verify=false", "--dest-tls-verify=false")
# How each client logs in and pulls.
PULLS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "crane": (("auth", "login"), ("pull", "--insecure", "{}", "out.tar")),
    "oras": (("login", "--plain-http"), ("pull", "--plain-http", "{}")),
    "skopeo": (("login", "--tls-verify=false"), ("inspect", "--tls-verify=false", "docker://{}")),
}


@pytest.mark.parametrize("client", PULLS)
def test_a_client_prints_why_it_may_not_pull(client: str, shell: Shell, target: Target, pushed: Repository) -> None:
    """X6, R5: also what was pushed over a blocked image a moment ago. oras, which reads back what it copies, does not
    push here."""
    repository, (_, pull) = guarded(target), PULLS[client]
    pusher = "crane" if client == "oras" else client
    for one in {client, pusher}:
        shell.run(one, *PULLS[one][0], "-u", target.username, "--password-stdin", target.host, stdin=target.password)
    name = target.name(repository, "v1")
    for tag in ("v1", "docker"):
        source = target.name(pushed, tag)
        if pusher == "crane":
            shell.run("crane", "copy", "--insecure", source, name)
        else:
            shell.run("skopeo", "copy", "--all", *PLAIN, f"docker://{source}", f"docker://{name}")
        said = shell.run(client, *(part.format(name) for part in pull), fails=True)
        assert told(repository) in said
        assert remote_digest(pushed, tag) in said


def test_ctr_prints_nothing_of_why_but_pushes_over_what_it_may_not_pull(
    shell: Shell, target: Target, pushed: Repository
) -> None:
    """X6: containerd asks what the tag points to before it pushes, and stops at any refusal."""
    repository = guarded(target)
    name, login = target.name(repository, "v1"), ("--plain-http", "--user", f"{target.username}:{target.password}")
    with containerd(shell) as socket:
        for tag in ("v1", "docker"):
            source = target.foreign_name(pushed, tag)
            shell.run(
                "ctr", "-a", socket, "images", "pull", "--snapshotter", "native", "--all-platforms", *login, source
            )
            shell.run("ctr", "-a", socket, "images", "tag", "--force", source, name)
            shell.run("ctr", "-a", socket, "images", "push", *login, name)
            shell.run("ctr", "-a", socket, "images", "rm", name)
            said = shell.run("ctr", "-a", socket, "images", "pull", "--snapshotter", "native", *login, name, fails=True)
            assert "403 Forbidden" in said


def test_docker_prints_why_it_may_not_pull(shell: Shell, target: Target, pushed: Repository) -> None:
    """X6, R5"""
    repository = guarded(target)
    source, name = target.name(pushed, "v1"), target.name(repository, "v1")
    with dockerd(shell, target.host) as address:
        docker = ("docker", "--host", address)
        shell.run(*docker, "login", "-u", target.username, "--password-stdin", target.host, stdin=target.password)
        shell.run(*docker, "pull", "-q", source)
        shell.run(*docker, "tag", source, name)
        shell.run(*docker, "push", "-q", name)
        shell.run(*docker, "push", "-q", name)
        said = shell.run(*docker, "pull", name, fails=True)
    assert told(repository) in said
