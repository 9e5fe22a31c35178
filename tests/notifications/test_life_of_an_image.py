"""What people and clients do, from the registry to a server of theirs: pushed, deleted, told (X5)."""

from __future__ import annotations

import pytest

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import handle
from chalicelib.instances.models import Instance
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.messages import DeliverWebhook, ImagePushed
from chalicelib.kernel.names import RepositoryName
from chalicelib.notifications.handlers import announce
from chalicelib.ports import paths
from chalicelib.ports.embedded.stack import Buckets
from chalicelib.ports.stack import Stack
from chalicelib.registry.handlers import object_created
from chalicelib.registry.service import Registry
from tests.background import run_tasks
from tests.management import Api
from tests.registry.images import owner_of, push_image
from tests.stacks import BUCKET, FrozenClock, make_instance, make_namespace

from .receiver import Receiver
from .story import make_webhook, put_task, tell


@pytest.fixture
def instance(stack: Stack, embedded: Stack) -> Instance:
    assert isinstance(embedded.objects, Buckets)
    embedded.objects.create(BUCKET)
    made = make_instance(stack)
    make_namespace(stack, made)
    return made


def bring_pushes(stack: Stack, times: int = 1) -> None:
    """Events of all push objects, each so often."""
    assert isinstance(stack.objects, Buckets)
    for created in stack.objects.spool.take(100):
        for _ in range(times):
            for message in object_created(stack, created.bucket, created.key):
                assert isinstance(message, ImagePushed)
                assert paths.is_push(created.key)
                handle(stack, message, CHAIN)
        stack.objects.spool.done(created.path)


@pytest.mark.parametrize("stack", ["embedded"], indirect=True)
def test_an_image_is_told_of_when_it_is_pushed_and_when_it_is_deleted(
    embedded: Stack, instance: Instance, receiver: Receiver
) -> None:
    """X5"""
    owner, registry = Api.signed_in(embedded), Registry(embedded)
    make_webhook(owner, receiver.url)
    name = RepositoryName.parse("library/app")
    pushed = push_image(registry, owner_of(instance), b"a layer", tag="v1", name=name)
    push_image(registry, owner_of(instance), b"a layer", tag="v2", name=name)
    bring_pushes(embedded, times=3)
    tell(embedded)
    assert sorted((event["type"], event["subject"]) for event in receiver.events) == [
        ("image.pushed", "library/app:v1"),
        ("image.pushed", "library/app:v2"),
    ]
    assert {event["data"]["digest"] for event in receiver.events} == {pushed.digest}
    receiver.received.clear()
    path = "/instances/ci/namespaces/library"
    assert owner.delete(f"{path}/repositories/app/tags/v1").status in (200, 204)
    tell(embedded)
    assert [(event["type"], event["subject"]) for event in receiver.events] == [("image.deleted", "library/app:v1")]
    receiver.received.clear()
    assert owner.delete(f"{path}/repositories/app", confirm="app").status in (200, 204)
    assert owner.delete(path, confirm="library").status == 202
    run_tasks(embedded)
    tell(embedded)
    assert sorted(receiver.types) == ["namespace.deleted", "repository.deleted", "task.finished"]
    names = {event["type"]: event["subject"] for event in receiver.events}
    assert (names["repository.deleted"], names["namespace.deleted"]) == ("library/app", "library")


def test_a_deletion_is_told_of_though_it_was_undone_or_made_final_before(
    stack: Stack, instance: Instance, receiver: Receiver
) -> None:
    """X5, X1: whoever was quicker than the schedule hides nothing, and nothing is told twice."""
    owner, registry = Api.signed_in(stack), Registry(stack)
    name = RepositoryName.parse("library/app")
    for tag in ("v1", "v2", "v3"):
        push_image(registry, owner_of(instance), tag.encode(), tag=tag, name=name)
    make_webhook(owner, receiver.url, events=["image.deleted", "repository.deleted"])
    tags = "/instances/ci/namespaces/library/repositories/app/tags"
    assert owner.delete(f"{tags}/v3").status in (200, 204)
    tell(stack)
    assert owner.delete(f"{tags}/v1").status in (200, 204)
    assert owner.delete(f"{tags}/v2").status in (200, 204)
    bin_of = "/instances/ci/recycle-bin"
    entries = {entry["name"]: entry["id"] for entry in owner.get(bin_of).json()["items"]}
    for tag in ("v1", "v3"):
        assert owner.post(f"{bin_of}/{entries[tag]}/restore", {}).status == 200
    assert owner.delete(f"{bin_of}/{entries['v2']}", confirm="v2").status == 204
    for _ in range(2):
        tell(stack)
    told = sorted((event["subject"], event["id"]) for event in receiver.events)
    assert told == [(f"library/app:{tag}", entries[tag]) for tag in ("v1", "v2", "v3")]
    assert announce(stack) == [hint for hint in announce(stack) if isinstance(hint, DeliverWebhook)]


def test_a_task_that_goes_on_before_its_end_was_told_of_has_two_ends(
    stack: Stack, instance: Instance, receiver: Receiver, clock: FrozenClock
) -> None:
    """X5"""
    owner = Api.signed_in(stack)
    make_webhook(owner, receiver.url)
    task = put_task(stack, instance.id, kind="retention", state="cancelled", work={"namespace_id": new_id()})
    clock.advance(1)
    assert owner.post(f"/instances/ci/tasks/{task.id}/retry").status == 200
    run_tasks(stack)
    tell(stack)
    assert [(event["type"], event["data"]["state"]) for event in receiver.events] == [
        ("task.finished", "cancelled"),
        ("task.finished", "failed"),
    ]
