"""Rows of migrations."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from chalicelib.identity.sealing import seal, unseal
from chalicelib.kernel.errors import Conflict, Invalid
from chalicelib.ports import migration_keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Put, Table
from chalicelib.tasks.models import Task

from .models import Order, Wanted

# As long as tasks are.
ORDERS_KEPT: Final = timedelta(days=90)
# For a retry; then whoever wants one says them anew.
LOGINS_KEPT: Final = timedelta(days=7)
# Of a row in DynamoDB, which takes 400 KB.
_LARGEST: Final = 300_000


def order_put(order: Order, task: Task) -> Put:
    """Raises Invalid where it is too much for one task."""
    row = {"order": zlib.compress(order.model_dump_json().encode())}
    if len(row["order"]) > _LARGEST:
        raise Invalid("images", "is too much for one migration; divide it into several")
    expires = int((order.created_at + ORDERS_KEPT).timestamp())
    return Put({**migration_keys.order(task.instance_id, task.id)._asdict(), **row, "expires": expires})


def logins_put(stack: Stack, logins: Mapping[str, Any], task: Task) -> Put:
    key = migration_keys.logins(task.instance_id, task.id)
    sealed = seal(stack, json.dumps(logins), key.sk)
    if len(sealed) > _LARGEST:
        raise Invalid("auth", "is too much for one migration; divide it into several")
    until = int((stack.clock.now() + LOGINS_KEPT).timestamp())
    return Put({**key._asdict(), "sealed": sealed, "expires": until})


def order(table: Table, task: Task) -> Order:
    """Raises Conflict where it is gone."""
    row = table.get(migration_keys.order(task.instance_id, task.id))
    if row is None:
        raise Conflict("what this migration was told is gone; start it anew")
    return Order.model_validate_json(zlib.decompress(row["order"]))


def logins(stack: Stack, task: Task) -> dict[str, Any]:
    """Raises Conflict where they were kept too long."""
    key = migration_keys.logins(task.instance_id, task.id)
    row = stack.table.get(key)
    if row is None or row["expires"] < stack.clock.now().timestamp():
        raise Conflict("its logins are kept for a week; start it anew: what arrived is not moved again")
    found: dict[str, Any] = json.loads(unseal(stack, row["sealed"], key.sk))
    return found


def forget_logins(table: Table, task: Task) -> None:
    table.delete(migration_keys.logins(task.instance_id, task.id))


def note_failed(table: Table, task: Task, wanted: Wanted, expires: int) -> None:
    key = migration_keys.failed(task.instance_id, task.id, wanted.id)
    table.put({**key._asdict(), **wanted.model_dump(), "expires": expires}, relaxed=True)


def forget_failed(table: Table, task: Task, wanted: Wanted) -> None:
    table.delete(migration_keys.failed(task.instance_id, task.id, wanted.id), relaxed=True)


def failed(table: Table, task: Task, after: str, limit: int) -> Sequence[Wanted]:
    """In the order of their ids, behind one."""
    prefix = migration_keys.failed(task.instance_id, task.id, "")
    begins = migration_keys.failed(task.instance_id, task.id, after).sk if after else None
    page = table.query(prefix.pk, prefix=prefix.sk, after=begins, limit=limit)
    return [Wanted.model_validate(row) for row in page.items]
