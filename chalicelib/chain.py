"""Who reacts to what: the one table from messages to handlers.

    push object written ─► object_created ─► ImagePushed ─► record ─► annotate ─► scan ─► advise ─► accelerate
                                                                                ─► sync ─► notify ─► settle
    every minute        ─► retention      ─► a task for each schedule that is due
    every minute        ─► sweep          ─► ClearDue ─► clear_due ─► ClearDue   (while more is due)
    every minute        ─► announce       ─► AnnounceUntold ─► announce_untold ─► DeliverWebhook, AnnounceUntold
    something to be told                  ─► DeliverWebhook ─► deliver_webhook ─► DeliverWebhook   (while more is due)
    a task is made      ─► its service    ─► ContinueTask ─► continue_task ─► ContinueTask   (while it has steps)
    one that reads layers                 ─► ContinueScan ─► continue_task ─► ContinueScan   (a queue of its own)
    one that converts an image            ─► ContinueAcceleration ─► continue_task ─► …   (the same)
    one that brings images elsewhere      ─► ContinueTransfer ─► continue_task ─► …   (the same)
    something was pulled through a cache  ─► FillCache ─► fill_cache ─► FillCache   (while others bring it)
    a layer is wanted lazily loadable     ─► ConvertLayer ─► convert_layer ─► ContinueAcceleration
    a database came     ─► vulnerability_database ─► RescanImages ─► rescan_images ─► RescanImages
    an instance's time is over ─► life    ─► ReleaseInstance ─► release_instance ─► ContinueTask

A handler takes (stack, message), answers follow-up messages, and may be called twice with the same one. Several of one
message are called in their order, each when the one before is through. Each is imported with its first message, so that
a function loads only the rooms it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chalicelib.edge.consume import Chain
from chalicelib.kernel.messages import (
    AnnounceUntold,
    ClearDue,
    ContinueAcceleration,
    ContinueScan,
    ContinueTask,
    ContinueTransfer,
    ConvertLayer,
    DeliverWebhook,
    FillCache,
    ImagePushed,
    Message,
    ReleaseInstance,
    RescanImages,
)
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Step, Task
from chalicelib.tasks.service import Worker


def _record_push(stack: Stack, message: ImagePushed) -> Sequence[Message]:
    from chalicelib.registry.handlers import record

    return record(stack, message)


def _annotate_push(stack: Stack, message: ImagePushed) -> Sequence[Message]:
    from chalicelib.registry.handlers import annotate

    return annotate(stack, message)


def _scan_push(stack: Stack, message: ImagePushed) -> Sequence[Message]:
    from chalicelib.scanning.handlers import scan_push

    return scan_push(stack, message)


def _look_over_push(stack: Stack, message: ImagePushed) -> Sequence[Message]:
    from chalicelib.advice.handlers import look_over_push

    return look_over_push(stack, message)


def _accelerate_push(stack: Stack, message: ImagePushed) -> Sequence[Message]:
    from chalicelib.acceleration.handlers import accelerate_push

    return accelerate_push(stack, message)


def _sync_push(stack: Stack, message: ImagePushed) -> Sequence[Message]:
    from chalicelib.sync.handlers import sync_push

    return sync_push(stack, message)


def _notify_of_push(stack: Stack, message: ImagePushed) -> Sequence[Message]:
    from chalicelib.notifications.handlers import tell_of_push

    return tell_of_push(stack, message)


def _settle_push(stack: Stack, message: ImagePushed) -> Sequence[Message]:
    from chalicelib.registry.handlers import settle

    return settle(stack, message)


def _clear_due(stack: Stack, message: ClearDue) -> Sequence[Message]:
    from chalicelib.collection.handlers import clear_due

    return clear_due(stack, message)


def _delete(stack: Stack, task: Task) -> Step:
    if task.work["what"] == "instance":
        from chalicelib.closing.service import Closing

        return Closing(stack).carry_out(task)
    if task.work["what"] == "namespace":
        from chalicelib.registry.namespace_retirement import NamespaceRetirement

        return NamespaceRetirement(stack).carry_out(task)
    from chalicelib.registry import tag_deletions

    return tag_deletions.carry_out(stack, task)


def _restore(stack: Stack, task: Task) -> Step:
    from chalicelib.registry.namespace_restoration import NamespaceRestoration

    return NamespaceRestoration(stack).carry_out(task)


def _retain(stack: Stack, task: Task) -> Step:
    from chalicelib.retention.handlers import carry_out

    return carry_out(stack, task)


def _scan(stack: Stack, task: Task) -> Step:
    from chalicelib.scanning.handlers import carry_out

    return carry_out(stack, task)


def _advise(stack: Stack, task: Task) -> Step:
    from chalicelib.advice.handlers import carry_out

    return carry_out(stack, task)


def _accelerate(stack: Stack, task: Task) -> Step:
    from chalicelib.acceleration.handlers import carry_out

    return carry_out(stack, task)


def _synchronise(stack: Stack, task: Task) -> Step:
    from chalicelib.sync.handlers import carry_out

    return carry_out(stack, task)


def _migrate(stack: Stack, task: Task) -> Step:
    from chalicelib.migration.handlers import carry_out

    return carry_out(stack, task)


# Who carries out a step of which kind of task.
WORKERS: Final[Mapping[str, Worker]] = {
    "retention": _retain,
    "deletion": _delete,
    "restoration": _restore,
    "scan": _scan,
    "advice": _advise,
    "acceleration": _accelerate,
    "migration": _migrate,
    "sync": _synchronise,
}


def _continue_task(stack: Stack, message: ContinueTask) -> Sequence[Message]:
    from chalicelib.tasks.handlers import continue_task

    return continue_task(stack, message, WORKERS)


def _convert_layer(stack: Stack, message: ConvertLayer) -> Sequence[Message]:
    from chalicelib.acceleration.handlers import convert_layer

    return convert_layer(stack, message)


def _fill_cache(stack: Stack, message: FillCache) -> Sequence[Message]:
    from chalicelib.caching.handlers import fill_cache

    return fill_cache(stack, message)


def _rescan_images(stack: Stack, message: RescanImages) -> Sequence[Message]:
    from chalicelib.scanning.rescans import rescan

    return rescan(stack, message)


def _release_instance(stack: Stack, message: ReleaseInstance) -> Sequence[Message]:
    from chalicelib.closing.handlers import release_instance

    return release_instance(stack, message)


def _end_run(stack: Stack, task: Task) -> None:
    from chalicelib.retention.handlers import tell_stopped

    tell_stopped(stack, task)


def _end_scan(stack: Stack, task: Task) -> None:
    from chalicelib.scanning.handlers import tell_ended

    tell_ended(stack, task)


def _end_acceleration(stack: Stack, task: Task) -> None:
    from chalicelib.acceleration.handlers import tell_ended

    tell_ended(stack, task)


def _end_sync(stack: Stack, task: Task) -> None:
    from chalicelib.sync.handlers import tell_ended

    tell_ended(stack, task)


def _end_migration(stack: Stack, task: Task) -> None:
    from chalicelib.migration.handlers import tell_ended

    tell_ended(stack, task)


# Who is told of the end of which kind of task.
ENDINGS: Final[Mapping[str, Callable[[Stack, Task], None]]] = {
    "retention": _end_run,
    "scan": _end_scan,
    "acceleration": _end_acceleration,
    "migration": _end_migration,
    "sync": _end_sync,
}


def _announce_untold(stack: Stack, message: AnnounceUntold) -> Sequence[Message]:
    from chalicelib.notifications.handlers import announce_untold

    return announce_untold(stack, message, ENDINGS)


def _deliver_webhook(stack: Stack, message: DeliverWebhook) -> Sequence[Message]:
    from chalicelib.notifications.handlers import deliver_webhook

    return deliver_webhook(stack, message)


CHAIN: Final[Chain] = {
    ImagePushed: (
        _record_push,
        _annotate_push,
        _scan_push,
        _look_over_push,
        _accelerate_push,
        _sync_push,
        _notify_of_push,
        _settle_push,
    ),
    ClearDue: (_clear_due,),
    AnnounceUntold: (_announce_untold,),
    DeliverWebhook: (_deliver_webhook,),
    ContinueTask: (_continue_task,),
    ContinueScan: (_continue_task,),
    ContinueAcceleration: (_continue_task,),
    ContinueTransfer: (_continue_task,),
    ConvertLayer: (_convert_layer,),
    FillCache: (_fill_cache,),
    RescanImages: (_rescan_images,),
    ReleaseInstance: (_release_instance,),
}
