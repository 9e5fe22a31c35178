"""N2, N3, I6 on DynamoDB, S3 and SQS (moto in process): repositories, namespaces and whole instances are deleted."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import handle
from chalicelib.instances.service import Instances
from chalicelib.kernel.messages import ReleaseInstance
from chalicelib.kernel.names import TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item
from chalicelib.registry.repository_retirement import RepositoryRetirement
from chalicelib.registry.service import Registry
from tests.api.conftest import aws_stack
from tests.background import run_tasks
from tests.ports_aws.adapters import moto_clients
from tests.registry.images import NAME, owner_of, push_image
from tests.stacks import FrozenClock, make_instance, make_namespace

from .crowd import crowded, stored


def rows(stack: Stack) -> set[tuple[str, str]]:
    """The keys of the whole table, without events of what is no more: they go when they are told."""
    found: set[tuple[str, str]] = set()
    more: dict[str, Any] = {}
    while True:
        page = moto_clients().dynamodb.scan(TableName=stack.settings.table, **more)
        found |= {(row["pk"]["S"], row["sk"]["S"]) for row in page["Items"] if row["sk"]["S"] != "EVENT"}
        if "LastEvaluatedKey" not in page:
            return found
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def purging(stack: Stack) -> list[Item]:
    return [
        row for shard in keys.due_partitions("purge") for row in stack.table.query(shard, index="i1", limit=10).items
    ]


@pytest.mark.campaign
def test_content_is_purged_and_then_the_instance_goes_whole() -> None:
    """X1, I6"""
    with aws_stack() as stack:
        clock = stack.clock
        assert isinstance(clock, FrozenClock)
        neighbour = make_instance(stack, "neighbour", bucket=stack.settings.bucket)
        make_namespace(stack, neighbour)
        push_image(Registry(stack), owner_of(neighbour), b"one")
        before, objects = rows(stack), stored(stack, neighbour)
        instance = crowded(stack, clock, "leaver")
        (pointer,) = purging(stack)
        for _ in range(5):
            RepositoryRetirement(stack).purge(pointer)
        left = stack.table.query(pointer["pk"]).items
        assert [row["sk"] for row in left if not row["sk"].startswith("LINK#")] == ["REPOSITORY"]
        Instances(stack).change(instance, state="releasing", asked_at=clock.now())
        handle(stack, ReleaseInstance(instance_id=instance.id), CHAIN)
        run_tasks(stack)
        assert rows(stack) == before
        assert (stored(stack, instance), stored(stack, neighbour)) == ([], objects)
        assert Registry(stack).pull(owner_of(neighbour), NAME, TagName("v1"))
