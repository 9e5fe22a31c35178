"""moto without what it does again and again that nothing here needs; its answers are the same.

- It asks each value of an item for all ten types DynamoDB has, under up to ten names each: half the time of a call.
  A value says its type itself.
- It copies the whole table for each write of a transaction, to have it back if the transaction fails. The rows that
  the transaction names are all that can change.
- It waits for messages that nobody can send, as whoever would send them runs in the same thread.
- It catches `requests` too, with 1 300 patterns that it adds anew at each start. Only botocore calls AWS here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from moto.core.models import DEFAULT_ACCOUNT_ID, RESPONSES_METHODS
from moto.core.serialize import SERVICE_SPECIFIC_SERIALIZERS, JSONSerializer
from moto.core.utils import unix_time_millis
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.sqs.models import SQSBackend, sqs_backends

VALUE: Final = "AttributeValue"


class AttributeValues(JSONSerializer):
    def _serialize_type_structure(self, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name != VALUE or not isinstance(value, dict) or not value.keys() <= shape.members.keys():
            super()._serialize_type_structure(serialized, value, shape, key)
            return
        wrapper: dict[str, Any] = {}
        for kind, held in value.items():
            if held is not None:
                self._serialize(wrapper, held, shape.members[kind], kind)
        self._default_serialize(serialized, wrapper, shape, key)


class Tables(DynamoDBBackend):
    # Where moto looks for what belongs to a backend.
    __module__ = DynamoDBBackend.__module__

    def transact_write_items(self, transact_items: list[dict[str, Any]]) -> None:
        writes = [write for item in transact_items for write in item.values()]
        tables = {name: self.tables.get(name) for name in {write["TableName"] for write in writes}}
        if not all(table and table.range_key_attr and table.stream_shard is None for table in tables.values()):
            super().transact_write_items(transact_items)
            return
        named: list[tuple[Any, Any]] = [
            (tables[write["TableName"]], write.get("Key") or write["Item"]) for write in writes
        ]
        before = [(table, *_row(self, table, key)) for table, key in named]
        with _standing_in_for_copies(list(tables.values())):
            try:
                super().transact_write_items(transact_items)
            except Exception:
                for table, at, item in before:
                    _put_back(table, at, item)
                raise


def _row(backend: DynamoDBBackend, table: Any, key: dict[str, Any]) -> tuple[Any, Any]:
    """Where the row stands, and a copy of it; None where it does not."""
    at = backend.get_keys_value(table, key)
    return at, copy.deepcopy(table.items.get(at[0], {}).get(at[1]))


def _put_back(table: Any, at: Any, item: Any) -> None:
    if item is None:
        table.items[at[0]].pop(at[1], None)
    else:
        table.items[at[0]][at[1]] = item


@contextmanager
def _standing_in_for_copies(tables: list[Any]) -> Iterator[None]:
    """moto's copies of these are the tables themselves."""
    for table in tables:
        table.__deepcopy__ = lambda _, table=table: table
    try:
        yield
    finally:
        for table in tables:
            table.__dict__.pop("__deepcopy__", None)


class Queues(SQSBackend):
    __module__ = SQSBackend.__module__

    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> Any:
        until = unix_time_millis() + wait_seconds_timeout * 1000
        held = self.get_queue(queue_name)._messages
        comes = any(max(one.visible_at, one.delayed_until) <= until for one in held)
        wait_s = wait_seconds_timeout if comes else 0
        return super().receive_message(queue_name, count, wait_s, visibility_timeout, message_attribute_names)


def holds_messages(region: str, queue: str) -> bool:
    """Any, hidden or not. Most queues are empty whenever they are asked, and moto's own front takes its time."""
    return bool(sqs_backends[DEFAULT_ACCOUNT_ID][region].queues[queue]._messages)


def be_quick() -> None:
    SERVICE_SPECIFIC_SERIALIZERS["dynamodb"] = {"json": AttributeValues}
    dynamodb_backends.backend = Tables
    sqs_backends.backend = Queues
    RESPONSES_METHODS.clear()
