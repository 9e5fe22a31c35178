"""Which rights of AWS's a part of the service makes use of, seen at botocore's own events.

    with recording() as record:
        with record.acting("sweep"): …     every call of AWS's that is made inside is the sweep's
    record.rights["sweep"]                 {Right("dynamodb:Query", "Table/index/index-i1", "DUE#"), …}

Resources have the names of the template: `Table`, `AuditTable`, `Bucket`, `CustomerBucket` (any bucket but the
service's own), `CollectionQueue`, `Keys`; ids in keys of objects are written `*`.

One call may take several rights: each write of a transaction has one of its own, and whoever reads objects may list
them, because S3 says "not found" to nobody else but "forbidden". The first answer to every write of an object is lost,
so that what `S3Objects` does then is seen too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import botocore.handlers
from botocore.exceptions import ClientError

from chalicelib.kernel.settings import Settings

_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_DIGEST: Final = re.compile(r"sha(256|512)-[0-9a-f]+")
_PARTITION: Final = re.compile(r"(\S+) = (:\S+)")
_WRITES: Final = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
# Operations whose right is called otherwise.
_OBJECTS: Final = {
    "HeadObject": "GetObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    **{name: name for name in ("AbortMultipartUpload", "DeleteObject", "GetObject", "PutObject")},
}
_COPIES: Final = ("CopyObject", "UploadPartCopy")
_BUCKETS: Final = {
    "ListObjectsV2": "ListBucket",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "GetBucketLocation": "GetBucketLocation",
    "GetBucketTagging": "GetBucketTagging",
    "PutBucketTagging": "PutBucketTagging",
}
_QUEUES: Final = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    **{name: name for name in ("ChangeMessageVisibility", "GetQueueAttributes", "GetQueueUrl", "ReceiveMessage")},
}
# What S3 answers to a write that is sent again after it took effect unseen.
_SECOND_ANSWERS: Final = {
    "PutObject": "PreconditionFailed",
    "CopyObject": "PreconditionFailed",
    "CompleteMultipartUpload": "NoSuchUpload",
}
_NOTED: Final = "rights recorded"


class Died(BaseException):
    """The process is no more."""


class Right(NamedTuple):
    """partition: of the table's rows, up to the first `#` and with it; "" for what has none."""

    action: str
    resource: str
    partition: str = ""


@dataclass
class Record:
    settings: Settings
    rights: dict[str, set[Right]] = field(default_factory=lambda: defaultdict(set))
    pushes: list[tuple[str, str]] = field(default_factory=list)
    marks: set[str] = field(default_factory=set)
    _actor: str = ""
    _marking: tuple[str, str] = ("", "")
    _lifetime: tuple[str, int] = ("", 0)
    _dead: bool = False
    _lost: set[tuple[str, str, str]] = field(default_factory=set)
    _meanwhile: tuple[str, Callable[[str], None]] | None = None

    @contextmanager
    def acting(self, actor: str) -> Iterator[None]:
        """Not for several threads at once: who acts is known to all of them."""
        before, self._actor = self._actor, actor
        try:
            yield
        finally:
            self._actor = before

    @contextmanager
    def marking(self, mark: str, service: str) -> Iterator[None]:
        """Adds the mark to `marks` where somebody acts upon that service inside."""
        self._marking = (mark, service)
        try:
            yield
        finally:
            self._marking = ("", "")

    @contextmanager
    def dying_after(self, operation: str, times: int = 1) -> Iterator[None]:
        """Whoever acts inside comes as far as its call number `times` of this operation, and no further."""
        self._lifetime = (operation, times)
        try:
            yield
        except Died:
            pass
        else:
            raise AssertionError(f"nobody called {operation} {times} times, so nobody died")
        finally:
            self._lifetime, self._dead = ("", 0), False

    @contextmanager
    def meanwhile(self, written: str, happens: Callable[[str], None]) -> Iterator[None]:
        """What happens, once, when whoever acts inside has written an object of this shape. Given its key."""
        self._meanwhile = (written, happens)
        yield
        assert self._meanwhile is None, f"nobody wrote {written}"

    def called(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        if self._dead and self._actor:
            raise Died
        service, operation = model.service_model.service_name, model.name
        context[_NOTED] = (operation, params.get("Bucket"), params.get("Key"))
        if operation == "PutObject" and "/pushes/" in params["Key"]:
            self.pushes.append((params["Bucket"], params["Key"]))
        if not self._actor:
            return
        self.rights[self._actor] |= set(self._of(service, operation, params))
        if service == self._marking[1]:
            self.marks.add(self._marking[0])

    def answered(self, http_response: Any, context: dict[str, Any], model: Any, **_: Any) -> None:
        """Raises ClientError where this answer is to get lost."""
        operation, bucket, key = context.get(_NOTED, ("", "", ""))
        if not self._actor:
            return
        if operation == self._lifetime[0]:
            self._lifetime = (operation, self._lifetime[1] - 1)
            self._dead = self._lifetime[1] == 0
        if model.service_model.service_name != "s3":
            return
        if self._meanwhile and operation == "PutObject" and shape(key) == self._meanwhile[0]:
            happens, self._meanwhile = self._meanwhile[1], None
            with self.acting(""):
                happens(key)
        if operation in _SECOND_ANSWERS and http_response.status_code < 300:
            writes = (self._actor, operation, f"{self._bucket(bucket)}/{shape(key)}")
            if writes not in self._lost:
                self._lost.add(writes)
                raise ClientError({"Error": {"Code": _SECOND_ANSWERS[operation]}}, operation)

    def _of(self, service: str, operation: str, params: dict[str, Any]) -> Iterator[Right]:
        known: dict[str, Callable[[str, dict[str, Any]], Iterator[Right]]] = {
            "dynamodb": self._of_tables, "s3": self._of_objects, "sqs": self._of_queues, "secretsmanager": _of_secrets,
        }  # fmt: skip
        if service not in known:
            raise AssertionError(f"nobody knows which rights {service} takes for {operation}")
        yield from known[service](operation, params)

    def _of_tables(self, operation: str, params: dict[str, Any]) -> Iterator[Right]:
        if operation == "TransactWriteItems":
            for write in params["TransactItems"]:
                ((kind, what),) = write.items()
                key = what.get("Key") or what["Item"]
                yield self._row(_WRITES[kind], what["TableName"], key["pk"]["S"])
        elif operation in ("BatchGetItem", "BatchWriteItem"):
            for table, wanted in params["RequestItems"].items():
                rows = wanted["Keys"] if operation == "BatchGetItem" else [_written(one) for one in wanted]
                yield from (self._row(operation, table, row["pk"]["S"]) for row in rows)
        elif operation == "Query":
            yield self._query(params)
        elif operation in ("GetItem", "PutItem", "UpdateItem", "DeleteItem"):
            key = params.get("Key") or params["Item"]
            yield self._row(operation, params["TableName"], key["pk"]["S"])
        else:
            raise AssertionError(f"{operation} is none of the table's calls")

    def _query(self, params: dict[str, Any]) -> Right:
        found = _PARTITION.match(params["KeyConditionExpression"])
        assert found, params["KeyConditionExpression"]
        partition = params["ExpressionAttributeValues"][found[2]]["S"]
        row = self._row("Query", params["TableName"], partition)
        index = params.get("IndexName")
        return row._replace(resource=f"{row.resource}/index/{index}") if index else row

    def _row(self, operation: str, table: str, partition: str) -> Right:
        name = {self.settings.table: "Table", self.settings.audit_table: "AuditTable"}[table]
        kind, mark, _ = partition.partition("#")
        return Right(f"dynamodb:{operation}", name, kind + mark)

    def _of_objects(self, operation: str, params: dict[str, Any]) -> Iterator[Right]:
        bucket = self._bucket(params["Bucket"])
        if operation in _BUCKETS:
            yield Right(f"s3:{_BUCKETS[operation]}", bucket)
        elif operation in _COPIES:
            source = params["CopySource"]
            yield Right("s3:GetObject", f"{self._bucket(source['Bucket'])}/{shape(source['Key'])}")
            yield Right("s3:PutObject", f"{bucket}/{shape(params['Key'])}")
        else:
            right = Right(f"s3:{_OBJECTS[operation]}", f"{bucket}/{shape(params['Key'])}")
            yield right
            if right.action == "s3:GetObject":
                yield Right("s3:ListBucket", bucket)

    def _of_queues(self, operation: str, params: dict[str, Any]) -> Iterator[Right]:
        name = params.get("QueueName") or params["QueueUrl"].rpartition("/")[2]
        queue = name.removeprefix(self.settings.queue_prefix)
        yield Right(f"sqs:{_QUEUES[operation]}", f"{queue.capitalize()}Queue")

    def _bucket(self, name: str) -> str:
        return "Bucket" if name == self.settings.bucket else "CustomerBucket"


def shape(key: str) -> str:
    """The key with `*` for its ids, its digests, its numbers and the end of a generation."""
    return "/".join("*" if _is_anyones(part) else part for part in key.split("/"))


def _is_anyones(part: str) -> bool:
    known = _ID.fullmatch(part) or _DIGEST.fullmatch(part)
    return bool(known) or part.isdecimal() or len(part) == 1


def _written(request: dict[str, Any]) -> Any:
    return request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]


def _of_secrets(operation: str, params: dict[str, Any]) -> Iterator[Right]:
    yield Right(f"secretsmanager:{operation}", "Keys")


@contextmanager
def recording(settings: Settings) -> Iterator[Record]:
    """Sees the calls of every client that is made inside."""
    record = Record(settings)
    seen: list[Any] = [("provide-client-params", record.called), ("after-call", record.answered)]
    botocore.handlers.BUILTIN_HANDLERS.extend(seen)
    try:
        yield record
    finally:
        for handler in seen:
            botocore.handlers.BUILTIN_HANDLERS.remove(handler)
