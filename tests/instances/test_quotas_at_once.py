"""Fifty at once against a quota of three: three are made, and the counters equal a recount."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import QuotaExceeded
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry
from tests.management import Api
from tests.registry.images import NAME, owner_of, push_image
from tests.stacks import FrozenClock, embedded_stack, make_instance, make_namespace

AT_ONCE, QUOTA = 50, 3


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with embedded_stack(tmp_path, FrozenClock()) as opened:
        yield opened


@pytest.fixture
def api(stack: Stack) -> Api:
    return Api.signed_in(stack)


def at_once(deed: Callable[[int], object]) -> Counter[object]:
    """What came of doing it fifty times, in eight threads."""
    with ThreadPoolExecutor(8) as threads:
        return Counter(threads.map(deed, range(AT_ONCE)))


def rows(stack: Stack, instance: Instance, kind: str) -> int:
    return len(stack.table.query(keys.instance_partition(instance.id), prefix=f"{kind}#", limit=1000).items)


def limited(stack: Stack, instance: Instance, **limits: int) -> Instance:
    return Instances(stack).change(instance, **limits)


def test_namespaces(stack: Stack, api: Api) -> None:
    """I1, I7"""
    instance = make_instance(stack, "small", "personal")

    def create(number: int) -> object:
        reply = api.post("/instances/small/namespaces", {"name": f"space-{number}"})
        return reply.status if reply.status == 201 else reply.code

    assert at_once(create) == {201: QUOTA, "QUOTA_EXCEEDED": AT_ONCE - QUOTA}
    assert rows(stack, instance, "NAMESPACE") == Instances(stack).usage(instance).namespaces.used == QUOTA
    assert list(Fsck(stack).run()) == []


def test_repositories(stack: Stack, api: Api) -> None:
    """I1, I7"""
    instance = limited(stack, make_instance(stack, "small", "personal"), repository_limit=QUOTA)
    make_namespace(stack, instance)

    def create(number: int) -> object:
        reply = api.post("/instances/small/namespaces/library/repositories", {"name": f"app-{number}"})
        return reply.status if reply.status == 201 else reply.code

    assert at_once(create) == {201: QUOTA, "QUOTA_EXCEEDED": AT_ONCE - QUOTA}
    assert rows(stack, instance, "REPOSITORY") == Instances(stack).usage(instance).repositories.used == QUOTA
    assert list(Fsck(stack).run()) == []


def test_repositories_that_pushes_make(stack: Stack) -> None:
    """I1, I7, N1: of fifty first pushes three make their repository."""
    instance = limited(stack, make_instance(stack), repository_limit=QUOTA)
    make_namespace(stack, instance)
    registry, caller = Registry(stack), owner_of(instance)

    def push(number: int) -> object:
        try:
            push_image(registry, caller, b"layer", name=RepositoryName(f"library/app-{number}"))
        except QuotaExceeded as refused:
            return refused.detail["quota"]
        return "pushed"

    assert at_once(push) == {"pushed": QUOTA, "repositories": AT_ONCE - QUOTA}
    assert rows(stack, instance, "REPOSITORY") == Instances(stack).usage(instance).repositories.used == QUOTA
    assert [one for one in Fsck(stack).run() if one.kind != "leak"] == []


def test_bytes_of_pushes(stack: Stack) -> None:
    """I1, I7: fifty uploads begin while there is room; room for three layers is filled by three, to the byte."""
    instance = limited(stack, make_instance(stack, "small", "personal"), storage_limit_bytes=QUOTA * 1000)
    make_namespace(stack, instance)
    registry, caller = Registry(stack), owner_of(instance)
    uploads = [registry.start_upload(caller, NAME) for _ in range(AT_ONCE)]

    def push(number: int) -> object:
        data = number.to_bytes(2, "big") * 500
        writer = registry.resume(caller, NAME, uploads[number].id, 0)
        try:
            writer.append(data)
            writer.finish(Digest.of(data))
        except QuotaExceeded as refused:
            return refused.detail["quota"]
        finally:
            writer.close()
        return "pushed"

    assert at_once(push) == {"pushed": QUOTA, "storage": AT_ONCE - QUOTA}
    assert Instances(stack).usage(instance).storage.used == QUOTA * 1000
    assert [one for one in Fsck(stack).run() if one.kind != "leak"] == []


def test_two_accounts_with_the_same_names_never_meet(stack: Stack) -> None:
    """G5, I7: the same instance, namespaces and repositories, made at the same time."""
    owners = {account: Api.signed_in(stack, account=account) for account in ("default", "other")}
    for account in owners:
        make_instance(stack, "small", "personal", account_id=account)

    def create(number: int) -> object:
        account = ("default", "other")[number % 2]
        owners[account].post("/instances/small/namespaces", {"name": "library"})
        path = "/instances/small/namespaces/library/repositories"
        return account, owners[account].post(path, {"name": f"app-{number // 10}"}).status

    made = at_once(create)
    assert made == {(account, status): count for account in owners for status, count in ((201, 5), (409, 20))}
    ids = {
        account: {one["id"] for one in api.get("/instances/small/repositories").json()["items"]}
        for account, api in owners.items()
    }
    assert all(len(found) == 5 for found in ids.values())
    assert ids["default"].isdisjoint(ids["other"])
    assert list(Fsck(stack).run()) == []
