"""Calls of the table whose answer is lost, refused, or late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from chalicelib.kernel.errors import Unavailable
from chalicelib.ports.aws.calls import ATTEMPTS, Calls
from chalicelib.ports.aws.clients import Clients
from chalicelib.ports.aws.table import DynamoTable
from chalicelib.ports.table import (
    ConditionFailed,
    Delete,
    Key,
    OutcomeUnknown,
    Put,
    TransactionCancelled,
    Update,
    absent,
    equals,
    present,
)

from .conftest import Faults

KEY = Key("p", "s")
ITEM = {"pk": "p", "sk": "s", "version": 1}
TIMEOUT = ReadTimeoutError(endpoint_url="https://table")
UNREACHABLE = EndpointConnectionError(endpoint_url="https://table")


def test_a_conditional_put_that_took_effect_unseen_is_not_called_a_failure(table: DynamoTable, faults: Faults) -> None:
    faults.after("dynamodb.PutItem", TIMEOUT)
    with pytest.raises(OutcomeUnknown):
        table.put(ITEM, absent())
    assert table.get(KEY) == ITEM


def test_a_conditional_delete_that_took_effect_unseen_is_not_called_a_failure(
    table: DynamoTable, faults: Faults
) -> None:
    table.put(ITEM)
    faults.after("dynamodb.DeleteItem", TIMEOUT)
    with pytest.raises(OutcomeUnknown):
        table.delete(KEY, present())
    assert table.get(KEY) is None


def test_a_swap_that_took_effect_unseen_is_not_called_a_failure(table: DynamoTable, faults: Faults) -> None:
    table.put(ITEM)
    faults.after("dynamodb.UpdateItem", TIMEOUT)
    with pytest.raises(OutcomeUnknown):
        table.update(Update(KEY, set={"version": 2}, when=equals("version", 1)))
    assert table.get(KEY) == ITEM | {"version": 2}


def test_a_condition_that_fails_at_once_is_a_failure(table: DynamoTable) -> None:
    table.put(ITEM)
    with pytest.raises(ConditionFailed) as failure:
        table.put({"pk": "p", "sk": "s"}, absent())
    assert failure.value.item == ITEM


def test_a_condition_that_fails_after_the_service_was_out_of_reach_is_a_failure(
    table: DynamoTable, faults: Faults
) -> None:
    table.put(ITEM)
    faults.before("dynamodb.PutItem", UNREACHABLE, times=2)
    with pytest.raises(ConditionFailed):
        table.put(ITEM, absent())


@pytest.mark.parametrize("error", [UNREACHABLE, ConnectTimeoutError(endpoint_url="https://table")])
def test_a_conditional_put_that_never_left_is_sent_again(table: DynamoTable, faults: Faults, error: Exception) -> None:
    faults.before("dynamodb.PutItem", error, times=ATTEMPTS - 1)
    table.put(ITEM, absent())
    assert table.get(KEY) == ITEM


def test_a_put_without_condition_is_sent_again_after_a_lost_answer(table: DynamoTable, faults: Faults) -> None:
    faults.after("dynamodb.PutItem", TIMEOUT)
    table.put(ITEM)
    assert table.get(KEY) == ITEM


def test_a_count_is_never_sent_twice(table: DynamoTable, faults: Faults) -> None:
    faults.after("dynamodb.UpdateItem", TIMEOUT)
    with pytest.raises(OutcomeUnknown):
        table.update(Update(KEY, add={"used": 1}))
    assert table.get(KEY) == {"pk": "p", "sk": "s", "used": 1}


def test_a_server_error_leaves_the_outcome_of_a_count_unknown(table: DynamoTable, faults: Faults) -> None:
    faults.refuse("dynamodb.UpdateItem", 500, "InternalServerError")
    with pytest.raises(OutcomeUnknown):
        table.update(Update(KEY, add={"used": 1}))


@pytest.mark.parametrize("kind", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_a_throttled_count_is_sent_again(table: DynamoTable, faults: Faults, kind: str) -> None:
    faults.refuse("dynamodb.UpdateItem", 400, kind, times=2)
    assert table.update(Update(KEY, add={"used": 1}))["used"] == 1


def test_throttling_without_end_is_unavailability_and_no_doubt(table: DynamoTable, faults: Faults) -> None:
    faults.refuse("dynamodb.PutItem", 400, "ThrottlingException", times=ATTEMPTS)
    with pytest.raises(Unavailable) as failure:
        table.put(ITEM, absent())
    assert not isinstance(failure.value, OutcomeUnknown)
    assert table.get(KEY) is None


def test_timeouts_without_end_leave_a_write_in_doubt_and_a_read_unavailable(table: DynamoTable, faults: Faults) -> None:
    faults.before("dynamodb.PutItem", TIMEOUT, times=ATTEMPTS)
    faults.before("dynamodb.GetItem", TIMEOUT, times=ATTEMPTS)
    with pytest.raises(OutcomeUnknown):
        table.put(ITEM)
    with pytest.raises(Unavailable) as failure:
        table.get(KEY)
    assert not isinstance(failure.value, OutcomeUnknown)


def test_no_permission_is_told_at_once(table: DynamoTable, faults: Faults) -> None:
    faults.refuse("dynamodb.GetItem", 400, "AccessDeniedException")
    with pytest.raises(Unavailable):
        table.get(KEY)


def test_one_token_goes_with_every_try_of_a_transaction_and_another_with_the_next(
    table: DynamoTable, faults: Faults
) -> None:
    tokens: list[str] = []
    faults.watch(
        "provide-client-params.dynamodb.TransactWriteItems",
        lambda params, **_: tokens.append(params["ClientRequestToken"]),
    )
    faults.before("dynamodb.TransactWriteItems", TIMEOUT, times=2)
    table.transact([Put(ITEM)])
    table.transact([Put(ITEM)])
    assert len(tokens) == 4
    assert len(set(tokens[:3])) == 1
    assert tokens[3] != tokens[0]


def test_a_process_frozen_in_the_middle_of_a_transaction_does_not_try_again(clients: Clients, faults: Faults) -> None:
    """The token of the first try may be forgotten by then, and the same writes would count twice."""
    now = 0.0

    def freeze(_: float) -> None:
        nonlocal now
        now += 15 * 60

    table = DynamoTable(clients.dynamodb, "crs", Calls(sleep=freeze, monotonic=lambda: now))
    table.put({"pk": "p", "sk": "s", "used": 0})
    faults.after("dynamodb.TransactWriteItems", TIMEOUT)
    with pytest.raises(OutcomeUnknown):
        table.transact([Update(KEY, add={"used": 1})])
    assert table.get(KEY) == {"pk": "p", "sk": "s", "used": 1}


def cancelled(*codes: str) -> dict[str, Any]:
    """The answer that tells, write for write, why."""
    code = "TransactionCanceledException"
    reasons = [{"Code": reason} for reason in codes]
    return {"Error": {"Code": code, "Message": code}, "CancellationReasons": reasons}


def test_a_transaction_in_conflict_is_sent_again(table: DynamoTable, faults: Faults) -> None:
    faults.answer("dynamodb.TransactWriteItems", 400, cancelled("None", "TransactionConflict"), times=2)
    table.transact([Put(ITEM), Delete(Key("p", "other"))])
    assert table.get(KEY) == ITEM


def test_conflict_without_end_is_unavailability_and_no_doubt(table: DynamoTable, faults: Faults) -> None:
    faults.answer("dynamodb.TransactWriteItems", 400, cancelled("TransactionConflict"), times=ATTEMPTS)
    with pytest.raises(Unavailable) as failure:
        table.transact([Put(ITEM)])
    assert not isinstance(failure.value, OutcomeUnknown)


def test_a_failed_condition_counts_more_than_a_conflict_beside_it(table: DynamoTable, faults: Faults) -> None:
    faults.answer(
        "dynamodb.TransactWriteItems", 400, cancelled("TransactionConflict", "ConditionalCheckFailed"), times=1
    )
    with pytest.raises(TransactionCancelled) as failure:
        table.transact([Put(ITEM), Delete(Key("p", "other"), present())])
    assert failure.value.failed == {1: None}


def test_a_transaction_still_under_way_is_asked_for_again(table: DynamoTable, faults: Faults) -> None:
    faults.refuse("dynamodb.TransactWriteItems", 400, "TransactionInProgressException", times=2)
    table.transact([Put(ITEM)])
    assert table.get(KEY) == ITEM


@pytest.mark.parametrize(
    "write", [lambda table: table.put(ITEM), lambda table: table.transact([Put(ITEM)]), lambda table: table.delete(KEY)]
)
def test_every_write_changes_the_epoch_even_one_in_doubt(
    table: DynamoTable, faults: Faults, write: Callable[[DynamoTable], None]
) -> None:
    for operation in ("PutItem", "TransactWriteItems", "DeleteItem"):
        faults.before(f"dynamodb.{operation}", TIMEOUT, times=ATTEMPTS)
    before = table.epoch()
    with pytest.raises(OutcomeUnknown):
        write(table)
    assert table.epoch() != before


def test_reading_leaves_the_writes_of_the_epoch_alone(table: DynamoTable) -> None:
    table.put(ITEM)
    before = table.epoch()
    table.get(KEY)
    table.query("p")
    assert isinstance(before, tuple)
    assert table.epoch()[1:] == before[1:]  # type: ignore[index] # the rest is the time


def test_keys_that_a_batch_left_out_are_asked_for_again(table: DynamoTable, faults: Faults) -> None:
    table.put(ITEM)
    left_out = {"UnprocessedKeys": {"crs": {"Keys": [{"pk": {"S": "p"}, "sk": {"S": "s"}}], "ConsistentRead": True}}}
    faults.answer("dynamodb.BatchGetItem", 200, ({"Responses": {}} | left_out), times=3)
    assert table.get_many([KEY]) == {KEY: ITEM}


def test_items_that_a_batch_left_out_are_written_again(table: DynamoTable, faults: Faults) -> None:
    left_out = {"crs": [{"PutRequest": {"Item": {"pk": {"S": "p"}, "sk": {"S": "s"}}}}]}
    faults.answer("dynamodb.BatchWriteItem", 200, ({"UnprocessedItems": left_out}), times=3)
    table.put_many([{"pk": "p", "sk": "s"}])
    assert table.get(KEY) == {"pk": "p", "sk": "s"}


def test_a_batch_left_out_without_end_is_an_error_and_never_a_short_answer(table: DynamoTable, faults: Faults) -> None:
    keys = {"UnprocessedKeys": {"crs": {"Keys": [{"pk": {"S": "p"}, "sk": {"S": "s"}}]}}}
    items = {"UnprocessedItems": {"crs": [{"PutRequest": {"Item": {"pk": {"S": "p"}, "sk": {"S": "s"}}}}]}}
    faults.answer("dynamodb.BatchGetItem", 200, ({"Responses": {}} | keys), times=ATTEMPTS)
    faults.answer("dynamodb.BatchWriteItem", 200, (items), times=ATTEMPTS)
    with pytest.raises(Unavailable):
        table.get_many([KEY])
    with pytest.raises(OutcomeUnknown):
        table.put_many([{"pk": "p", "sk": "s"}])


def test_an_empty_page_with_a_cursor_is_not_the_last(table: DynamoTable, faults: Faults) -> None:
    table.put(ITEM)
    place = {"pk": {"S": "p"}, "sk": {"S": "a"}}
    faults.answer("dynamodb.Query", 200, ({"Items": [], "LastEvaluatedKey": place}))
    page = table.query("p")
    assert page.items == ()
    assert table.query("p", cursor=page.next).items == (ITEM,)
    assert page.next is not None
