"""What an operator types, on the AWS stack (moto in this process)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from chalicelib.access.service import Access
from chalicelib.accounts.service import Accounts
from chalicelib.cli.commands import crs
from chalicelib.credentials.service import Credentials
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound, Unauthenticated
from chalicelib.kernel.messages import ContinueTask
from chalicelib.kernel.settings import Settings
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack, open_stack
from tests.ports_aws.adapters import moto_clients
from tests.ports_aws.emulators import environment_of
from tests.ports_aws.resources import create_resources
from tests.ports_aws.serving import signing_key

Run = Callable[..., Result]
PASSWORD = "correct-horse-battery-42"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    told = {
        "CRS_STACK": "aws",
        "CRS_REGION": "eu-central-1",
        "CRS_DOMAIN": "registry.example.com",
        "CRS_PORT": "443",
        "CRS_SIGNING_KEY": signing_key(),
        "CRS_SECRET_KEY": "0123456789abcdef" * 2,
    }
    for name, value in (environment_of() | told).items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        create_resources(moto_clients(), Settings.from_environment(told))
        yield told


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def call(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(crs, arguments, input=stdin)

    return call


@pytest.fixture
def stack(environment: dict[str, str]) -> Iterator[Stack]:
    with open_stack(Settings.from_environment(environment)) as opened:
        yield opened


def test_init_makes_operator_instance_and_namespace_and_tells_the_password_once(run: Run, stack: Stack) -> None:
    """I1, N1, G2, G5."""
    made = run("init", "--allow", "192.0.2.0/24", "--allow", "2001:db8::/32")
    assert made.exit_code == 0, made.output
    password = made.output.strip().rpartition(" ")[2]
    signed_in = Accounts(stack).sign_in("default", "admin", password, "192.0.2.7")
    assert (signed_in.role, signed_in.principal.operator) == ("owner", True)
    instance = Instances(stack).named("default", "default")
    assert f"at {instance.label}.registry.example.com\n" in made.output
    assert Credentials(stack).basic(instance, "admin", password, "192.0.2.7").name == "admin"
    assert Access(stack).check(instance, "192.0.2.7")
    assert not Access(stack).check(instance, "198.51.100.1")
    assert Namespaces(stack).get(instance.id, "library").auto_create_repository
    again = run("init")
    assert again.exit_code == 0
    assert again.output.startswith("this deployment is initialised already")
    assert Accounts(stack).sign_in("default", "admin", password, "192.0.2.7").role == "owner"


def test_init_that_was_interrupted_is_finished_by_the_next_under_its_password(run: Run, stack: Stack) -> None:
    """I1, G2, G5. The account comes last, so that whatever is missing beside it is still made."""
    refused = run("init", "--allow", "not a network")
    assert refused.exit_code == 1
    with pytest.raises(NotFound):
        Accounts(stack).get("default")
    made = run("init", "--password-stdin", stdin=PASSWORD + "\n")
    assert made.exit_code == 0, made.output
    assert PASSWORD not in made.output
    assert Accounts(stack).sign_in("default", "admin", PASSWORD, "192.0.2.7").role == "owner"
    instance = Instances(stack).named("default", "default")
    assert Credentials(stack).basic(instance, "admin", PASSWORD, "192.0.2.7").name == "admin"


def test_what_people_deleted_is_not_made_again(run: Run, stack: Stack) -> None:
    """N1"""
    run("init")
    instance = Instances(stack).named("default", "default")
    namespaces = Namespaces(stack)
    stack.table.delete(keys.namespace(instance.id, "library"))
    run("init")
    with pytest.raises(NotFound):
        namespaces.get(instance.id, "library", fresh=True)


def test_a_weak_password_makes_nothing(run: Run, stack: Stack) -> None:
    """G5"""
    weak = run("init", "--password-stdin", stdin="short\n")
    assert weak.exit_code == 1
    assert list(Instances(stack).every()) == []


def test_a_new_password_ends_the_old_one(run: Run, stack: Stack) -> None:
    """G2"""
    run("init", "--password-stdin", stdin=PASSWORD + "\n")
    reset = run("admin", "reset-password")
    assert reset.exit_code == 0, reset.output
    instance = Instances(stack).named("default", "default")
    with pytest.raises(Unauthenticated):
        Credentials(stack).basic(instance, "admin", PASSWORD, "127.0.0.1")
    password = reset.output.strip().rpartition(" ")[2]
    assert Accounts(stack).sign_in("default", "admin", password, "127.0.0.1").principal.operator


def test_the_operators_commands_work_there(run: Run, stack: Stack) -> None:
    """G5, I1."""
    run("init")
    assert run("fsck", "--deep").output == "clean\n"
    assert run("sweep").output == "nothing is due\n"
    assert "account acme is there" in run("account", "create", "acme", "--owner", "ann").output
    assert run("account", "list").output == "acme  running  1\ndefault  running  1\n"
    assert run("user", "create", "bob", "--role", "reader", "--account", "acme").exit_code == 0
    assert run("user", "list", "--account", "acme").output == "ann  owner\nbob  reader\n"
    assert run("user", "reset-password", "bob", "--account", "acme").exit_code == 0
    assert run("namespace", "create", "tools").output == "namespace tools is there\n"
    assert "default  enterprise  running" in run("instance", "list").output
    assert run("audit", "verify").exit_code == 0
    assert run("audit", "export", "--account", "acme").exit_code == 0


def test_dead_letters_are_listed_and_put_back(run: Run, stack: Stack) -> None:
    stack.queues.send("tasks-dead", [ContinueTask(instance_id="i", task_id="t").model_dump_json()])
    assert "tasks  1" in run("dead-letters", "list").output
    assert run("dead-letters", "redrive", "tasks").output == "1 put back\n"
    assert stack.queues.depth("tasks") == 1


@pytest.mark.parametrize(
    "command", [("backup", "somewhere"), ("bucket", "create", "mine"), ("restore", "."), ("serve",)], ids=lambda c: c[0]
)
def test_commands_of_one_machine_say_so(run: Run, command: tuple[str, ...]) -> None:
    refused = run(*command)
    assert refused.exit_code == 1
    assert "AWS" in refused.output
    assert "Traceback" not in refused.output


def test_init_and_recover_say_what_to_do_on_one_machine(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRS_STACK", "embedded")
    assert "crs serve" in run("init").output
    assert "crs restore" in run("recover", "--table", "t", "--yes").output
