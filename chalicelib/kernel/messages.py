"""What rooms tell each other: frozen, with an id that makes a repetition recognisable, no content and no secrets.

Commands are imperative, events past tense. `chain.py` says who handles which.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, Field

from .ids import new_id
from .modelling import KEPT
from .moment import Moment
from .origin import cause, request_id
from .versions import READS, WRITES


class Message(BaseModel):
    """`id` is the idempotency key; `caused_by` is the id of the message or request this one follows from.

    queue    "" for what is handled where it is made: something durable repeats it until that is done
    origin   id of the client's request that it follows from in the end, however many messages lie between; "" for what
             nobody asked for

    Both ids are known where a message is made (`kernel.origin`); nobody has to pass them on.
    """

    model_config = KEPT

    queue: ClassVar[str]
    id: str = Field(default_factory=new_id)
    caused_by: str = Field(default_factory=cause)
    origin: str = Field(default_factory=request_id)
    schema_version: int = Field(default=WRITES, le=READS)


class ImagePushed(Message):
    """A tag or digest was pushed and is pullable. Follows from the push object, again and again until all its handlers
    were through with it: its outbox row stands till then.

    how                     the tags came to where they are, as their history says (`registry.models.How`)
    request_id, source_ip   of a registry client's push; "" for the management API's, which keeps its own record
    """

    queue = ""
    instance_id: str
    bucket: str
    repository_id: str
    repository: str
    digest: str
    incarnation: str
    tags: tuple[str, ...]
    pushed_at: Moment
    pushed_by: str
    how: str = "push"
    request_id: str = ""
    source_ip: str = ""


class ClearDue(Message):
    """One shard of one kind of due work has rows that are due: do them. A hint; doubles are harmless."""

    queue = "collection"
    kind: str
    partition: str


class ReleaseInstance(Message):
    """An instance is to be deleted with all it holds. A hint: its state says so too; doubles are harmless."""

    queue = "tasks"
    instance_id: str


class ContinueTask(Message):
    """A task has a step to be carried out. A hint; doubles are harmless."""

    queue = "tasks"
    instance_id: str
    task_id: str


class ContinueScan(ContinueTask):
    """The same of a task that reads layers: such work has a queue, and on AWS a function, of its own."""

    queue = "scans"


class ContinueAcceleration(ContinueTask):
    """The same of a task that has an image converted."""

    queue = "conversions"


class ContinueTransfer(ContinueTask):
    """The same of a task that brings images from one place to another: its steps move bytes for minutes."""

    queue = "transfers"


class FillCache(Message):
    """A manifest was served from the upstream of a pull-through cache: bring it here whole. A hint; doubles are
    harmless, and whoever pulls it next gives it again.

    repository   in full, in the namespace that caches
    digest       of the manifest; tag: by which it was asked for, "" if by digest
    """

    queue = "transfers"
    instance_id: str
    repository: str
    digest: str
    tag: str = ""


class ConvertLayer(Message):
    """A layer is wanted in a lazily loadable form. A hint: its row says so too; doubles are harmless.

    layer, recipe   which row: the digest of the source, and `estargz.models.Recipe.id`
    task_id         of the task that waits for it, which is told when it is done
    """

    queue = "conversions"
    instance_id: str
    layer: str
    recipe: str
    task_id: str


class RescanImages(Message):
    """The database changed: look which images of an instance that concerns. A hint; doubles are harmless.

    database   digest of the database that they are to be judged by; "": other findings are silenced than before, so
               all are judged again by the one in use
    after      images up to this digest are done
    """

    queue = "rescans"
    instance_id: str
    database: str
    after: str = ""


class AnnounceUntold(Message):
    """One shard of index 2 has rows that are events and were not told of. A hint; doubles are harmless."""

    queue = "collection"
    partition: str


class DeliverWebhook(Message):
    """A webhook has something to be delivered. A hint: its row is due; doubles are harmless."""

    queue = "webhooks"
    instance_id: str
    webhook_id: str


def queues(of: type[Message] = Message) -> frozenset[str]:
    """Every queue that messages go to."""
    own = frozenset({of.queue} if "queue" in vars(of) and of.queue else ())
    return own.union(*(queues(kind) for kind in of.__subclasses__()))
