"""What real clients print where a rule keeps a tag: the registry's own words, with the rule's id."""

from __future__ import annotations

import httpx
import pytest

from tests.clients.conftest import Shell, Target, remote_digest
from tests.clients.daemons import dockerd
from tests.conformance.client import Repository

pytestmark = pytest.mark.clients


def keep(target: Target, repository: Repository) -> str:
    """The id of a rule that keeps every tag of the repository."""
    api = f"http://{target.host}/api/v1"
    person = {"username": target.username, "password": target.password}
    token = httpx.post(f"{api}/session", json=person, trust_env=False).json()["token"]
    namespace, _, name = repository.name.partition("/")
    made = httpx.post(
        f"{api}/instances/default/immutability-rules", json={"namespace": namespace, "repositories": name},
        headers={"Authorization": f"Bearer {token}"}, trust_env=False,
    )  # fmt: skip
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


@pytest.mark.parametrize("client", ["crane", "oras", "skopeo"])
def test_a_client_that_would_move_an_immutable_tag_prints_which_rule_keeps_it(
    client: str, shell: Shell, target: Target, pushed: Repository
) -> None:
    """P1, R5"""
    repository = target.repository("immutable")
    first, other, tag = target.name(pushed, "v1"), target.name(pushed, "docker"), target.name(repository, "v1")
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    login = ("-u", target.username, "--password-stdin", target.host)
    logins = {"crane": ("auth", "login"), "oras": ("login", "--plain-http"), "skopeo": ("login", "--tls-verify=false")}
    copies: dict[str, tuple[str, ...]] = {
        "crane": ("copy", "--insecure"),
        "oras": ("cp", "--from-plain-http", "--to-plain-http"),
        "skopeo": ("copy", "--all", *plain),
    }
    scheme = "docker://" if client == "skopeo" else ""
    shell.run(client, *logins[client], *login, stdin=target.password)
    shell.run(client, *copies[client], f"{scheme}{first}", f"{scheme}{tag}")
    rule, before = keep(target, repository), remote_digest(repository, "v1")
    shell.run(client, *copies[client], f"{scheme}{first}", f"{scheme}{tag}")
    said = shell.run(client, *copies[client], f"{scheme}{other}", f"{scheme}{tag}", fails=True)
    assert f"tag v1 of {repository.name} is immutable under rule {rule}" in said
    assert remote_digest(repository, "v1") == before


def test_docker_prints_which_rule_keeps_a_tag(shell: Shell, target: Target, pushed: Repository) -> None:
    """P1, R5"""
    repository = target.repository("immutable")
    source, name = target.name(pushed, "v1"), target.name(repository, "v1")
    with dockerd(shell, target.host) as address:
        docker = ("docker", "--host", address)
        shell.run(*docker, "login", "-u", target.username, "--password-stdin", target.host, stdin=target.password)
        shell.run(*docker, "pull", "-q", source)
        shell.run(*docker, "tag", source, name)
        shell.run(*docker, "push", "-q", name)
        rule = keep(target, repository)
        (shell.home / "context").mkdir()
        (shell.home / "context" / "Dockerfile").write_text(f"FROM {source}\nCOPY Dockerfile /etc/built\n")
        shell.run(*docker, "build", "-q", "-t", name, str(shell.home / "context"))
        said = shell.run(*docker, "push", "-q", name, fails=True)
    assert f"denied: tag v1 of {repository.name} is immutable under rule {rule}" in said
