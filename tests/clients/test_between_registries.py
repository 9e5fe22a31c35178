"""Whole repositories from registry to registry by other people's programs: skopeo sync, crane copy, oras copy."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import Shell, Target, on_target
from tests.clients.elsewhere import Family, assert_all_there, digests, docker_registry, family, give
from tests.e2e.image import SmallImage, small_image
from tests.serving import serving

pytestmark = pytest.mark.clients
PLAIN = ("--src-tls-verify=false", "--dest-tls-verify=false")
BY_DOCKER = ("--src", "docker", "--dest", "docker")


@pytest.fixture(scope="module", params=["another service", "another registry", "the same service"])
def elsewhere(
    request: pytest.FixtureRequest, target: Target, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("elsewhere") / "registry"
    if request.param == "the same service":
        yield target
    elif request.param == "another registry":
        with docker_registry(folder) as found:
            yield found
    else:
        with serving(folder) as service, on_target(service.url, service.username, service.password) as found:
            yield found


@pytest.fixture
def plain(tmp_path: Path) -> SmallImage:
    return small_image(tmp_path / "plain")


@pytest.fixture
def both(tmp_path: Path) -> Family:
    return family(tmp_path / "both")


def log_in(shell: Shell, client: str, *targets: Target) -> None:
    ways = {"skopeo": ("login", "--tls-verify=false"), "crane": ("auth", "login"), "oras": ("login", "--plain-http")}
    for one in targets:
        shell.run(client, *ways[client], "-u", one.username, "--password-stdin", one.host, stdin=one.password)


def filled(shell: Shell, where: Target, plain: SmallImage, both: Family) -> str:
    """A repository there with three tags."""
    name = f"library/app-{secrets.token_hex(4)}"
    give(shell, where, plain.layout, name, "v1", "stable")
    give(shell, where, both.layout, name, "multi")
    return name


def assert_same(where: Target, name: str, plain: SmallImage, both: Family) -> None:
    assert digests(where, name) == {"v1": plain.digest, "stable": plain.digest, "multi": both.digest}
    assert_all_there(where, name, plain, *both.images)


@pytest.mark.parametrize("inwards", [True, False], ids=["in", "out"])
def test_skopeo_syncs_a_repository(
    inwards: bool, shell: Shell, target: Target, elsewhere: Target, plain: SmallImage, both: Family
) -> None:
    """Y5: both ways, and once more by way of a folder."""
    source, destination = (elsewhere, target) if inwards else (target, elsewhere)
    log_in(shell, "skopeo", target, elsewhere)
    name = filled(shell, source, plain, both)
    short, there = name.partition("/")[2], f"library/{secrets.token_hex(4)}"

    shell.run("skopeo", "sync", "--all", *PLAIN, *BY_DOCKER, f"{source.host}/{name}", f"{destination.host}/{there}")
    assert_same(destination, f"{there}/{short}", plain, both)

    shell.run("skopeo", "sync", "--all", "--src-tls-verify=false", "--src", "docker", "--dest", "dir",
              f"{source.host}/{name}", shell.home / "out")  # fmt: skip
    shell.run("skopeo", "sync", "--all", "--dest-tls-verify=false", "--src", "dir", "--dest", "docker",
              shell.home / "out", f"{destination.host}/{there}-by-folder")  # fmt: skip
    assert_same(destination, f"{there}-by-folder/{short}", plain, both)


@pytest.mark.parametrize("inwards", [True, False], ids=["in", "out"])
def test_crane_copies_all_tags_of_a_repository(
    inwards: bool, shell: Shell, target: Target, elsewhere: Target, plain: SmallImage, both: Family
) -> None:
    """Y5"""
    source, destination = (elsewhere, target) if inwards else (target, elsewhere)
    log_in(shell, "crane", target, elsewhere)
    name, there = filled(shell, source, plain, both), f"library/crane-{secrets.token_hex(4)}"
    shell.run("crane", "copy", "--all-tags", f"{source.host}/{name}", f"{destination.host}/{there}")
    assert_same(destination, there, plain, both)
    shell.run("crane", "cp", f"{source.host}/{name}@{both.digest}", f"{destination.host}/{there}-one:multi")
    assert digests(destination, f"{there}-one") == {"multi": both.digest}


@pytest.mark.parametrize("inwards", [True, False], ids=["in", "out"])
def test_oras_copies_an_image_with_all_that_is_about_it(
    inwards: bool, shell: Shell, target: Target, elsewhere: Target, plain: SmallImage, both: Family
) -> None:
    """Y5: what is attached to what is attached, too."""
    source, destination = (elsewhere, target) if inwards else (target, elsewhere)
    log_in(shell, "oras", target, elsewhere)
    name, there = filled(shell, source, plain, both), f"library/oras-{secrets.token_hex(4)}"
    (shell.home / "bill.json").write_text(json.dumps({"of": name}))
    (shell.home / "signature").write_text(secrets.token_hex(20))
    attach = ("oras", "attach", "--plain-http", "--artifact-type")
    place, kinds = f"{source.host}/{name}", ("application/vnd.crs.sbom", "application/vnd.crs.signature")
    shell.run(*attach, kinds[0], f"{place}:multi", "bill.json")
    (bill,) = referrers(shell, source, f"{name}:multi")
    shell.run(*attach, kinds[1], f"{place}@{bill['digest']}", "signature")

    shell.run("oras", "cp", "-r", "--from-plain-http", "--to-plain-http", f"{place}:multi",
              f"{destination.host}/{there}:multi")  # fmt: skip
    assert digests(destination, there)["multi"] == both.digest
    assert_all_there(destination, there, *both.images)
    (found,) = referrers(shell, destination, f"{there}:multi")
    assert (found["digest"], found["artifactType"]) == (bill["digest"], kinds[0])
    (signature,) = referrers(shell, destination, f"{there}@{bill['digest']}")
    assert signature["artifactType"] == kinds[1]


def referrers(shell: Shell, where: Target, name: str) -> list[dict[str, str]]:
    """What is about that image itself."""
    said = shell.run("oras", "discover", "--plain-http", "--format", "json", "--depth", "1", f"{where.host}/{name}")
    found: list[dict[str, str]] = json.loads(said)["referrers"]
    return found


@pytest.mark.parametrize("client", ["skopeo", "crane", "oras"])
def test_a_client_prints_which_namespace_is_missing(
    client: str, shell: Shell, target: Target, elsewhere: Target, plain: SmallImage, both: Family
) -> None:
    """Y5: and what to do about it."""
    log_in(shell, client, target, elsewhere)
    name = filled(shell, elsewhere, plain, both)
    source, nowhere = f"{elsewhere.host}/{name}", f"{target.host}/nowhere/app"
    commands: dict[str, tuple[str, ...]] = {
        "skopeo": ("sync", *PLAIN, *BY_DOCKER, source, f"{target.host}/nowhere"),
        "crane": ("copy", "--all-tags", source, nowhere),
        "oras": ("cp", "-r", "--from-plain-http", "--to-plain-http", f"{source}:v1", f"{nowhere}:v1"),
    }
    said = shell.run(client, *commands[client], fails=True)
    assert "there is no namespace nowhere; create it first" in said, said
