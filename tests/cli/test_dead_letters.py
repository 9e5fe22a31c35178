"""What an operator types about messages that failed five times, on both stacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from chalicelib.cli.commands import crs
from chalicelib.edge.consume import encode
from chalicelib.kernel.messages import ClearDue, ContinueTask
from chalicelib.kernel.settings import Settings
from chalicelib.ports.queues import Queues
from chalicelib.ports.stack import Stack, open_stack
from tests.ports_aws.adapters import moto_clients
from tests.ports_aws.emulators import environment_of
from tests.ports_aws.resources import create_resources

Run = Callable[..., Result]


@pytest.fixture(params=["embedded", "aws"])
def stack(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """What the commands open, too, by their environment."""
    if request.param == "embedded":
        monkeypatch.setenv("CRS_DATA", str(tmp_path / "data"))
        with open_stack(Settings(data=tmp_path / "data")) as opened:
            yield opened
        return
    for name, value in {**environment_of(), "CRS_STACK": "aws", "CRS_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        settings = Settings(stack="aws", region="eu-central-1")
        create_resources(moto_clients(), settings)
        with open_stack(settings) as opened:
            yield opened


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(crs, ["dead-letters", *arguments], input=stdin)


def bury(queues: Queues, *messages: ContinueTask | ClearDue) -> None:
    """Five failures each."""
    for message in messages:
        queues.send(message.queue, [encode(message)])
    for _ in range(5):
        for queue in {message.queue for message in messages}:
            for delivery in queues.receive(queue):
                queues.fail(delivery, delay_s=0)
    for queue in {message.queue for message in messages}:
        assert queues.receive(queue) == []


def bodies(queues: Queues, queue: str) -> list[str]:
    return sorted(delivery.body for delivery in queues.receive(queue))


def test_letters_are_counted_and_shown_and_stay_where_they_are(stack: Stack) -> None:
    task, due = ContinueTask(instance_id="i", task_id="t"), ClearDue(kind="upload", partition="DUE#upload#1")
    bury(stack.queues, task, due)
    for _ in range(2):
        listed = run("list")
        assert listed.exit_code == 0, listed.output
        lines = {line.split()[0]: line for line in listed.output.splitlines()}
        assert lines["tasks"].startswith("tasks  1  oldest sent 20")
        assert lines["collection"].endswith("0.0 h ago")
        shown = run("show", "tasks").output
        assert shown.count("\n") == 1
        assert "type=ContinueTask" in shown
        assert "task_id=t" in shown
    assert run("list", "tasks-dead").output.startswith("tasks  1")


def test_what_is_put_back_is_delivered_anew(stack: Stack) -> None:
    one, other = (ContinueTask(instance_id="i", task_id=name) for name in "ab")
    bury(stack.queues, one, other)
    (wanted,) = [line.split()[1] for line in run("show", "tasks").output.splitlines() if "task_id=a" in line]
    assert run("redrive", "tasks", "--id", wanted).output == "1 put back\n"
    (delivery,) = stack.queues.receive("tasks")
    assert (delivery.body, delivery.attempt) == (encode(one), 1)
    stack.queues.complete([delivery])
    assert run("redrive").output == "1 put back\n"
    assert bodies(stack.queues, "tasks") == [encode(other)]
    assert run("redrive").output == "0 put back\n"


def test_letters_are_deleted_after_a_question(stack: Stack) -> None:
    bury(stack.queues, ContinueTask(instance_id="i", task_id="t"), ClearDue(kind="bin", partition="0"))
    assert run("drop", "tasks", stdin="n\n").exit_code == 1
    assert run("list", "tasks").output.startswith("tasks  1")
    assert "1 deleted" in run("drop", "tasks", stdin="y\n").output
    assert run("list", "tasks").output == "tasks  0\n"
    assert run("drop", "--yes").output == "1 deleted\n"


def test_a_queue_that_there_is_none_of_is_named(stack: Stack) -> None:
    refused = run("list", "nobody")
    assert refused.exit_code == 1
    assert "there is no queue nobody; there are collection, " in refused.output
