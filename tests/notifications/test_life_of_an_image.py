"""What people and clients do, from the registry to a server of theirs: pushed, deleted, told (X5)."""

from __future__ import annotations

import pytest

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import handle
from chalicelib.instances.models import Instance
from chalicelib.kernel.messages import ImagePushed
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports import paths
from chalicelib.ports.embedded.stack import Buckets
from chalicelib.ports.stack import Stack
from chalicelib.registry.handlers import object_created
from chalicelib.registry.service import Registry
from tests.background import run_tasks
from tests.management import Api
from tests.registry.images import owner_of, push_image
from tests.stacks import BUCKET, make_instance, make_namespace

from .receiver import Receiver
from .story import make_webhook, tell


@pytest.fixture
def instance(embedded: Stack) -> Instance:
    assert isinstance(embedded.objects, Buckets)
    embedded.objects.create(BUCKET)
    made = make_instance(embedded)
    make_namespace(embedded, made)
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
