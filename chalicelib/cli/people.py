"""`crs account` and `crs user`: the operator's own tools for accounts and their people, on one machine and on AWS."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

import click

from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.paging import Page
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack

from .settings import opened_stack

if TYPE_CHECKING:
    from chalicelib.accounts.service import Accounts

T = TypeVar("T")

# The first start's account.
_DEFAULT: Final = "default"
# 24 bytes are 32 characters and 192 bits.
_PASSWORD_BYTES: Final = 24
_OPERATOR_HELP: Final = "May make accounts: runs this service."
_STDIN_HELP: Final = "Read the password from stdin; otherwise one is generated and printed."


def password_from_stdin(wanted: bool) -> str | None:
    return sys.stdin.readline().rstrip("\r\n") if wanted else None


@click.group()
def account() -> None:
    """Accounts of this service."""


@account.command("create")
@click.argument("name")
@click.option("--owner", required=True, help="User name of its first owner.")
@click.option("--operator", is_flag=True, help=_OPERATOR_HELP)
@click.option("--password-stdin", is_flag=True, help=_STDIN_HELP)
def account_create(name: str, owner: str, operator: bool, password_stdin: bool) -> None:
    """Make an account and its first owner."""
    _require(account=name, owner=owner)
    with opened_stack() as stack:
        given = password_from_stdin(password_stdin)
        password = _password(given)
        _accounts(stack).open(name, owner, password, operator=operator)
    click.echo(f"account {name} is there, with owner {owner}" + _told(given, password))


@account.command("list")
def account_list() -> None:
    """Every account: name, state, number of owners."""
    with opened_stack() as stack:
        for one in _pages(_accounts(stack).page):
            click.echo(f"{one.id}  {one.state}  {one.owners}")


@click.group()
def user() -> None:
    """Users of an account."""


@user.command("create")
@click.argument("name")
@click.option("--account", "account_name", default=_DEFAULT, show_default=True)
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--operator", is_flag=True, help=_OPERATOR_HELP)
@click.option("--password-stdin", is_flag=True, help=_STDIN_HELP)
def user_create(name: str, account_name: str, role: str, operator: bool, password_stdin: bool) -> None:
    """Make a user of an account."""
    _require(user=name)
    with opened_stack() as stack:
        given = password_from_stdin(password_stdin)
        password = _password(given)
        _accounts(stack).create_user(account_name, name, password, Role(role), operator=operator)
    click.echo(f"user {name} of account {account_name} is there" + _told(given, password))


@user.command("list")
@click.option("--account", "account_name", default=_DEFAULT, show_default=True)
def user_list(account_name: str) -> None:
    """The users of an account: name, role, and `operator` where they run the service."""
    with opened_stack() as stack:
        accounts = _accounts(stack)
        accounts.get(account_name)
        for one in _pages(lambda cursor, limit: accounts.users.page(account_name, "", cursor, limit)):
            click.echo("  ".join([one.username, one.role, *(["operator"] if one.operator else [])]))


@user.command("reset-password")
@click.argument("name")
@click.option("--account", "account_name", default=_DEFAULT, show_default=True)
@click.option("--password-stdin", is_flag=True, help=_STDIN_HELP)
def user_reset_password(name: str, account_name: str, password_stdin: bool) -> None:
    """Give a user of an account a new password. Their sessions end at once."""
    with opened_stack() as stack:
        given = password_from_stdin(password_stdin)
        password = _password(given)
        _accounts(stack).users.set_password(account_name, name, password)
    click.echo(f"user {name} of account {account_name} has a new password" + _told(given, password))


def _password(given: str | None) -> str:
    return given if given is not None else secrets.token_urlsafe(_PASSWORD_BYTES)


def _told(given: str | None, password: str) -> str:
    """A password that somebody chose is not repeated on a terminal."""
    return "" if given is not None else f": {password}"


def _accounts(stack: Stack) -> Accounts:
    # Only now: other commands start without what this one loads.
    from chalicelib.accounts.service import Accounts

    return Accounts(stack)


def _require(account: str | None = None, **users: str) -> None:
    """Raises Invalid that names each argument that is no name."""
    from chalicelib.accounts.models import is_account_name, is_username

    bad = [(field, f"{text!r} cannot be a user name") for field, text in users.items() if not is_username(text)]
    if account is not None and not is_account_name(account):
        bad.append(("account", f"{account!r} cannot be the name of an account"))
    if bad:
        raise Invalid.many(bad)


def _pages(page: Callable[[str | None, int], Page[T]]) -> Iterator[T]:
    cursor: str | None = None
    while True:
        found = page(cursor, 100)
        yield from found.items
        cursor = found.next
        if cursor is None:
            return
