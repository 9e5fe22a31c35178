"""Accounts on DynamoDB (moto in process): conditions and transactions hold there too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.accounts.service import Accounts
from chalicelib.kernel.errors import Conflict, Unauthenticated
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.management import ADDRESS, PASSWORD
from tests.ports_aws.adapters import open_moto_table
from tests.stacks import embedded_stack, with_table

OTHER_PASSWORD = "quite-another-horse-7"


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    with embedded_stack(tmp_path) as opened, open_moto_table(tmp_path) as table:
        stack: Stack = with_table(opened, table)
        rooms = Accounts(stack)
        rooms.open("acme", "ann", PASSWORD)
        yield rooms


def ann() -> Principal:
    return Principal("user", "ann", account_id="acme", role=Role.OWNER)


def test_the_last_owner_stays(accounts: Accounts) -> None:
    """G5."""
    with pytest.raises(Conflict):
        accounts.users.delete(ann(), "ann")
    accounts.create_user("acme", "bob", PASSWORD, Role.OWNER)
    accounts.users.delete(ann(), "ann")
    with pytest.raises(Conflict):
        accounts.users.change(ann(), "bob", Role.READER, None)
    assert [user.username for user in accounts.users.page("acme", "", None, 10).items] == ["bob"]


def test_sessions_and_keys_end_as_they_should(accounts: Accounts) -> None:
    """G5."""
    here, elsewhere = (accounts.sign_in("acme", "ann", PASSWORD, ADDRESS) for _ in range(2))
    made = accounts.create_access_key("acme", "ann")
    accounts.change_own_password(here.principal, here.token, PASSWORD, OTHER_PASSWORD, ADDRESS)
    assert accounts.authenticate(f"Bearer {here.token}", ADDRESS).name == "ann"
    with pytest.raises(Unauthenticated):
        accounts.authenticate(f"Bearer {elsewhere.token}", ADDRESS)
    assert accounts.by_access_key(made.key.id, made.secret, ADDRESS).account_id == "acme"
    accounts.set_state("acme", "suspended")
    for bearer in (here.token, f"{made.key.id}.{made.secret}"):
        with pytest.raises(Unauthenticated):
            accounts.authenticate(f"Bearer {bearer}", ADDRESS)


def test_names_are_taken_once_and_lists_have_pages(accounts: Accounts) -> None:
    """G5."""
    with pytest.raises(Conflict):
        accounts.open("acme", "eve", PASSWORD)
    accounts.open("globex", "ann", PASSWORD)
    first = accounts.page(None, 1)
    assert [one.id for one in (*first.items, *accounts.page(first.next, 1).items)] == ["acme", "globex"]
