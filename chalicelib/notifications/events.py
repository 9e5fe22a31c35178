"""What happened, as CloudEvents 1.0 tell it. Each event has one id, however often it is found to have happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chalicelib.kernel.messages import ImagePushed
from chalicelib.kernel.moment import from_text, to_text
from chalicelib.kernel.names import RepositoryName
from chalicelib.registry.models import BinEntry
from chalicelib.tasks.models import Task

from .models import TEST, Webhook

# Of a manifest that thousands of tags named, the first ones are told.
MOST_TAGS: Final = 100
# What bin entries of which kind tell.
_DELETED: Final = {
    "tag": "image.deleted",
    "manifest": "image.deleted",
    "repository": "repository.deleted",
    "namespace": "namespace.deleted",
}


@dataclass(frozen=True, slots=True)
class Event:
    """
    namespace, repository, tags   what it is about, for filters; repository: the name inside its namespace;
                                  "" and () for what it does not name
    data                          what it tells: plain JSON, no secrets
    """

    id: str
    type: str
    instance_id: str
    subject: str
    time: datetime
    data: Mapping[str, Any]
    namespace: str = ""
    repository: str = ""
    tags: tuple[str, ...] = ()

    def body(self) -> str:
        """In structured mode: `application/cloudevents+json`."""
        return json.dumps(
            {
                "specversion": "1.0",
                "id": self.id,
                "source": f"/api/v1/instances/{self.instance_id}",
                "type": self.type,
                "subject": self.subject,
                "time": to_text(self.time),
                "datacontenttype": "application/json",
                "data": self.data,
            },
            separators=(",", ":"),
        )


def of_push(pushed: ImagePushed) -> Event:
    name = RepositoryName(pushed.repository)
    return Event(
        id=pushed.incarnation,
        type="image.pushed",
        instance_id=pushed.instance_id,
        subject=_image(name, pushed.tags, pushed.digest),
        time=pushed.pushed_at,
        namespace=name.namespace,
        repository=name.short,
        tags=pushed.tags,
        data={
            "instance_id": pushed.instance_id,
            "namespace": name.namespace,
            "repository": name,
            "repository_id": pushed.repository_id,
            "digest": pushed.digest,
            "tags": pushed.tags,
            "by": pushed.pushed_by,
        },
    )


def of_entry(entry: BinEntry) -> Event:
    """What was deleted lies in the recycle bin under the event's id."""
    repository = entry.repository or (entry.name if entry.kind == "repository" else "")
    namespace, _, short = (repository or entry.name).partition("/")
    tags = (entry.name,) if entry.kind == "tag" else tuple(str(tag["name"]) for tag in entry.tags)
    image = entry.kind in ("tag", "manifest")
    told = {"digest": entry.digest, "tags": tags[:MOST_TAGS], "tag_count": len(tags)} if image else {}
    return Event(
        id=entry.id,
        type=_DELETED[entry.kind],
        instance_id=entry.instance_id,
        subject=_image(repository, tags, entry.digest) if image else entry.name,
        time=from_text(entry.deleted_at),
        namespace=namespace,
        repository=short,
        tags=tags,
        data={
            "instance_id": entry.instance_id,
            "entry_id": entry.id,
            "kind": entry.kind,
            "namespace": namespace,
            **({"repository": repository, "repository_id": entry.repository_id} if repository else {}),
            **told,
            "size": entry.size,
            "restorable_until": entry.expires_at,
            "by": entry.deleted_by,
        },
    )


def of_task(task: Task) -> Event:
    """A task that was retried ends more than once: each end is an event."""
    finished_at = task.finished_at or task.created_at
    repository = str(task.subject.get("repository", ""))
    namespace = str(task.subject.get("namespace", "")) or repository.partition("/")[0]
    return Event(
        id=f"{task.id}-{int(finished_at.timestamp() * 1000)}",
        type="task.finished",
        instance_id=task.instance_id,
        subject=task.id,
        time=finished_at,
        namespace=namespace,
        repository=repository.removeprefix(f"{namespace}/"),
        data={
            "instance_id": task.instance_id,
            "task_id": task.id,
            "kind": task.kind,
            "state": task.state,
            "subject": dict(task.subject),
            "counts": dict(task.counts),
            "trigger": task.trigger,
            "error": task.error,
            "finished_at": to_text(finished_at),
            "by": task.created_by,
        },
    )


def of_test(webhook: Webhook, event_id: str, moment: datetime, by: str) -> Event:
    told = {"instance_id": webhook.instance_id, "webhook_id": webhook.id, "by": by}
    return Event(event_id, TEST, webhook.instance_id, webhook.id, moment, told)


def _image(repository: str, tags: tuple[str, ...], digest: str) -> str:
    """As clients write it: by its tag where it has one of its own."""
    return f"{repository}:{tags[0]}" if len(tags) == 1 else f"{repository}@{digest}"
