"""Stacks for tests: real ports on a folder of the test's own, and a clock that moves when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from chalicelib.instances.models import Edition, Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.moment import Clock
from chalicelib.kernel.settings import Settings
from chalicelib.namespaces.models import Namespace, NewNamespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack, open_stack
from chalicelib.ports.table import Table, Write

BUCKET = "bucket"


class FrozenClock:
    """Stands still until `advance`."""

    def __init__(self, now: datetime = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def embedded_stack(folder: Path, clock: Clock | None = None, **settings: Any) -> Stack:
    """The stack of one machine in the folder. Close it, best by `with`. settings: as `Settings` has them.

    Opened twice on one folder, it stands for two processes on one machine.
    """
    wanted = {"data": folder / "data", "bucket": BUCKET, **settings}
    return open_stack(Settings.model_validate(wanted), clock or FrozenClock())


class TableWith:
    """A table that does something of its own before a transaction, such as what a quicker rival would do."""

    def __init__(self, table: Table, before_transact: Callable[[], None]) -> None:
        self._table = table
        self._before_transact = before_transact

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def transact(self, writes: Sequence[Write], *, relaxed: bool = False) -> None:
        self._before_transact()
        self._table.transact(writes, relaxed=relaxed)


def with_table(stack: Stack, table: object) -> Stack:
    """The same stack on another table, remembering nothing."""
    return replace(stack, table=cast(Table, table))


def make_instance(stack: Stack, name: str = "ci", edition: Edition = "enterprise", **more: Any) -> Instance:
    return Instances(stack).create(
        **{"name": name, "edition": edition, "bucket": BUCKET, "account_id": "default", **more}
    )


def make_namespace(stack: Stack, instance: Instance, name: str = "library", **more: Any) -> Namespace:
    new = NewNamespace.model_validate({"name": name, "auto_create_repository": True, **more})
    return Namespaces(stack).create(instance, new)
