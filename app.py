"""The Chalice app: middleware, the management API (`chalicelib/api.py` lists it), and every event source.

Handlers of events that were declared elsewhere would deploy without this file.

object_created   an object under `…/pushes/…` appeared in a bucket: an image was pushed
announce         every minute: deletions and ends of tasks that nobody was told of, webhooks with something due
collection       work that is due: expired pushes, uploads and bin entries, dead bytes
conversions      images made lazily loadable: a step of one, or a layer of it, a message
life             every five minutes: renews, freezes and gives up instances whose time has come
rescans          images judged anew as the vulnerability database changes, a part of an instance a message
retention        every minute: begins the runs that schedules say are due
scans            background work that reads layers, one a message
seal_audit       every minute: seals closed minutes of the audit record
sweep            every minute (embedded: CRS_SWEEP_INTERVAL_S): repairs lost messages, ends what is overdue
tasks            background work that people see, one step a message
transfers        images brought from one place to another (synchronised, migrated, cached), a step of one a message
vulnerability_database   every five minutes: looks whether there is a newer one, every six hours whether its source has
                 one, and whether images wait to be judged by it
webhooks         events for users' servers, a bounded step of one webhook a message
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Rate, SQSEvent

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import consume, send
from chalicelib.edge.invocations import observing
from chalicelib.edge.tally import flushing
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack, open_stack

SETTINGS = Settings.from_environment(os.environ)
# Buckets tell of every object; only those whose creation means a push wake a function.
PUSHES = {
    "source": ["aws.s3"],
    "detail-type": ["Object Created"],
    "detail": {"object": {"key": [{"wildcard": "*/pushes/*"}]}},
}

app = Chalice(app_name="crs", configure_logs=False)
# On one machine the gateway counts requests of the API, and a function is what brings events.
KINDS = ("cloudwatch", "scheduled", "sqs", *(("http",) if "AWS_LAMBDA_FUNCTION_NAME" in os.environ else ()))
for kind in KINDS:
    app.register_middleware(observing(SETTINGS), kind)


@cache
def stack() -> Stack:
    """This process's stack, opened with its first event and kept for the following ones."""
    return open_stack(SETTINGS)


if SETTINGS.serve_api:
    from chalicelib.api import API
    from chalicelib.edge.apicall import keeping
    from chalicelib.gate import ServiceGate

    app.register_middleware(keeping(stack, ServiceGate()), "http")
    for routes in API:
        app.register_blueprint(routes.blueprint)
# A function may be frozen after its event and never wake; on one machine the gateway writes its counts by the minute.
for kind in KINDS:
    app.register_middleware(flushing(lambda: stack()), kind)


@app.on_cw_event(PUSHES)
def object_created(event: CloudWatchEvent) -> None:
    from chalicelib.registry import handlers

    bucket, key = event.detail["bucket"]["name"], event.detail["object"]["key"]
    send(stack(), handlers.object_created(stack(), bucket, key), CHAIN)


@app.on_sqs_message(queue=f"{SETTINGS.queue_prefix}collection", batch_size=10)
def collection(event: SQSEvent) -> dict[str, Any]:
    return consume(stack(), event.to_dict(), event.context, CHAIN, queue="collection")


@app.schedule(Rate(5, unit=Rate.MINUTES))
def life(event: CloudWatchEvent) -> None:
    from chalicelib.billing.handlers import advance_lives

    send(stack(), advance_lives(stack()), CHAIN)


@app.on_sqs_message(queue=f"{SETTINGS.queue_prefix}tasks", batch_size=1)
def tasks(event: SQSEvent) -> dict[str, Any]:
    return consume(stack(), event.to_dict(), event.context, CHAIN, queue="tasks")


@app.on_sqs_message(queue=f"{SETTINGS.queue_prefix}scans", batch_size=1)
def scans(event: SQSEvent) -> dict[str, Any]:
    return consume(stack(), event.to_dict(), event.context, CHAIN, queue="scans")


@app.on_sqs_message(queue=f"{SETTINGS.queue_prefix}conversions", batch_size=1)
def conversions(event: SQSEvent) -> dict[str, Any]:
    return consume(stack(), event.to_dict(), event.context, CHAIN, queue="conversions")


@app.on_sqs_message(queue=f"{SETTINGS.queue_prefix}transfers", batch_size=1)
def transfers(event: SQSEvent) -> dict[str, Any]:
    return consume(stack(), event.to_dict(), event.context, CHAIN, queue="transfers")


@app.on_sqs_message(queue=f"{SETTINGS.queue_prefix}rescans", batch_size=1)
def rescans(event: SQSEvent) -> dict[str, Any]:
    return consume(stack(), event.to_dict(), event.context, CHAIN, queue="rescans")


@app.schedule(Rate(5, unit=Rate.MINUTES))
def vulnerability_database(event: CloudWatchEvent) -> None:
    from chalicelib.scanning.database_schedule import keep_current

    send(stack(), keep_current(stack()), CHAIN)


@app.on_sqs_message(queue=f"{SETTINGS.queue_prefix}webhooks", batch_size=1)
def webhooks(event: SQSEvent) -> dict[str, Any]:
    return consume(stack(), event.to_dict(), event.context, CHAIN, queue="webhooks")


@app.schedule(Rate(1, unit=Rate.MINUTES))
def announce(event: CloudWatchEvent) -> None:
    from chalicelib.notifications.handlers import announce as handle

    send(stack(), handle(stack()), CHAIN)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: CloudWatchEvent) -> None:
    from chalicelib.collection.handlers import sweep as handle

    send(stack(), handle(stack()), CHAIN)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def retention(event: CloudWatchEvent) -> None:
    from chalicelib.retention.handlers import fire_schedules

    fire_schedules(stack())


@app.schedule(Rate(1, unit=Rate.MINUTES))
def seal_audit(event: CloudWatchEvent) -> None:
    from chalicelib.audit.handlers import seal

    seal(stack())
