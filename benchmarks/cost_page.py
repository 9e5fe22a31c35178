"""docs/cost.md, from what was counted, what is assumed and what AWS asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import wrap
from typing import Any, Final

from benchmarks.cost_model import Lines, Model, Operation, accelerate, combined, pull, push, retention

_WIDTH: Final = 150
USERS: Final = ("team", "company", "platform")
# What the page calls an operation, in its order.
ROWS: Final = {
    "manifest_tag_cold": "manifest pull by tag, cold",
    "manifest_tag_warm": "manifest pull by tag, warm",
    "manifest_digest_cold": "manifest pull by digest, cold",
    "manifest_digest_warm": "manifest pull by digest, warm",
    "layer_redirect_cold": "layer pull by link, cold",
    "layer_redirect_warm": "layer pull by link, warm",
    "layer_stream_cold": "layer pull through the gateway, cold",
    "layer_stream_warm": "layer pull through the gateway, warm",
    "token": "token",
    "note_of_pulls": "a tag's pulls of a minute, noted",
    "pull_image": "an image of 10 layers pulled whole: token, manifest, config, layers; cold",
    "push_new": "an image of 10 layers pushed, all new",
    "push_known": "an image of 10 layers pushed, all there; a config of its own",
    "layer_small": "a layer up to 5 MiB pushed",
    "layer_large": "a layer of 11 MiB pushed",
    "list_tags": "a page of 100 tags of the API",
    "delete_image": "an image of 10 layers deleted, collected and erased",
    "scan": "an image of 3 layers scanned by a request, its bills of materials attached",
    "accelerate_10": "an image of 10 small layers accelerated by a request",
    "sync_inside": "an image of 10 layers brought to another namespace, by request",
    "sync_across": "the same to an instance in another bucket",
    "retention_1000": "a run of retention over 1 000 tags, of which 500 go",
}

# Of a function of 2 GB that reads a GiB of layers at 200 MiB a second.
_A_GIB_S: Final = 1024 / 200

_HEAD: Final = """# What it costs on AWS

Written by `make cost`; a test holds it to the code. Nothing here was read off a bill. **Counted** are the calls:
every operation was carried out once against DynamoDB, S3 and SQS as moto answers them, and every call counted where
botocore sends it ({counted_on}). **Reckoned** from the calls are request units, by the rules of DynamoDB's developer
guide, with the items' sizes before and after. **Measured** is the CPU of our own code, on one core of the machine
that counted; a gateway's holds that of the client, which is in the same process. **Assumed** is the rest:
[users.toml](../benchmarks/users.toml) says what, among it how long a function waits for an answer ({dynamodb} ms
DynamoDB, {s3} ms S3, {sqs} ms SQS). **Prices** are list prices of us-east-1,
[prices.toml](../benchmarks/prices.toml), without free tiers and discounts; how each is known is told at the end.

## What an operation costs

Reads are request units of 4 KB, consistent unless an index answers; writes of 1 KB, index entries included, doubled
in transactions. Milliseconds are of functions, as Lambda bills them: our CPU on the share of a processor that the
function's memory buys, and the waiting. Gateway CPU costs nothing by itself: its tasks run anyway. Cold is a gateway
that remembers nothing of the table, as 5 s after its last look or after a write of its own; warm is the same request
once more. A layer pulled by link is one GET that S3 answers; bytes are not in this table.
"""
_NOTES: Final = """
- Pushing is as docker does it: HEAD, POST, PATCH and PUT for each layer, then the manifest. In a push are the event
  that follows (audit entry, summary, settlement) and, a day later, the end of the leases that kept the layers until
  the manifest came.
- A layer larger than 5 MiB goes to S3 in parts of 5 MiB, one request each, besides the beginning and the end.
- Deleting has three parts, and all are in the row: the tag by the API, the bin entry after the grace period with all
  that only it held, the bytes a day later. Rows that fall due together are cleared by one message; where they come
  one by one, queue requests and invocations come to a few more.
- In retention the tags are of one repository, ten of each image; the row lies on the straight line through runs over
  20 and over 120 tags. What the bin holds of them is collected later, as above.
- A push ends with advice on the image, for which its new layers are read once; here they are of a few kilobytes. Of
  real ones a function of 2 GB reads about 200 MiB a second and core: a GiB of new layers adds {layer_read} dollars a
  thousand pushes. A scan judges what was read then. Each database that comes is compared once for each instance, and
  judges again the images whose packages it changed.
- What is brought elsewhere inside the region moves no byte through a function: layers are linked, or copied by S3, in
  parts of 1 GiB where they have more than 5. By a rule it costs the same without the request. What goes to another
  service passes a function, at {speed} MB a second: a GB is {pass_s} s, {pass_dollars} dollars, beside {out} for its
  way to the internet, if that is where it goes. Coming from there it costs function time and the parts of a push.
- What schedules cost that look for work is below; here is what they do once they found it.
- A million requests that are logged cost {logs} dollars of CloudWatch, at {log_bytes} bytes each, which is in every
  row.
"""


def page(
    model: Model,
    told: Mapping[str, Operation],
    record: Mapping[str, Any],
    prices: Mapping[str, Any],
    users: Mapping[str, Any],
) -> str:
    service = users["service"]
    log_dollars = service["log_bytes"] * 1_000_000 / 1024**3 * model.price("cloudwatch.log_gb")
    lines = "\n".join(
        [
            _HEAD.format(counted_on=record["counted_on"], **users["latency_ms"]),
            *_operations(model, told),
            _NOTES.format(
                **_passed(model, users),
                layer_read=f"{_A_GIB_S * 2 * 1000 * model.price('lambda.gb_second'):.2f}",
                logs=f"{log_dollars:.2f}",
                log_bytes=service["log_bytes"],
            ),
            *_accelerated(model, told, users),
            *_idle(model, told, users),
            *_stored(model, record),
            *_months(model, told, record, users),
            *_verdict(model, told, record, users),
            *_sources(prices),
        ]
    ).split("\n")
    return "\n".join(shorter for line in lines for shorter in _wrapped(line)) + "\n"


def _passed(model: Model, users: Mapping[str, Any]) -> dict[str, str]:
    """A GB on its way through a function to another service."""
    seconds = 1000 / users["transfers"]["mb_s"]
    dollars = seconds * users["transfers"]["memory_mb"] / 1024 * model.price("lambda.gb_second")
    return {
        "speed": str(users["transfers"]["mb_s"]),
        "pass_s": f"{seconds:.0f}",
        "pass_dollars": f"{dollars:.5f}",
        "out": f"{model.price('network.out'):.2f}",
    }


def _wrapped(line: str) -> list[str]:
    if len(line) <= _WIDTH or line.startswith("|"):
        return [line]
    hanging = "  " if line.startswith("- ") else ""
    return wrap(line, _WIDTH, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)


def _operations(model: Model, told: Mapping[str, Operation]) -> Iterable[str]:
    yield _row(
        "",
        "reads",
        "writes",
        "S3 PUT …",
        "S3 GET",
        "queue",
        "events",
        "ms of functions",
        "gateway CPU ms",
        "$ a million",
    )
    yield _row(*["---"] * 10)
    for name, title in ROWS.items():
        operation = retention(told, 1000) if name == "retention_1000" else told[name]
        units = combined((operation, 1))
        sums = [sum(part.units.get(unit, 0) for part in units.values()) for unit in _UNITS]
        gateway_ms = operation["gateway"].cpu_ms if "gateway" in operation else 0.0
        dollars = model.dollars(operation) * 1_000_000
        yield _row(title, *map(_count, sums), _ms(model.functions_ms(operation)), _ms(gateway_ms), _dollars(dollars))


def _accelerated(model: Model, told: Mapping[str, Operation], users: Mapping[str, Any]) -> Iterable[str]:
    speeds = users["acceleration"]
    yield "## What an accelerated image costs"
    yield ""
    yield (
        "Requests follow the layers, function time the bytes that these unpack to: each is read once for which of its "
        f"files start others ({speeds['looking']} MB a second and processor) and once to be converted "
        f"({speeds['converting']}). Of a push the same, without the request of the API. A layer is converted once for "
        "all images of an instance that have it, so that a new build pays for its new layers alone. The converted "
        "layers are stored beside the others, and take about as many bytes."
    )
    yield ""
    yield _row("an image, all of it converted", "S3 PUT …", "S3 GET", "s of functions", "$ a thousand")
    yield _row(*["---"] * 5)
    for image in speeds["images"]:
        operation = accelerate(told, image, speeds)
        sums = [sum(part.units.get(unit, 0) for part in operation.values()) for unit in ("s3_write", "s3_read")]
        seconds = _ms(model.functions_ms(operation) / 1000)
        yield _row(image["title"], *map(_count, map(round, sums)), seconds, _dollars(model.dollars(operation) * 1000))
    yield ""


_UNITS: Final = ("rru", "wru", "s3_write", "s3_read", "sqs", "event")


def _idle(model: Model, told: Mapping[str, Operation], users: Mapping[str, Any]) -> Iterable[str]:
    service, tasks = users["service"], users["team"]["tasks"]
    schedules = model.schedules(told)
    runs = sum(part.units["invocations"] for part in schedules.values())
    reads = sum(part.units["rru"] for part in schedules.values())
    yield "## A month in which nobody comes"
    yield ""
    yield (
        f"{runs:,.0f} runs of schedules, {reads:,.0f} reads of shards with nothing in them, "
        f"{model.functions_ms(schedules) / 1000:,.0f} s of functions; each of {service['queues']} queues is asked by "
        f"{service['pollers']} pollers every {service['poll_s']} s; each of {tasks} tasks of {service['task_vcpu']} "
        f"vCPU and {service['task_gb']} GB answers the health checks of {service['balancers']} balancers without "
        "asking a store. The tasks are in private subnets, which need a way to SQS, "
        "Secrets Manager, logs and the image: a NAT gateway in each zone is reckoned. An account that has them already "
        "does not pay them again."
    )
    yield ""
    yield from _table("", {"$": model.idle(told, tasks)})
    yield ""


def _stored(model: Model, record: Mapping[str, Any]) -> Iterable[str]:
    row_bytes = sum(record["row_bytes"].values())
    a_million = row_bytes * 1_000_000 / 1024**3
    both = model.price("dynamodb.storage") + model.price("dynamodb.backup")
    yield "## What is stored"
    yield ""
    yield (
        f"Bytes lie in S3 once an instance, at {model.price('s3.storage')} dollars a GB-month. Rows of an image of 10 "
        "layers, of which every second "
        f"image shares them, take {row_bytes:,.0f} bytes, indexes and audit entries included: a million images "
        f"{a_million:.1f} GB, with point-in-time "
        f"recovery {_dollars(a_million * both)} dollars a month. What was deleted is stored for the grace period and a "
        "day more."
    )
    yield ""


def _months(
    model: Model, told: Mapping[str, Operation], record: Mapping[str, Any], users: Mapping[str, Any]
) -> Iterable[str]:
    row_bytes = sum(record["row_bytes"].values())
    yield "## A month of three users"
    yield ""
    yield _row("", *(users[name]["title"] for name in USERS))
    yield _row(*["---"] * 4)
    for field, title in (
        ("stored_gb", "GB stored"),
        ("images", "images stored"),
        ("pushes", "pushes: 10 layers, 3 of them new"),
        ("pulls", "pulls"),
        ("layers_a_pull", "blobs that a pull fetches"),
        ("layer_mb", "MB a layer"),
        ("api_requests", "requests of the management API"),
        ("deleted_images", "images deleted"),
        ("retained_tags", "tags that runs of retention look at"),
        ("out_gb", "GB out to the internet"),
    ):
        yield _row(title, *(f"{users[name][field]:,}" for name in USERS))
    yield ""
    yield (
        "Pulls come to a gateway that remembers nothing and are noted one by one: an upper bound, the more so the more "
        "there are. Each request of the API is "
        "reckoned as a page of 100 tags. Tasks follow the CPU: the busiest hour is "
        f"{users['service']['peak']} times the mean and takes {users['service']['utilisation']:.0%} of them. Bytes are "
        "pulled by link, from S3."
    )
    yield ""
    ours = {users[name]["title"]: model.month(told, users[name], row_bytes) for name in USERS}
    yield from _table("ours, $ a month", ours)
    yield ""
    yield from _table("Harbor, $ a month", {users[name]["title"]: model.harbor(users[name]) for name in USERS})
    yield ""
    for name in USERS:
        yield f"- Harbor for the {users[name]['title']}: {users[name]['harbor']['title']}."
    yield ""


def _verdict(
    model: Model, told: Mapping[str, Operation], record: Mapping[str, Any], users: Mapping[str, Any]
) -> Iterable[str]:
    row_bytes = sum(record["row_bytes"].values())
    yield "## Beside ECR and Harbor"
    yield ""
    yield _row(
        "$ a month",
        "ours",
        "ECR",
        "Harbor",
        "ours, of that for the idle service",
        "out to the internet, the same for all",
    )
    yield _row(*["---"] * 6)
    for name in USERS:
        user = users[name]
        ours = sum(model.month(told, user, row_bytes).values())
        idle = sum(model.idle(told, model.tasks(model.used(told, user), user["tasks"])).values())
        harbor = sum(model.harbor(user).values())
        yield _row(user["title"], *map(_dollars, (ours, model.ecr(user), harbor, idle, model.out(user))))
    idle = sum(model.idle(told, users["team"]["tasks"]).values())
    spared = model.price("ecr.storage") - model.price("s3.storage")
    one_pull = model.dollars(pull(told, users["company"]["layers_a_pull"]))
    one_push = model.dollars(push(told, 3, 20_000_000))
    yield ""
    yield (
        "- **ECR is cheaper for whoever stores little.** It asks for stored bytes and nothing for requests. Ours "
        f"stores a GB for {spared:.3f} dollars less, so "
        f"its idle service of {_dollars(idle)} dollars is earned back at about {idle / spared:,.0f} GB, and what is "
        "pulled and pushed comes on top: a million pulls "
        f"cost {_dollars(one_pull * 1e6)} dollars, a million pushes {_dollars(one_push * 1e6)}, with ECR neither "
        "anything. Many pulls of little content stay dearer here at any size."
    )
    yield (
        "- **Harbor's machines** cost what they cost whether anybody comes or not, and somebody has to keep them, "
        "their database and their upgrades; that work is in no figure "
        "here, nor is ours. Harbor's sizes are our guess at what such a user would run; somebody who runs less pays "
        "less, and one machine with everything on it is cheaper than ours for any small team."
    )
    yield (
        "- **What is most of ours** is what runs all month: the gateway's tasks, NAT, balancers, alarms and metrics. "
        "The part that is paid by use is small until pulls are "
        "counted by the million."
    )
    yield (
        "- **Not in any figure**: support, taxes, transfer between zones, copies in a second region, cold "
        "starts of functions (of which a "
        "schedule that runs every minute has few)."
    )
    yield ""


def _sources(prices: Mapping[str, Any]) -> Iterable[str]:
    yield "## How each price is known"
    yield ""
    yield (
        "AWS's own page is the one that counts; it could not be read when this was written. `seen` is who quotes the "
        "price; *memory* is a price that nobody was "
        "found quoting, to be looked up first by whoever decides by it."
    )
    yield ""
    yield _row("price", "$", "AWS's page", "seen")
    yield _row(*["---"] * 4)
    for service, items in prices.items():
        for item, price in items.items():
            amount = f"{price['dollars']:.10f}".rstrip("0").rstrip(".")
            yield _row(f"{service}.{item}", amount, price["page"], price["seen"])


def _table(corner: str, columns: Mapping[str, Lines]) -> Iterable[str]:
    yield _row(corner, *columns)
    yield _row(*["---"] * (1 + len(columns)))
    for line in dict.fromkeys(line for lines in columns.values() for line in lines):
        yield _row(line, *(_dollars(lines[line]) for lines in columns.values()))
    yield _row("**all**", *(f"**{_dollars(sum(lines.values()))}**" for lines in columns.values()))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _count(amount: float) -> str:
    return f"{amount:,.1f}".removesuffix(".0") if amount else "–"


def _ms(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:.1f}" if amount else "–"


def _dollars(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.2f}"
