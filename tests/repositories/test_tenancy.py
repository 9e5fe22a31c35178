"""Two accounts with the same names for everything never meet, and a quota holds whoever comes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chalicelib.credentials.service import Credentials
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.repositories.service import Repositories
from tests.management import Api
from tests.registry.wire import CONFIG, MANIFEST, Wire, image, sha256
from tests.stacks import make_instance, make_namespace

LOGIN = ("admin", "correct-horse-battery")
SPACE = "/instances/ci/namespaces/library"


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    served = Wire(tmp_path)
    yield served
    served.close()


def opened(wire: Wire, account: str) -> Instance:
    """An instance `ci` with namespace `library` and credential `admin`, and a user `owner` of the account."""
    Api.signed_in(wire.stack, account=account)
    instance = make_instance(wire.stack, "ci", "personal", account_id=account)
    make_namespace(wire.stack, instance)
    return instance


class _Client:
    """A registry client that logs in at one instance's own address."""

    def __init__(self, wire: Wire, instance: Instance, password: str) -> None:
        self._wire, self._password = wire, password
        self._address = Instances(wire.stack).public_address(instance)
        Credentials(wire.stack).create(instance, "admin", password)

    def ask(self, method: str, path: str, password: str = "", **more: Any) -> httpx.Response:
        headers = {"Host": self._address, "Content-Type": MANIFEST}
        login = ("admin", password or self._password)
        return self._wire.ask(method, path, login=login, headers=headers, **more)

    def push(self, layer: bytes) -> bytes:
        for blob in (b"{}", layer):
            path = f"/v2/library/app/blobs/uploads/?digest={sha256(blob)}"
            assert self.ask("POST", path, content=blob).status_code == 201
        body = image(layer)
        assert self.ask("PUT", "/v2/library/app/manifests/v1", content=body).status_code == 201
        return body


def test_registries_of_the_same_names_hold_what_was_pushed_to_each(wire: Wire) -> None:
    """G5: neither content nor credentials nor its mere digest reaches across."""
    one, two = opened(wire, "one"), opened(wire, "two")
    ours, theirs = _Client(wire, one, "correct-horse-one"), _Client(wire, two, "correct-horse-two")
    first = ours.push(b"ours")
    assert theirs.ask("GET", "/v2/library/app/manifests/v1").status_code == 404
    assert theirs.ask("GET", "/v2/_catalog").json()["repositories"] == []
    second = theirs.push(b"theirs")
    assert ours.ask("GET", "/v2/library/app/manifests/v1").content == first
    assert theirs.ask("GET", "/v2/library/app/manifests/v1").content == second
    assert theirs.ask("GET", f"/v2/library/app/blobs/{sha256(b'ours')}").status_code == 404
    mount = f"/v2/library/app/blobs/uploads/?mount={sha256(b'ours')}&from=library/app"
    assert theirs.ask("POST", mount).status_code == 202
    assert theirs.ask("GET", "/v2/library/app/manifests/v1", "correct-horse-one").status_code == 401
    assert ours.ask("DELETE", "/v2/library/app/manifests/v1").status_code == 202
    assert theirs.ask("GET", "/v2/library/app/manifests/v1").status_code == 200


def test_the_api_shows_and_changes_only_ones_own(wire: Wire) -> None:
    """G5"""
    one, two = opened(wire, "one"), opened(wire, "two")
    ours, theirs = (Api.signed_in(wire.stack, account=account) for account in ("one", "two"))
    mine = ours.post(f"{SPACE}/repositories", {"name": "app", "summary": "ours"}).json()
    assert theirs.get("/instances/ci/repositories").json()["items"] == []
    theirs.post(f"{SPACE}/repositories", {"name": "app", "summary": "theirs"})
    theirs.patch(f"{SPACE}/repositories/app", {"visibility": "public"})
    assert ours.get(f"{SPACE}/repositories/app").json() == mine
    foreign = [f"/instances/{one.id}/namespaces/library", f"{SPACE}/repositories/{mine['id']}"]
    missing = ["/instances/01J00000000000000000000000/namespaces/library", f"{SPACE}/repositories/{one.id}"]
    for hidden, absent in zip(foreign, missing, strict=True):
        answers = [theirs.get(hidden).json(), theirs.get(absent).json()]
        assert answers[0].pop("request_id") != answers[1].pop("request_id")
        assert answers[0] == answers[1]
    assert Instances(wire.stack).usage(one).repositories.used == Instances(wire.stack).usage(two).repositories.used == 1


def test_fifty_pushes_at_once_against_a_quota_of_three_repositories_leave_exactly_three(wire: Wire) -> None:
    """I1, I7, N1: over the wire, each into a repository of its own that the push would make."""
    full = wire.instance.repository_limit - 3
    wire.stack.table.update(Instances(wire.stack).count_change(wire.instance, repositories=full))

    async def push(number: int) -> tuple[int, str]:
        path = f"/v2/library/x{number}/blobs/uploads/?digest={sha256(b'{}')}"
        headers = {"Content-Type": CONFIG}
        answer = await wire.client.post(path, content=b"{}", auth=LOGIN, headers=headers)
        return answer.status_code, answer.text

    async def all_at_once() -> list[tuple[int, str]]:
        return list(await asyncio.gather(*(push(number) for number in range(50))))

    answers = wire.loop.run_until_complete(all_at_once())
    assert sorted(status for status, _ in answers) == [201] * 3 + [403] * 47
    assert all("repositories" in text for status, text in answers if status == 403)
    assert len(Repositories(wire.stack).list(wire.instance.id).items) == 3
    assert Instances(wire.stack).usage(wire.instance).repositories.used == full + 3
