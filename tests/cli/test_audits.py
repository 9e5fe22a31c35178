"""`crs audit`: the operator proves the record whole, and reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chalicelib.audit.models import SERVICE, Deed
from chalicelib.audit.sealing import Sealer
from chalicelib.audit.service import Audit
from chalicelib.cli.commands import crs
from chalicelib.edge.tally import flush_tallies
from chalicelib.host.first_start import first_start
from chalicelib.instances.models import Instance
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack, open_stack
from tests.stacks import FrozenClock, make_instance

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def instance(data: Path) -> Instance:
    """Enterprise, with two sealed minutes; so has its account, and the service a count."""
    clock = FrozenClock()
    with open_stack(Settings(data=data), clock) as stack:
        first_start(stack)
        made = make_instance(stack, bucket=stack.settings.bucket)
        for scope in (made.id, "default"):
            for minute in range(2):
                _record(stack, scope, str(minute))
                clock.advance(60)
        Audit(stack).count(SERVICE, "192.0.2.7", "UNAUTHENTICATED")
        flush_tallies(stack)
        clock.advance(600)
        Sealer(stack).run()
    return made


def _record(stack: Stack, scope: str, thing: str) -> None:
    now = stack.clock.now()
    Audit(stack).record(scope, Deed(time=now, user="ada", object_type="tag", action="push", object=thing))


@pytest.fixture
def run(data: Path, instance: Instance) -> Run:
    def call(*arguments: str) -> Result:
        return CliRunner().invoke(crs, ["audit", *arguments], env={"CRS_DATA": str(data)})

    return call


def test_everything_is_proved_at_once(run: Run) -> None:
    """G1"""
    told = run("verify")
    assert told.exit_code == 0, told.output
    service, account, *instances = told.output.splitlines()
    assert [line.split("  ")[:2] for line in (service, account)] == [["whole", "service"], ["whole", "account default"]]
    # Both were made in one moment: which is the first of them, nobody says.
    ci, default = sorted(instances)
    assert default.startswith("whole  instance default of default")
    assert ci.startswith("whole  instance ci of default")
    assert "2 entries in 2 minutes are as sealed" in ci


def test_tampering_is_named_with_its_minute_and_ends_in_failure(run: Run, data: Path, instance: Instance) -> None:
    """G1"""
    with open_stack(Settings(data=data)) as stack:
        last = stack.audit.query(f"AUDIT#{instance.id}#2026-01-31").items[-1]
        stack.audit.put({**last, "user": "eve"})
    told = run("verify", "--instance", "ci")
    assert told.exit_code == 1
    assert told.output.startswith("TAMPERED  instance ci of default  2026-01-31T08:01")
    assert run("verify", "--account", "default").exit_code == 0
    assert run("verify").exit_code == 1


def test_a_seal_from_the_log_is_looked_for(run: Run) -> None:
    """G1"""
    logged = run("verify", "--instance", "ci").output.split()[-1]
    assert run("verify", "--instance", "ci", "--seal", logged).exit_code == 0
    assert run("verify", "--instance", "ci", "--seal", "0" * 64).exit_code == 1
    assert "say whose seal" in run("verify", "--seal", logged).output


def test_an_unknown_instance_is_refused(run: Run) -> None:
    told = run("verify", "--instance", "nobodys")
    assert (told.exit_code, "there is no such instance" in told.output) == (1, True)


def test_records_are_printed_newest_first(run: Run) -> None:
    """G1"""
    lines = [json.loads(line) for line in run("export", "--instance", "ci").output.splitlines()]
    assert [line["object"] for line in lines] == ["1", "0"]
    strangers = [json.loads(line) for line in run("export").output.splitlines()]
    assert [(line["source_ip"], line["count"]) for line in strangers] == [("192.0.2.7", 1)]
    assert run("export", "--account", "default", "--format", "csv").output.startswith("id,time,user")
    assert run("export", "--account", "default", "--keyword", "nobody").output == ""
