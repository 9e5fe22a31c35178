"""`make deploy` and `make destroy`, of the packaged template, on the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.deploy import Deployment

from .emulated import NETWORK, Aws, deployed, emulator, package
from .worlds import require_emulator

pytestmark = pytest.mark.campaign

DATA = {"Table", "AuditTable", "Bucket", "BucketPolicy", "Keys"}


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_emulator()
    return package(tmp_path_factory.mktemp("package"))


@pytest.fixture
def aws(tmp_path: Path, packaged: Path) -> Iterator[Aws]:
    with emulator(tmp_path) as opened:
        yield opened


def test_stage_is_shown_made_left_alone_and_removed_but_for_its_data(aws: Aws, packaged: Path) -> None:
    """What is proposed is what is made; the same again changes nothing; what people stored outlives the stage."""
    made = deployed(aws, packaged, "one", **NETWORK)
    assert {change.action for change in made.changes} == {"add"}
    assert made.resources.keys() <= {change.name for change in made.changes}

    with aws.chosen():
        deployment = Deployment("one", packaged, poll_s=0.2)
        again, changes = deployment.propose({})
        assert changes == []
        deployment.forget(again)
        doomed = deployment.doomed()
        deployment.remove()

    assert {change.name.partition(" ")[0] for change in doomed if change.action == "keep"} >= DATA
    tables = aws.client("dynamodb").list_tables()["TableNames"]
    assert {made.physical("Table"), made.physical("AuditTable")} <= set(tables)
    buckets = [bucket["Name"] for bucket in aws.client("s3").list_buckets()["Buckets"]]
    assert made.physical("Bucket") in buckets
    assert aws.client("lambda").list_functions()["Functions"] == []
    assert aws.client("sqs").list_queues().get("QueueUrls", []) == []


def test_two_stages_live_side_by_side(aws: Aws, packaged: Path) -> None:
    """Nothing of one has the other's name."""
    one, two = (deployed(aws, packaged, stage, **NETWORK) for stage in ("one", "two"))
    shared = {name for name, physical in one.resources.items() if two.resources[name] == physical}
    # It belongs to an API of its own in each.
    assert shared <= {"RestAPIliveStage"}
    with aws.chosen():
        Deployment("one", packaged, poll_s=0.2).remove()
    left = {function["FunctionName"] for function in aws.client("lambda").list_functions()["Functions"]}
    assert two.physical("APIHandler") in left
    assert not any(name.startswith("crs-one-") for name in left)
