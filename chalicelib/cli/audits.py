"""`crs audit`: proving the audit record whole, and reading it as the operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import click

from chalicelib.accounts.models import Account
from chalicelib.accounts.service import Accounts
from chalicelib.audit.export import csv_head, csv_line, json_line
from chalicelib.audit.models import SERVICE, Filter
from chalicelib.audit.service import Audit
from chalicelib.instances.models import Instance
from chalicelib.instances.service import DEFAULT_ACCOUNT, Instances
from chalicelib.kernel.errors import Invalid
from chalicelib.ports.stack import Stack

from .settings import opened_stack

_PAGE = 200
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose record: its key, since when it can hold anything, and what people call it."""

    key: str
    since: datetime
    title: str


@click.group()
def audit() -> None:
    """Who did what: the audit record of instances, accounts and the service."""


@audit.command()
@click.option("--account", "account_id", default=None, help="Of this account alone, or where the instance is.")
@click.option("--instance", "instance_name", default=None, help="Of this instance alone.")
@click.option("--seal", "known", default="", help="A seal's hash from the log, which must be among the seals.")
def verify(account_id: str | None, instance_name: str | None, known: str) -> None:
    """Prove that no entry was edited, added or removed since it was sealed. Exits with 1 where one was."""
    if known and instance_name is None and account_id is None:
        raise Invalid("seal", "say whose seal it is: --account or --instance")
    wrong = 0
    with opened_stack() as stack:
        for scope in _scopes(stack, account_id, instance_name):
            verdict = Audit(stack).verify(scope.key, scope.since, known)
            if verdict.finding is not None:
                wrong += 1
                click.echo(f"TAMPERED  {scope.title}  {verdict.finding.minute}  {verdict.finding.what}")
                continue
            told = f"{verdict.entries} entries in {verdict.minutes} minutes are as sealed"
            later = f", {verdict.unsealed} not sealed yet" if verdict.unsealed else ""
            click.echo(f"whole  {scope.title}  {told}{later}" + (f"  last seal {verdict.last}" if verdict.last else ""))
    if wrong:
        raise SystemExit(1)


@audit.command()
@click.option("--account", "account_id", default=None, help="Of this account, or where the instance is.")
@click.option("--instance", "instance_name", default=None, help="Of this instance.")
@click.option("--keyword", default="", help="Only entries that hold this text.")
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
def export(account_id: str | None, instance_name: str | None, keyword: str, kind: str) -> None:
    """Print a record, newest first. Without --account and --instance: refusals of strangers that belong to nobody."""
    with opened_stack() as stack:
        if account_id is None and instance_name is None:
            key = SERVICE
        else:
            (scope,) = _scopes(stack, account_id, instance_name)[:1]
            key = scope.key
        if kind == "csv":
            click.echo(csv_head(), nl=False)
        for piece in _pieces(stack, key, keyword, kind):
            click.echo(piece, nl=False)


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
