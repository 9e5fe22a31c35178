"""The table on DynamoDB."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import ClientError

from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.paging import Page
from chalicelib.ports.limits import check_distinct, check_item, check_key, check_transaction
from chalicelib.ports.table import (
    Check,
    Condition,
    ConditionFailed,
    Delete,
    Index,
    Item,
    Key,
    OutcomeUnknown,
    Put,
    TransactionCancelled,
    Update,
    Write,
)

from .calls import Calls, Repeat, reasons_of
from .expressions import Expression
from .items import decode_item, encode_item
from .pages import Cursor, Span

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")

# What BatchGetItem and BatchWriteItem take at once.
_MOST_READ: Final = 100
_MOST_WRITTEN: Final = 25
_MOST_ITEMS: Final = 1000
# DynamoDB wants three characters at least.
INDEX_NAMES: Final[dict[Index, str]] = {"i1": "index-i1", "i2": "index-i2"}
# How long another process may serve from memory what this one has changed.
_STALE_S: Final = 5


class DynamoTable:
    """`Table` on one DynamoDB table with the global indexes i1 and i2. Safe for threads."""

    def __init__(
        self,
        client: DynamoDBClient,
        name: str,
        calls: Calls | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._monotonic = monotonic
        self._name = name
        self._calls = calls or Calls()
        self._counter = itertools.count(1)
        self._written = 0

    def get(self, key: Key) -> Item | None:
        answer = self._calls.call(
            self._client.get_item, Repeat.READ, TableName=self._name, Key=_key(key), ConsistentRead=True
        )
        found = answer.get("Item")
        return decode_item(found) if found else None

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        found: dict[Key, Item] = {}
        for some in _chunks(list(dict.fromkeys(keys)), _MOST_READ):
            wanted = {self._name: {"Keys": [_key(key) for key in some], "ConsistentRead": True}}
            for answer in self._batches(self._client.batch_get_item, Repeat.READ, wanted, "UnprocessedKeys"):
                for attributes in answer["Responses"].get(self._name, ()):
                    item = decode_item(attributes)
                    found[Key(item["pk"], item["sk"])] = item
        return found

    def query(
        self,
        pk: str,
        *,
        index: Index | None = None,
        prefix: str = "",
        after: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page[Item]:
        _check_query(pk, limit, bounded=until is not None and (descending or bool(prefix)))
        span = Span.of(prefix, after, until, descending=descending)
        place = Cursor(pk, index, prefix, descending=descending)
        start = {"ExclusiveStartKey": encode_item(place.read(cursor))} if cursor is not None else {}
        if span.empty:
            return Page(())
        expression = Expression()
        condition = f"{expression.name(f'{index}pk' if index else 'pk')} = {expression.value(pk)}"
        if within := span.condition(expression, f"{index}sk" if index else "sk"):
            condition += f" AND {within}"
        where = {"IndexName": INDEX_NAMES[index]} if index else {"ConsistentRead": True}
        try:
            # One more than asked for tells a last page that is just full from one that is followed by another.
            answer = self._calls.call(
                self._client.query,
                Repeat.READ,
                TableName=self._name,
                KeyConditionExpression=condition,
                ScanIndexForward=not descending,
                Limit=limit + 1,
                **where,
                **start,
                **expression.placeholders(),
            )
        except ValueError as error:
            raise place.foreign() if start and "starting key" in str(error).lower() else error from None
        return _page(answer, place, limit)

    def put(self, item: Item, when: Condition | None = None, *, relaxed: bool = False) -> None:
        self._write(self._client.put_item, Repeat.SAME, self._put(Put(item, when)))

    def put_many(self, items: Sequence[Item], *, relaxed: bool = False) -> None:
        for item in items:
            check_item(item)
        check_distinct([Key(item["pk"], item["sk"]) for item in items])
        try:
            for some in _chunks(items, _MOST_WRITTEN):
                wanted = {self._name: [{"PutRequest": {"Item": encode_item(item)}} for item in some]}
                for _ in self._batches(self._client.batch_write_item, Repeat.SAME, wanted, "UnprocessedItems"):
                    pass
        except Unavailable as error:
            raise OutcomeUnknown("the table took a part of the items; try again") from error
        finally:
            self._touched()

    def update(self, change: Update, *, relaxed: bool = False) -> Item:
        repeat = Repeat.NEVER if change.add else Repeat.SAME
        answer = self._write(self._client.update_item, repeat, self._update(change) | {"ReturnValues": "ALL_NEW"})
        return decode_item(answer["Attributes"])

    def delete(self, key: Key, when: Condition | None = None, *, relaxed: bool = False) -> None:
        self._write(self._client.delete_item, Repeat.SAME, self._delete(Delete(key, when)))

    def transact(self, writes: Sequence[Write], *, relaxed: bool = False) -> None:
        transacted = [self._transacted(write) for write in writes]
        check_transaction(writes)
        try:
            self._calls.call(
                self._client.transact_write_items,
                Repeat.TOKEN,
                TransactItems=transacted,
                ClientRequestToken=new_id(),
            )
        except ClientError as error:
            failed = {
                position: decode_item(reason["Item"]) if reason.get("Item") else None
                for position, reason in enumerate(reasons_of(error))
                if reason.get("Code") == "ConditionalCheckFailed"
            }
            raise TransactionCancelled(failed) from None
        finally:
            self._touched()

    def epoch(self) -> object:
        return int(self._monotonic() / _STALE_S), self._written

    def _touched(self) -> None:
        # Threads may store their numbers out of order; none is ever stored twice, and that is what counts.
        self._written = next(self._counter)

    def _write(self, operation: Any, repeat: Repeat, arguments: dict[str, Any]) -> Any:
        try:
            return self._calls.call(operation, repeat, **arguments)
        except ClientError as error:
            there = error.response.get("Item")
            raise ConditionFailed(decode_item(there) if there else None) from None  # type: ignore[arg-type]
        finally:
            self._touched()

    def _batches(self, operation: Any, repeat: Repeat, wanted: Any, left_out: str) -> Iterator[Any]:
        """The answers to one batch, repeated with what the table left out. Raises Unavailable after the last try."""
        for pause_s in self._calls.pauses():
            answer = self._calls.call(operation, repeat, RequestItems=wanted)
            yield answer
            wanted = answer.get(left_out)
            if not wanted:
                return
            self._calls.rest(pause_s)
        raise Unavailable("the table is busy; try again")

    def _transacted(self, write: Write) -> dict[str, Any]:
        if isinstance(write, Put):
            return {"Put": self._put(write)}
        if isinstance(write, Update):
            return {"Update": self._update(write)}
        if isinstance(write, Delete):
            return {"Delete": self._delete(write)}
        return {"ConditionCheck": self._check(write)}

    def _put(self, write: Put) -> dict[str, Any]:
        check_item(write.item)
        return {"Item": encode_item(write.item)} | self._conditional(Expression(), write.when)

    def _update(self, write: Update) -> dict[str, Any]:
        expression = Expression()
        change = expression.change(write)
        arguments = {"UpdateExpression": change} if change else {}
        return {"Key": _key(write.key)} | arguments | self._conditional(expression, write.when)

    def _delete(self, write: Delete) -> dict[str, Any]:
        return {"Key": _key(write.key)} | self._conditional(Expression(), write.when)

    def _check(self, write: Check) -> dict[str, Any]:
        return {"Key": _key(write.key)} | self._conditional(Expression(), write.when)

    def _conditional(self, expression: Expression, when: Condition | None) -> dict[str, Any]:
        arguments: dict[str, Any] = {"TableName": self._name}
        if when is not None:
            arguments["ConditionExpression"] = expression.condition(when)
            arguments["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return arguments | expression.placeholders()


def _key(key: Key) -> dict[str, Any]:
    check_key(key)
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _chunks(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (things[start : start + size] for start in range(0, len(things), size))


def _check_query(pk: str, limit: int, *, bounded: bool) -> None:
    """bounded   by `until` where the contract knows no such bound"""
    if not pk or not 1 <= limit <= _MOST_ITEMS:
        raise ValueError(f"a query names its partition and asks for 1–{_MOST_ITEMS} items")
    if bounded:
        raise ValueError("until goes with ascending queries without a prefix")


def _page(answer: Any, place: Cursor, limit: int) -> Page[Item]:
    items = tuple(decode_item(attributes) for attributes in answer["Items"])
    if len(items) > limit:
        items = items[:limit]
        return Page(items, place.write(items[-1]))
    ended = answer.get("LastEvaluatedKey")
    return Page(items, place.write(decode_item(ended)) if ended else None)
