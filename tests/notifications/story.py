"""What happens to an instance in these tests, and the background that tells of it."""

from __future__ import annotations

from typing import Any

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import decode, handle, send
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.messages import AnnounceUntold, DeliverWebhook, ImagePushed, Message
from chalicelib.kernel.moment import to_text
from chalicelib.notifications.handlers import announce, tell_of_push
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import BinEntry
from chalicelib.tasks.models import Task
from tests.management import Api

EVERYTHING = ["image.pushed", "image.deleted", "repository.deleted", "namespace.deleted", "task.finished"]
DIGEST = "sha256:" + "a" * 64
PATH = "/instances/ci/webhooks"
# Hints of these kinds travel on these queues.
QUEUES: dict[str, tuple[type[Message], ...]] = {
    AnnounceUntold.queue: (AnnounceUntold,),
    DeliverWebhook.queue: (DeliverWebhook,),
}


def make_webhook(owner: Api, url: str, **more: Any) -> Any:
    made = owner.post(PATH, {"url": url, "events": EVERYTHING, **more})
    assert made.status == 201, made.text
    return made.json()


def push_of(
    stack: Stack, instance_id: str, *tags: str, repository: str = "library/app", incarnation: str = ""
) -> ImagePushed:
    own = incarnation or new_id()
    return ImagePushed(
        id=own, instance_id=instance_id, bucket="bucket", repository_id="01J00000000000000000000001",
        repository=repository, digest=DIGEST, incarnation=own, tags=tags, pushed_at=stack.clock.now(),
        pushed_by="admin",
    )  # fmt: skip


def push(stack: Stack, instance_id: str, *tags: str, repository: str = "library/app") -> ImagePushed:
    """As the chain tells of it, hints included."""
    pushed = push_of(stack, instance_id, *tags, repository=repository)
    send(stack, tell_of_push(stack, pushed), CHAIN)
    return pushed


def put_entry(stack: Stack, instance_id: str, **what: Any) -> BinEntry:
    """A bin entry that nobody was told of."""
    now = to_text(stack.clock.now())
    fields = {
        "id": new_id(), "instance_id": instance_id, "kind": "tag", "name": "v1", "repository": "library/app",
        "repository_id": "01J00000000000000000000001", "digest": DIGEST, "size": 42, "deleted_at": now,
        "deleted_by": "ada", "expires_at": now, **what,
    }  # fmt: skip
    entry = BinEntry.model_validate(fields)
    key = keys.bin_entry(instance_id, entry.id)
    stack.table.put({**key._asdict(), **entry.model_dump(), **keys.untold(entry.deleted_at, entry.id)})
    return entry


def put_task(stack: Stack, instance_id: str, **what: Any) -> Task:
    """A task that is finished, of which nobody was told."""
    now = stack.clock.now()
    fields = {
        "id": new_id(), "instance_id": instance_id, "kind": "deletion", "state": "succeeded", "work": {},
        "subject": {"namespace": "library", "repository": "library/app"}, "counts": {"deleted": 3}, "created_at": now,
        "created_by": "ada", "finished_at": now, **what,
    }  # fmt: skip
    task = Task.model_validate(fields)
    key = keys.task(instance_id, task.id)
    stack.table.put({**key._asdict(), **task.model_dump(), **keys.untold(to_text(now), task.id)})
    return task


def tell(stack: Stack) -> None:
    """The schedule, and all messages that are there, until nothing is left."""
    send(stack, announce(stack), CHAIN)
    bring(stack)


def bring(stack: Stack) -> None:
    for _ in range(100):
        brought = 0
        for queue, classes in QUEUES.items():
            for delivery in stack.queues.receive(queue):
                message: Message = decode(delivery.body, classes)
                handle(stack, message, CHAIN)
                stack.queues.complete([delivery])
                brought += 1
        if not brought:
            return
    raise AssertionError("messages go round in circles")
