"""What an operator types, on a data folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chalicelib.accounts.service import Accounts
from chalicelib.cli.commands import crs
from chalicelib.credentials.service import Credentials
from chalicelib.host.first_start import PASSWORD_FILE, first_start
from chalicelib.instances.buckets import Buckets
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Unauthenticated
from chalicelib.kernel.settings import Settings
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack, open_stack

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder after its first start."""
    with open_stack(Settings(data=tmp_path / "data")) as stack:
        first_start(stack)
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Run:
    def call(*arguments: str, stdin: str = "", **environment: str) -> Result:
        return CliRunner().invoke(crs, arguments, input=stdin, env={"CRS_DATA": str(data), **environment})

    return call


def opened(data: Path) -> Stack:
    return open_stack(Settings(data=data))


def test_fresh_folder_is_clean_and_has_nothing_due(run: Run) -> None:
    assert run("fsck").output == "clean\n"
    assert run("fsck", "--deep").exit_code == 0
    assert run("sweep").output == "nothing is due\n"


def test_fsck_exits_with_1_when_something_is_wrong(run: Run, data: Path) -> None:
    with opened(data) as stack:
        instance = Instances(stack).named("default", "default")
        blob = f"{instance.id}/blobs/AA/01J000000000000000000000AA"
        stack.objects(instance.bucket).put(blob, b"nobody knows me")
    result = run("fsck")
    assert result.exit_code == 1
    assert blob in result.output


def test_namespace_is_made_with_its_switches(run: Run, data: Path) -> None:
    """N1, R1."""
    made = run(
        "namespace", "create", "sparse", "--sparse-indexes", "--auto-create-repository", "--visibility", "public"
    )
    assert made.exit_code == 0, made.output
    with opened(data) as stack:
        namespace = Namespaces(stack).get(Instances(stack).named("default", "default").id, "sparse")
    assert (namespace.allow_sparse_indexes, namespace.auto_create_repository) == (True, True)
    assert namespace.default_visibility == "public"


def test_namespace_that_exists_or_is_misnamed_is_refused_in_one_line(run: Run) -> None:
    taken, misnamed = run("namespace", "create", "library"), run("namespace", "create", "Not-A-Name")
    assert (taken.exit_code, misnamed.exit_code) == (1, 1)
    assert taken.output == "Error: namespace library exists already\n"
    assert misnamed.output.startswith("Error: ")
    assert "Traceback" not in misnamed.output


def test_instance_list_shows_where_each_is_reached(run: Run) -> None:
    (line,) = run("instance", "list").output.splitlines()
    assert "enterprise" in line
    assert ".localhost:5000" in line


def test_bucket_is_made_and_a_bad_name_refused(run: Run, data: Path) -> None:
    assert run("bucket", "create", "team-a").exit_code == 0
    assert (data / "buckets" / "team-a").is_dir()
    assert run("bucket", "create", "../up").exit_code == 1


def test_a_bucket_is_of_one_account_and_the_services_own_is_nobodys(run: Run, data: Path) -> None:
    """I2."""
    assert run("bucket", "create", "team-a").exit_code == 0
    assert run("bucket", "create", "team-a").exit_code == 0
    missing = run("bucket", "create", "team-b", "--account", "nobody")
    assert missing.exit_code == 1 and not (data / "buckets" / "team-b").exists()
    with opened(data) as stack:
        Accounts(stack).create("other")
    assert "another account" in run("bucket", "create", "team-a", "--account", "other").output
    assert "own" in run("bucket", "create", "crs").output
    assert run("bucket", "create", "team-b", "--account", "other").exit_code == 0
    with opened(data) as stack:
        assert [one.name for one in Buckets(stack).page("other", None, 10).items] == ["team-b"]
        assert [one.name for one in Buckets(stack).page("default", None, 10).items] == ["team-a"]


def test_reset_password_ends_the_old_one_and_keeps_the_new_one_readable(run: Run, data: Path) -> None:
    """R8, G3."""
    old = (data / PASSWORD_FILE).read_text().strip()
    result = run("admin", "reset-password")
    new = (data / PASSWORD_FILE).read_text().strip()
    assert new in result.output
    with opened(data) as stack:
        instance = Instances(stack).named("default", "default")
        assert Credentials(stack).basic(instance, "admin", new, "127.0.0.1")
        with pytest.raises(Unauthenticated):
            Credentials(stack).basic(instance, "admin", old, "127.0.0.1")


def test_reset_password_takes_one_from_stdin_and_does_not_repeat_it(run: Run, data: Path) -> None:
    result = run("admin", "reset-password", "--password-stdin", stdin="my-own-Password-9\n")
    assert result.exit_code == 0, result.output
    assert "my-own-Password-9" not in result.output
    with opened(data) as stack:
        instance = Instances(stack).named("default", "default")
        assert Credentials(stack).basic(instance, "admin", "my-own-Password-9", "127.0.0.1")


def test_backup_and_restore_by_command(run: Run, data: Path, tmp_path: Path) -> None:
    """R8."""
    backup, restored = tmp_path / "backup", tmp_path / "restored"
    assert run("backup", str(backup)).exit_code == 0
    assert run("restore", str(backup)).exit_code == 1  # there is data already
    assert run("restore", str(backup), CRS_DATA=str(restored)).exit_code == 0
    assert run("fsck", CRS_DATA=str(restored)).output == "clean\n"


def test_bad_settings_are_named(run: Run) -> None:
    result = run("serve", CRS_PORT="many", CRS_TRUSTED_HOPS="-1")
    assert result.exit_code == 1
    assert "CRS_PORT" in result.output
    assert "CRS_TRUSTED_HOPS" in result.output


def test_serve_refuses_half_a_tls_pair_before_it_makes_anything(run: Run, tmp_path: Path) -> None:
    result = run("serve", CRS_DATA=str(tmp_path / "new"), CRS_TLS_CERT="/nowhere/cert.pem")
    assert result.exit_code == 1
    assert "CRS_TLS_KEY" in result.output
    assert not (tmp_path / "new").exists()


def test_commands_say_so_where_there_is_no_data(run: Run, tmp_path: Path) -> None:
    result = run("fsck", CRS_DATA=str(tmp_path / "nothing"))
    assert result.exit_code == 1
    assert "no data folder" in result.output
