"""What `crs audit` does with the audit records of instances, accounts and the service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from chalicelib.accounts.models import Account
from chalicelib.accounts.service import Accounts
from chalicelib.audit.export import csv_head, csv_line, json_line
from chalicelib.audit.models import SERVICE, Filter, Verdict
from chalicelib.audit.service import Audit
from chalicelib.instances.models import Instance
from chalicelib.instances.service import DEFAULT_ACCOUNT, Instances
from chalicelib.ports.stack import Stack

_PAGE = 200
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose record: its key, since when it can hold anything, and what people call it."""

    key: str
    since: datetime
    title: str


def verdicts(
    stack: Stack, account_id: str | None, instance_name: str | None, known: str
) -> Iterator[tuple[str, Verdict]]:
    """Titles, and what was found. Raises NotFound."""
    for scope in _scopes(stack, account_id, instance_name):
        yield scope.title, Audit(stack).verify(scope.key, scope.since, known)


def export_record(
    stack: Stack, account_id: str | None, instance_name: str | None, keyword: str, kind: str
) -> Iterator[str]:
    """Pieces of text. Raises NotFound."""
    named = account_id is not None or instance_name is not None
    key = _scopes(stack, account_id, instance_name)[0].key if named else SERVICE
    if kind == "csv":
        yield csv_head()
    yield from _pieces(stack, key, keyword, kind)


def _pieces(stack: Stack, scope: str, keyword: str, kind: str) -> Iterator[str]:
    cursor = None
    line = csv_line if kind == "csv" else json_line
    while True:
        page = Audit(stack).export(scope, Filter(keyword=keyword), cursor, _PIECE_BYTES, line)
        yield "".join(page.items)
        cursor = page.next
        if cursor is None:
            return


def _scopes(stack: Stack, account_id: str | None, instance_name: str | None) -> list[Scope]:
    """Raises NotFound."""
    if instance_name is not None:
        return [_of_instance(Instances(stack).named(account_id or DEFAULT_ACCOUNT, instance_name))]
    if account_id is not None:
        return [_of_account(Accounts(stack).get(account_id))]
    accounts = [_of_account(account) for account in _every_account(stack)]
    instances = [_of_instance(one) for one in Instances(stack).every() if one.edition == "enterprise"]
    began = min((scope.since for scope in accounts), default=stack.clock.now())
    return [Scope(SERVICE, began, "service"), *accounts, *instances]


def _every_account(stack: Stack) -> Iterator[Account]:
    cursor = None
    while True:
        page = Accounts(stack).page(cursor, _PAGE)
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def _of_account(account: Account) -> Scope:
    return Scope(account.id, account.created_at, f"account {account.id}")


def _of_instance(instance: Instance) -> Scope:
    return Scope(instance.id, instance.created_at, f"instance {instance.name} of {instance.account_id}")
