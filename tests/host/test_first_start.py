"""The first start makes what API.md promises, whatever interrupts it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chalicelib.access.service import Access
from chalicelib.accounts.service import Accounts
from chalicelib.credentials.service import Credentials
from chalicelib.host.first_start import MARKER, PASSWORD_FILE, first_start, generated_password
from chalicelib.host.welcome import welcome
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound, Unauthenticated
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from tests.stacks import embedded_stack


def test_first_start_makes_instance_allowlist_credential_and_namespace(tmp_path: Path) -> None:
    """I1, N1, G2, G3."""
    with embedded_stack(tmp_path) as stack:
        start = first_start(stack)
        assert start.fresh
        instance = Instances(stack).named("default", "default")
        assert (instance.edition, instance.namespace_limit, instance.repository_limit) == ("enterprise", 15, 1000)
        assert (instance.expires_at, instance.bucket) == (None, stack.settings.bucket)
        assert [entry.cidr for entry in Access(stack).entries(instance)] == ["127.0.0.1/32"]
        library = Namespaces(stack).get(instance.id, "library")
        assert (library.auto_create_repository, library.default_visibility) == (True, "private")
        assert start.password_file is not None
        password = start.password_file.read_text().strip()
        assert len(password) >= 24
        assert Credentials(stack).basic(instance, "admin", password, "127.0.0.1").name == "admin"
        told = welcome(stack, start)
        assert password in told
        assert "http://127.0.0.1:5000/console/, where you sign in with account default" in told


def test_first_start_makes_an_account_whose_owner_operates_the_service(tmp_path: Path) -> None:
    """G5. The user has the registry credential's password."""
    with embedded_stack(tmp_path) as stack:
        start = first_start(stack)
        assert start.password_file is not None
        password = start.password_file.read_text().strip()
        signed_in = Accounts(stack).sign_in("default", "admin", password, "127.0.0.1")
        assert (signed_in.role, signed_in.principal.operator) == ("owner", True)
        assert Accounts(stack).get("default").owners == 1


def test_folder_from_before_there_were_accounts_gets_one_with_the_same_password(tmp_path: Path) -> None:
    """G5."""
    with embedded_stack(tmp_path, admin_password="a-password-of-my-own-1") as stack:
        first_start(stack)
        for key in (keys.account("default"), keys.listed_account("default"), keys.user("default", "admin")):
            stack.table.delete(key)
    with embedded_stack(tmp_path) as stack:
        assert not first_start(stack).fresh
        accounts = Accounts(stack)
        assert accounts.sign_in("default", "admin", "a-password-of-my-own-1", "127.0.0.1").principal.operator
        before = accounts.users.get("default", "admin")
        first_start(stack)
        assert accounts.users.get("default", "admin") == before


def test_older_folder_without_its_credential_gets_a_password_that_is_kept(tmp_path: Path) -> None:
    """G5."""
    with embedded_stack(tmp_path, admin_password="a-password-of-my-own-1") as stack:
        instance = first_start(stack).instance
        gone = (keys.account("default"), keys.user("default", "admin"), keys.credential(instance.id, "admin"))
        for key in gone:
            stack.table.delete(key)
        start = first_start(stack)
        assert start.password_file is not None
        password = start.password_file.read_text().strip()
        assert Accounts(stack).sign_in("default", "admin", password, "127.0.0.1")


def test_generated_password_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    with embedded_stack(tmp_path) as stack:
        first_start(stack)
        path = stack.settings.data / PASSWORD_FILE
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_given_password_holds_and_is_written_nowhere(tmp_path: Path) -> None:
    with embedded_stack(tmp_path, admin_password="a-password-of-my-own-1") as stack:
        start = first_start(stack)
        assert start.password_file is None
        assert "a-password-of-my-own-1" not in welcome(stack, start)
        assert Credentials(stack).basic(start.instance, "admin", "a-password-of-my-own-1", "127.0.0.1")


def test_an_instance_that_people_deleted_stays_deleted(tmp_path: Path) -> None:
    """I6."""
    with embedded_stack(tmp_path) as stack:
        instance = first_start(stack).instance
        Instances(stack).forget(Instances(stack).change(instance, state="releasing"))
    with embedded_stack(tmp_path) as stack:
        again = first_start(stack)
        assert (again.fresh, Instances(stack).every()) == (False, [])
        assert "was deleted" in welcome(stack, again)


def test_second_start_changes_nothing_and_prints_no_password(tmp_path: Path) -> None:
    with embedded_stack(tmp_path) as stack:
        first = first_start(stack)
        second = first_start(stack)
        assert (second.fresh, second.instance) == (False, first.instance)
        assert first.password_file is not None
        assert first.password_file.read_text().strip() not in welcome(stack, second)


def test_start_interrupted_before_its_end_is_finished_by_the_next(tmp_path: Path) -> None:
    """The password the next start tells is the one that holds, even when it is another than before."""
    with embedded_stack(tmp_path) as stack:
        first = first_start(stack)
        before = generated_password(stack.settings.data)
        (stack.settings.data / MARKER).unlink()
    with embedded_stack(tmp_path, admin_password="another-password-22") as stack:
        again = first_start(stack)
        assert again.instance == first.instance
        credentials = Credentials(stack)
        assert credentials.basic(again.instance, "admin", "another-password-22", "127.0.0.1")
        with pytest.raises(Unauthenticated):
            credentials.basic(again.instance, "admin", before, "127.0.0.1")
        accounts = Accounts(stack)
        assert accounts.sign_in("default", "admin", "another-password-22", "127.0.0.1")
        with pytest.raises(Unauthenticated):
            accounts.sign_in("default", "admin", before, "127.0.0.1")


def test_what_an_operator_deleted_is_not_made_again(tmp_path: Path) -> None:
    with embedded_stack(tmp_path) as stack:
        instance = first_start(stack).instance
        stack.table.delete(keys.namespace(instance.id, "library"))
        first_start(stack)
        with pytest.raises(NotFound):
            Namespaces(stack).get(instance.id, "library")
