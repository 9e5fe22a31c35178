"""What an operation asks of AWS, counted where botocore sends it, in the units that AWS charges.

    meter = Meter(clients, table_reader)        between botocore and whatever answers it
    with meter.counting() as count: …           calls by name, request units, CPU of our own code

Units are reckoned from what goes over the wire and from what stands in the table before and after a write, by the rules
of the DynamoDB developer guide ("read and write operations", "global secondary indexes"), because emulators answer none
or wrong ones:

    read    4 KB each, at least one; consistent 1, otherwise ½. A batch rounds item by item, a query all it read at once
    write   1 KB each of the larger of before and after, at least one; ×2 in a transaction, checks too
    index   1 KB each of what changes in it: an entry that comes or goes 1 time, one whose key changes 2 times
    failed  a condition that does not hold costs as much as the write

Sizes are `limits.check_item`'s. One thread at a time: moto answers no other.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from chalicelib.ports.aws.clients import Clients
from chalicelib.ports.aws.items import decode_item
from chalicelib.ports.limits import check_item

_READ_BYTES: Final = 4096
_WRITE_BYTES: Final = 1024
_MESSAGE_BYTES: Final = 64 * 1024
INDEXES: Final = ("i1", "i2")
# How S3 charges for each; what is in neither is free (deleting, aborting).
S3_WRITES: Final = frozenset(
    {
        "PutObject",
        "CopyObject",
        "CreateMultipartUpload",
        "UploadPart",
        "UploadPartCopy",
        "CompleteMultipartUpload",
        "ListObjectsV2",
    }
)
S3_READS: Final = frozenset({"GetObject", "HeadObject"})
# What the bucket tells EventBridge of.
S3_EVENTS: Final = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject"})

Item = Mapping[str, Any]
# (table, pk, sk) → the item that stands there, by a way that is not counted
Look = Callable[[str, str, str], Item | None]


@dataclass
class Count:
    """Of one operation. calls: `dynamodb.GetItem` → how often; units: `rru`, `wru`, `s3_write`, `event` …"""

    calls: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0
    # (`read` or `write`, index or "", pk, sk or how it begins) → request units
    heat: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)

    def add(self, other: Count, times: float = 1) -> None:
        pairs: tuple[tuple[Counter[Any], Counter[Any]], ...] = (
            (self.calls, other.calls),
            (self.units, other.units),
            (self.heat, other.heat),
        )
        for mine, theirs in pairs:
            for name, amount in theirs.items():
                mine[name] += amount * times  # type: ignore[assignment]
        self.cpu_s += other.cpu_s * times


def size_of(item: Item | None) -> int:
    return check_item(item) if item else 0


def read_units(size_bytes: int, *, consistent: bool) -> float:
    return max(1, math.ceil(size_bytes / _READ_BYTES)) * (1.0 if consistent else 0.5)


def write_units(before: Item | None, after: Item | None) -> int:
    return max(1, math.ceil(max(size_of(before), size_of(after)) / _WRITE_BYTES))


def index_units(before: Item | None, after: Item | None) -> int:
    """Of all indexes together: each projects every attribute, so that any change reaches every one the item is in."""
    return sum(units for _, _, _, units in index_writes(before, after))


def index_writes(before: Item | None, after: Item | None) -> Iterator[tuple[str, str, str, int]]:
    """(index, pk, sk, units) of each entry that is written or removed."""
    for index in INDEXES:
        was, becomes = _entry(index, before), _entry(index, after)
        if before == after:
            continue
        if was is not None and was == becomes:
            yield index, *was, write_units(before, after)
            continue
        if was is not None:
            yield index, *was, write_units(before, None)
        if becomes is not None:
            yield index, *becomes, write_units(None, after)


def _entry(index: str, item: Item | None) -> tuple[str, str] | None:
    if item is None or f"{index}pk" not in item or f"{index}sk" not in item:
        return None
    return str(item[f"{index}pk"]), str(item[f"{index}sk"])


class Meter:
    """Counts the calls of these clients from now on."""

    def __init__(self, clients: Clients, look: Look) -> None:
        self._look = look
        self._now = Count()
        self._foreign_s = 0.0
        self._sent_at = 0.0
        for service, client in (("dynamodb", clients.dynamodb), ("s3", clients.s3), ("sqs", clients.sqs)):
            events = client.meta.events
            events.register_last(f"provide-client-params.{service}", self._begin)
            events.register_first(f"before-send.{service}", self._sent)
            events.register_first(f"before-parse.{service}", self._answered)
            events.register_first(f"after-call.{service}", self._end)

    @contextmanager
    def counting(self) -> Iterator[Count]:
        """What is called meanwhile. CPU is this process's, without what answers the calls and without the meter."""
        outer, self._now = self._now, Count()
        count, foreign_s, begun = self._now, self._foreign_s, time.process_time()
        try:
            yield count
        finally:
            count.cpu_s = time.process_time() - begun - (self._foreign_s - foreign_s)
            self._now = outer

    # From botocore

    def _begin(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        begun = time.process_time()
        if model.service_model.service_name == "dynamodb":
            context["crs_before"] = [(key, self._look(*key)) for key in _written(model.name, params)]
        context["crs_params"] = params
        self._foreign_s += time.process_time() - begun

    def _sent(self, **_: Any) -> None:
        self._sent_at = time.process_time()

    def _answered(self, **_: Any) -> None:
        self._foreign_s += time.process_time() - self._sent_at

    def _end(self, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        begun = time.process_time()
        service, name = model.service_model.service_name, model.name
        self._now.calls[f"{service}.{name}"] += 1
        if service == "dynamodb":
            self._count_table(name, context["crs_params"], context["crs_before"], parsed)
        elif service == "s3":
            kind = "s3_write" if name in S3_WRITES else "s3_read" if name in S3_READS else "s3_free"
            self._now.units[kind] += 1
            self._now.units["event"] += name in S3_EVENTS and "Error" not in parsed
        else:
            self._now.units["sqs"] += _messages(context["crs_params"])
        self._foreign_s += time.process_time() - begun

    # What DynamoDB charges

    def _count_table(self, name: str, params: dict[str, Any], before: list[Any], parsed: dict[str, Any]) -> None:
        if before:
            factor = 2 if name == "TransactWriteItems" else 1
            for (table, pk, sk), was in before:
                becomes = self._look(table, pk, sk)
                self._count_unit("write", "", pk, sk, factor * write_units(was, becomes))
                for index, index_pk, index_sk, units in index_writes(was, becomes):
                    self._count_unit("write", index, index_pk, index_sk, units)
        elif name == "GetItem":
            self._count_unit("read", "", *_key("", params["Key"])[1:], _read(parsed.get("Item"), params))
        elif name == "BatchGetItem":
            for table, wanted in params["RequestItems"].items():
                answered = parsed.get("Responses", {}).get(table, [])
                found = {_key(table, item): item for item in answered}
                for key in [_key(table, one) for one in wanted["Keys"]]:
                    self._count_unit("read", "", *key[1:], _read(found.get(key), wanted))
        elif name == "Query":
            size = sum(size_of(decode_item(item)) for item in parsed.get("Items", ()))
            index, pk = (
                params.get("IndexName", "").removeprefix("index-"),
                params["ExpressionAttributeValues"][":0"]["S"],
            )
            self._count_unit("read", index, pk, "…", read_units(size, consistent=params.get("ConsistentRead", False)))
        else:
            raise ValueError(f"nobody has said what {name} costs")

    def _count_unit(self, kind: str, index: str, pk: str, sk: str, units: float) -> None:
        self._now.units["rru" if kind == "read" else "wru"] += units  # type: ignore[assignment]
        self._now.heat[kind, index, pk, sk] += units  # type: ignore[assignment]


def _read(attributes: Any, asked: Mapping[str, Any]) -> float:
    size = size_of(decode_item(attributes)) if attributes else 0
    return read_units(size, consistent=asked.get("ConsistentRead", False))


def _written(name: str, params: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Every key that the call writes or checks; none of a read."""
    if name in ("PutItem", "UpdateItem", "DeleteItem"):
        return [_key(params["TableName"], params.get("Key") or params["Item"])]
    if name == "TransactWriteItems":
        writes = [next(iter(entry.values())) for entry in params["TransactItems"]]
        return [_key(write["TableName"], write.get("Key") or write["Item"]) for write in writes]
    if name == "BatchWriteItem":
        return [
            _key(table, write["PutRequest"]["Item"]) for table, of in params["RequestItems"].items() for write in of
        ]
    return []


def _key(table: str, attributes: Mapping[str, Any]) -> tuple[str, str, str]:
    return table, attributes["pk"]["S"], attributes["sk"]["S"]


def _messages(params: Mapping[str, Any]) -> int:
    """Requests as SQS charges them: one for each 64 KB of what is sent."""
    size = len(json.dumps(params.get("Entries", "")))
    return max(1, math.ceil(size / _MESSAGE_BYTES))
