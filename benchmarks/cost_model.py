"""From counts to dollars: what an operation costs, what the idle service costs, what a month costs three users.

Prices come from `prices.toml`, all that is assumed from `users.toml`; the counts from `cost.json`, which
`python -m benchmarks.cost` records. Nothing here measures.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MILLION: Final = 1_000_000
GIB: Final = 1024**3
MIB: Final = 1024**2
PART_BYTES: Final = 5 * MIB
# Lambda gives a function one whole processor at this much memory, and less in proportion (Lambda developer guide).
WHOLE_CPU_MB: Final = 1769
# What the pages of AWS's prices call a first tier.
_FIRST_TIER_GB: Final = {"s3.storage": 50_000, "network.out": 10_000}
# Parts that are no functions: the container service, and clients that follow links to S3.
NO_FUNCTIONS: Final = frozenset({"gateway", "client"})
_NETWORK: Final = "balancers, NAT, addresses"
_WATCHING: Final = "alarms, metrics, traces, keys"

Lines = Counter[str]


@dataclass(frozen=True)
class Part:
    """What one part of the service did in an operation. cpu_ms: of its own code, on the machine that counted."""

    units: Mapping[str, float]
    calls: Mapping[str, float]
    cpu_ms: float

    def times(self, factor: float) -> Part:
        return Part(
            {name: amount * factor for name, amount in self.units.items()},
            {name: amount * factor for name, amount in self.calls.items()},
            self.cpu_ms * factor,
        )

    def plus(self, other: Part, factor: float = 1) -> Part:
        scaled = other.times(factor)
        return Part(_sum(self.units, scaled.units), _sum(self.calls, scaled.calls), self.cpu_ms + scaled.cpu_ms)


NOTHING: Final = Part({}, {}, 0.0)
Operation = Mapping[str, Part]


def _sum(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def combined(*operations: tuple[Operation, float]) -> Operation:
    """Operations so many times each, added up part by part."""
    total: dict[str, Part] = {}
    for operation, times in operations:
        for name, part in operation.items():
            total[name] = total.get(name, NOTHING).plus(part, times)
    return total


class Model:
    def __init__(self, prices: Mapping[str, Any], users: Mapping[str, Any], memory_mb: Mapping[str, int]) -> None:
        self._prices = prices
        self._service: Mapping[str, Any] = users["service"]
        self._latency_ms: Mapping[str, float] = users["latency_ms"]
        self._memory_mb = memory_mb
        self._hours: float = users["hours_a_month"]
        self._minutes: float = users["minutes_a_month"]

    def price(self, name: str) -> float:
        service, item = name.split(".")
        return float(self._prices[service][item]["dollars"])

    # One operation

    def milliseconds(self, function: str, part: Part) -> float:
        """Billed: our code on the share of a processor that the function's memory buys, and waiting for answers."""
        waiting = sum(self._latency_ms[call.split(".")[0]] * count for call, count in part.calls.items())
        return part.cpu_ms * WHOLE_CPU_MB / self._memory_mb[function] + waiting

    def functions_ms(self, operation: Operation) -> float:
        return sum(self.milliseconds(name, part) for name, part in operation.items() if name not in NO_FUNCTIONS)

    def lines(self, operation: Operation) -> Lines:
        """Dollars of one of these, by service. The gateway's own hours are not in it: they run anyway."""
        lines: Lines = Counter()
        for name, part in operation.items():
            units = part.units
            for unit, price, line in (
                ("rru", "dynamodb.read", "table"),
                ("wru", "dynamodb.write", "table"),
                ("s3_write", "s3.write", "object store"),
                ("s3_read", "s3.read", "object store"),
                ("sqs", "sqs.request", "queues"),
                ("event", "eventbridge.event", "events"),
            ):
                _put(lines, line, units.get(unit, 0) * self.price(price) / MILLION)
            if name not in NO_FUNCTIONS:
                invocations = units.get("invocations", 0)
                gb_s = self.milliseconds(name, part) / 1000 * self._memory_mb[name] / 1024
                _put(lines, "functions", invocations * self.price("lambda.request") / MILLION)
                _put(lines, "functions", gb_s * self.price("lambda.gb_second"))
                if name == "api_handler":
                    _put(lines, "API Gateway", invocations * self.price("api_gateway.request") / MILLION)
            logged_gb = units.get("invocations", 0) * self._service["log_bytes"] / GIB
            _put(lines, "logs", logged_gb * self.price("cloudwatch.log_gb"))
        return lines

    def dollars(self, operation: Operation) -> float:
        return sum(self.lines(operation).values())

    # A month

    def polling(self) -> Operation:
        """What Lambda asks idle queues in a month."""
        service = self._service
        polls = self._minutes * 60 / service["poll_s"] * service["pollers"] * service["queues"]
        return {"client": Part({"sqs": polls}, {}, 0.0)}

    def schedules(self, told: Mapping[str, Operation]) -> Operation:
        return combined((told["idle_minute"], self._minutes), (told["idle_five_minutes"], self._minutes / 5))

    def gateway(self, tasks: int) -> float:
        service = self._service
        hour = service["task_vcpu"] * self.price("fargate.vcpu") + service["task_gb"] * self.price("fargate.gb")
        return float(tasks * hour * self._hours)

    def network(self) -> float:
        """Load balancers, NAT gateways, and a public address for each of them and of the public balancer's nodes."""
        service = self._service
        zones = service["zones"]
        hour = service["balancers"] * self.price("balancer.hour") + zones * self.price("network.nat_hour")
        return float(hour + 2 * zones * self.price("network.address")) * self._hours

    def traces(self, operation: Operation) -> float:
        """Of a month's invocations: one a second, and a share of the rest."""
        invocations = sum(
            part.units.get("invocations", 0) for name, part in operation.items() if name not in NO_FUNCTIONS
        )
        seconds = self._hours * 3600
        traced = min(invocations, seconds) + max(0.0, invocations - seconds) * self._service["traced"]
        return float(traced) * self.price("xray.trace") / MILLION

    def watching(self) -> float:
        service = self._service
        return sum(
            float(service[count]) * self.price(price)
            for count, price in (
                ("alarms", "cloudwatch.alarm"),
                ("custom_metrics", "cloudwatch.metric"),
                ("dashboards", "cloudwatch.dashboard"),
                ("secrets", "secrets.secret"),
                ("keys", "kms.key"),
            )
        )

    def idle(self, told: Mapping[str, Operation], tasks: int) -> Lines:
        """Of a service that nobody uses."""
        lines: Lines = Counter()
        _put(lines, "gateway's tasks", self.gateway(tasks))
        _put(lines, _NETWORK, self.network())
        _put(lines, _WATCHING, self.watching())
        _put(lines, _WATCHING, self.traces(self.schedules(told)))
        _put(lines, "schedules", self.dollars(self.schedules(told)))
        _put(lines, "asking idle queues", self.dollars(self.polling()))
        return lines

    def used(self, told: Mapping[str, Operation], user: Mapping[str, Any]) -> Operation:
        """All that the user's people and machines do in a month."""
        return combined(
            (push(told, new_layers=3, layer_bytes=user["layer_mb"] * 1_000_000), user["pushes"]),
            (pull(told, user["layers_a_pull"]), user["pulls"]),
            (told["list_tags"], user["api_requests"]),
            (told["delete_image"], user["deleted_images"]),
            (retention(told, 1000), user["retained_tags"] / 1000),
        )

    def tasks(self, operation: Operation, least: int) -> int:
        """Gateway tasks that the CPU of a month's requests needs at its busiest hour."""
        service = self._service
        mean_cpus = operation["gateway"].cpu_ms / 1000 / (self._hours * 3600)
        wanted = mean_cpus * service["peak"] / service["utilisation"] / service["task_vcpu"]
        return max(least, math.ceil(float(wanted)))

    def month(self, told: Mapping[str, Operation], user: Mapping[str, Any], row_bytes: float) -> Lines:
        used = self.used(told, user)
        tasks = self.tasks(used, user["tasks"])
        lines = self.idle(told, tasks)
        lines.update(self.lines(used))
        schedules = self.schedules(told)
        both_traced = self.traces(combined((used, 1), (schedules, 1)))
        _put(lines, _WATCHING, both_traced - self.traces(schedules))
        _put(lines, _NETWORK, self._pushed(user))
        _put(lines, "stored bytes", self.tiered("s3.storage", user["stored_gb"]))
        rows_gb = user["images"] * row_bytes / GIB
        a_gb = self.price("dynamodb.storage") + self.price("dynamodb.backup")
        _put(lines, "stored rows, with backup", rows_gb * a_gb)
        return lines

    def _pushed(self, user: Mapping[str, Any]) -> float:
        """Through the load balancer, three new layers each."""
        return float(user["pushes"] * 3 * user["layer_mb"] / 1000 * self.price("balancer.unit"))

    def out(self, user: Mapping[str, Any]) -> float:
        """The same for whoever stores the bytes in AWS."""
        return self.tiered("network.out", user["out_gb"])

    def ecr(self, user: Mapping[str, Any]) -> float:
        return float(user["stored_gb"]) * self.price("ecr.storage")

    def harbor(self, user: Mapping[str, Any]) -> Lines:
        """Machines that run all month, and blobs in S3 with a request for each layer and one for its upload's parts."""
        shape, lines = user["harbor"], Counter[str]()
        for service in ("ec2", "rds", "elasticache"):
            hour = sum(count * self.price(f"{service}.{kind}") for kind, count in shape[service].items())
            _put(lines, service, hour * self._hours)
        _put(lines, "ec2", shape["ebs_gb"] * self.price("ebs.gp3"))
        _put(lines, "rds", shape["rds_gb"] * self.price("rds.gp3"))
        network = shape["balancers"] * self.price("balancer.hour") + shape["nats"] * self.price("network.nat_hour")
        addresses = (shape["nats"] + 2 * shape["balancers"]) * self.price("network.address")
        _put(lines, _NETWORK, (network + addresses) * self._hours + self._pushed(user))
        _put(lines, "stored bytes", self.tiered("s3.storage", user["stored_gb"]))
        parts = math.ceil(user["layer_mb"] * 1_000_000 / PART_BYTES) + 2
        _put(lines, "object store", user["pushes"] * 3 * parts * self.price("s3.write") / MILLION)
        _put(lines, "object store", user["pulls"] * user["layers_a_pull"] * self.price("s3.read") / MILLION)
        return lines

    def tiered(self, name: str, gb: float) -> float:
        first = min(gb, _FIRST_TIER_GB[name])
        return first * self.price(name) + (gb - first) * self.price(f"{name}_next")


def pull(told: Mapping[str, Operation], layers: float) -> Operation:
    """Token, manifest by tag and so many blobs, from a gateway that remembers nothing; noted by itself."""
    head = combined((told["token"], 1), (told["manifest_tag_cold"], 1))
    layer = combined((told["pull_image"], 1 / 11), (head, -1 / 11))
    return combined((head, 1), (layer, layers), (told["note_of_pulls"], 1))


def push(told: Mapping[str, Operation], new_layers: float, layer_bytes: int) -> Operation:
    """Of ten layers, some of them new and of this size, with its event, and the end of its leases a day later."""
    new = combined((told["push_new"], 0.1), (told["push_known"], -0.1))
    larger = combined((told["layer_large"], 1), (told["layer_small"], -1))
    more_parts = {"gateway": Part({"s3_write": math.ceil(layer_bytes / PART_BYTES) - 3}, {}, 0.0)}
    layer = combined((new, 1), *(((larger, 1), (more_parts, 1)) if layer_bytes > PART_BYTES else ()))
    return combined((told["push_known"], 1), (layer, new_layers))


def accelerate(told: Mapping[str, Operation], image: Mapping[str, Any], speeds: Mapping[str, float]) -> Operation:
    """An image by request, on the straight line through the two that were counted. Its converted layers go to S3 in
    parts; its bytes are read twice, once for what starts what, and converted, by the processors of one function.

    image    layers, mb (compressed), unpacked_mb; speeds: of one processor, unpacked MB a second
    """
    few, many = told["accelerate_1"], told["accelerate_10"]
    steps = (image["layers"] - 1) / 9
    parts = math.ceil(image["mb"] * 1_000_000 / image["layers"] / PART_BYTES)
    writes = image["layers"] * (parts + 1) if parts > 1 else 0
    cpu_s = sum(image["unpacked_mb"] / speeds[what] for what in ("looking", "converting"))
    bytes_of = {"conversions": Part({"s3_write": writes}, {}, cpu_s * 1000)}
    return combined((few, 1 - steps), (many, steps), (bytes_of, 1))


def retention(told: Mapping[str, Operation], tags: int) -> Operation:
    """A run over so many, on the straight line through the two that were counted."""
    few, many = told["retention_20"], told["retention_120"]
    steps = (tags - 20) / 100
    return combined((few, 1 - steps), (many, steps))


def _put(lines: Lines, line: str, dollars: float) -> None:
    lines[line] += dollars  # type: ignore[assignment]
