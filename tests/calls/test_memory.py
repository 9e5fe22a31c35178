"""What is read ahead decides no worse: rights end when they ended before, and what comes is seen as soon (R2, R3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from chalicelib.access.service import Access
from chalicelib.credentials.service import Credentials
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports import keys
from chalicelib.ports.aws.table import DynamoTable
from chalicelib.ports.stack import Stack
from chalicelib.registry.bodies import LargeBodies
from chalicelib.repositories.service import Repositories
from tests.ports_aws.adapters import moto_clients

from .worlds import LOGIN, World, moto_world

PULL = "/v2/library/app/manifests/v1"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with moto_world(tmp_path, 1) as made:
        made.lenient = True
        yield made


def elsewhere(world: World) -> Stack:
    """Another process, of whose writes the world's learns with its next look at the table."""
    return replace(world.plain, table=DynamoTable(moto_clients().dynamodb, world.plain.settings.table))


def push(world: World) -> httpx.Response:
    return world.ask("POST", "/v2/library/app/blobs/uploads/")


def test_a_credential_that_ends_elsewhere_ends_at_once_for_writes_and_within_five_seconds_for_pulls(
    world: World,
) -> None:
    """R2, G3"""
    assert world.ask("GET", PULL).status_code == 200
    Credentials(elsewhere(world)).regenerate_password(world.instance.id, LOGIN[0])
    assert push(world).status_code == 401
    world.forget()
    assert world.ask("GET", PULL).status_code == 401


def test_an_instance_that_left_its_address_elsewhere_is_not_found_there(world: World) -> None:
    """I2: where it was is only a guess."""
    assert world.ask("GET", PULL).status_code == 200
    elsewhere(world).table.delete(keys.address(world.instance.label))
    world.forget()
    assert world.ask("GET", PULL).status_code == 404


def test_a_token_of_another_instance_leads_nowhere(world: World) -> None:
    """R2: it says whose it is, and the address whom it is shown to."""
    token = world.token("repository:library/app:pull,push")
    world.serve_anew()
    headers = {"authorization": f"Bearer {token}", "host": "elsewhere-00000000.registry.test"}
    assert world.ask("GET", PULL, scope="", headers=headers).status_code == 404


@pytest.mark.parametrize(
    ("host", "reads"),
    [("nobody-00000000.registry.test", {"table.get": 2}), ("203.0.113.9", {})],
    ids=["label", "other"],
)
def test_a_host_that_names_no_instance_costs_two_reads_at_most(world: World, host: str, reads: dict[str, int]) -> None:
    """I2: whoever scans addresses comes by all the time. To refuse is one, and for the audit record one more."""

    def knock() -> None:
        assert world.ask("GET", PULL, scope="", headers={"host": host}).status_code == 404

    knock()
    assert world.count(knock) == reads


def test_whoever_the_allowlist_keeps_out_costs_no_read_whatever_they_ask_for(world: World) -> None:
    """R2: nobody outside makes the table work by inventing names."""
    Access(world.plain).add(world.instance, "192.0.2.0/24")
    world.forget()

    def knock(number: int) -> None:
        answer = world.ask("GET", f"/v2/library/a{number}/manifests/v1", auth=(f"somebody-{number}", "no password"))
        assert answer.status_code == 403

    knock(0)
    assert world.count(lambda: knock(1)) == {}
    assert world.count(lambda: knock(2)) == {}


def test_what_was_not_there_is_seen_as_soon_as_it_is_pushed_elsewhere(world: World) -> None:
    """R3: nobody remembers that a repository or a manifest is missing."""
    name, auth = RepositoryName("library/later"), LOGIN
    missing = world.ask("GET", f"/v2/{name}/manifests/v2", auth=auth)
    assert missing.status_code == 404
    other = replace(world.library, stack=elsewhere(world))
    digest = other.push("v2", name=name)
    assert world.ask("GET", f"/v2/{name}/manifests/{digest}", auth=auth).status_code == 200
    more = other.push("v3", name=name, layers=(b"more",))
    assert world.ask("GET", f"/v2/{name}/manifests/{more}", auth=auth).status_code == 200


def test_a_name_that_was_taken_by_another_repository_gives_none(world: World) -> None:
    """R3"""
    repositories, gone = Repositories(world.plain), world.library.repository()
    world.plain.table.put({**keys.repository_by_id("01J00000000000000000000000")._asdict(), "name": str(gone.name)})
    found = repositories.of_ids(world.instance.id, ["01J00000000000000000000000", gone.id, gone.id, "none"])
    assert [repository.id for repository in found] == [gone.id]


def test_large_manifests_are_kept_in_so_many_bytes_the_newest_of_them() -> None:
    """R4"""
    bodies = LargeBodies(most_bytes=100)
    for number in range(5):
        bodies.put(("instance", str(number)), b"x" * 40)
    bodies.put(("instance", "4"), b"x" * 40)
    assert [number for number in range(5) if bodies.get(("instance", str(number)))] == [3, 4]
