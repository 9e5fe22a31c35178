"""`crs account` and `crs user`: what an operator types for accounts and their people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chalicelib.accounts.service import Accounts
from chalicelib.cli.commands import crs
from chalicelib.host.first_start import PASSWORD_FILE, first_start
from chalicelib.kernel.errors import Unauthenticated
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import open_stack
from tests.management import ADDRESS, PASSWORD

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder after its first start."""
    with open_stack(Settings(data=tmp_path / "data")) as stack:
        first_start(stack)
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Run:
    def call(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(crs, arguments, input=stdin, env={"CRS_DATA": str(data)})

    return call


def signed_in(data: Path, account: str, username: str, password: str) -> Principal:
    with open_stack(Settings(data=data)) as stack:
        return Accounts(stack).sign_in(account, username, password, ADDRESS).principal


def test_account_is_made_with_its_first_owner(run: Run, data: Path) -> None:
    """G5."""
    result = run("account", "create", "acme", "--owner", "ann", "--password-stdin", stdin=PASSWORD + "\n")
    assert result.output == "account acme is there, with owner ann\n"
    assert (signed_in(data, "acme", "ann", PASSWORD).role, signed_in(data, "acme", "ann", PASSWORD).operator) == (
        "owner",
        False,
    )
    assert run("account", "list").output == "acme  running  1\ndefault  running  1\n"


def test_password_that_nobody_gave_is_generated_and_told(run: Run, data: Path) -> None:
    password = run("account", "create", "acme", "--owner", "ann").output.rpartition(": ")[2].strip()
    assert len(password) >= 32
    assert signed_in(data, "acme", "ann", password).account_id == "acme"


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (("account", "create", "default", "--owner", "ann"), "", "exists already"),
        (("account", "create", "No", "--owner", "-x"), "", "'No' cannot be the name of an account"),
        (("account", "create", "acme", "--owner", "ann", "--password-stdin"), "password1234\n", "commonest words"),
        (("user", "create", "admin", "--role", "reader"), "", "exists already"),
        (("user", "create", "ann", "--role", "reader", "--account", "nowhere"), "", "no such account"),
        (("user", "list", "--account", "nowhere"), "", "no such account"),
        (("user", "reset-password", "nobody"), "", "no such user"),
    ],
)
def test_what_cannot_be_is_refused_in_words(run: Run, arguments: tuple[str, ...], stdin: str, says: str) -> None:
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output


def test_users_are_made_and_listed(run: Run, data: Path) -> None:
    """G5."""
    assert run("user", "create", "ann", "--role", "developer", "--operator").exit_code == 0
    assert run("user", "list").output == "admin  owner  operator\nann  developer  operator\n"


def test_reset_password_ends_the_old_one(run: Run, data: Path) -> None:
    """G5."""
    run("user", "create", "ann", "--role", "reader", "--password-stdin", stdin=PASSWORD + "\n")
    new = run("user", "reset-password", "ann").output.rpartition(": ")[2].strip()
    assert signed_in(data, "default", "ann", new).name == "ann"
    with pytest.raises(Unauthenticated):
        signed_in(data, "default", "ann", PASSWORD)


def test_admins_reset_password_is_that_of_the_account_too(run: Run, data: Path) -> None:
    """G3, G5."""
    old = (data / PASSWORD_FILE).read_text().strip()
    new = run("admin", "reset-password").output.rpartition(": ")[2].strip()
    assert signed_in(data, "default", "admin", new).operator
    with pytest.raises(Unauthenticated):
        signed_in(data, "default", "admin", old)
