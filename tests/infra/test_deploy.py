"""What `make deploy` says where a deployment cannot go on. That it goes on is shown on an emulator (`tests/e2e`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
from click.testing import CliRunner
from moto import mock_aws
from moto.cloudformation.models import cloudformation_backends
from moto.s3.models import s3_backends

from infra.artefacts import Artefacts
from infra.deploy import Change, Deployment, main
from tests.ports_aws.emulators import environment_of

ACCOUNT, REGION = "123456789012", "eu-central-1"
QUEUE = {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Delete", "Properties": {}}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, value in (environment_of() | {"AWS_DEFAULT_REGION": REGION}).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "deployment.zip").write_bytes(b"code")
    write(tmp_path, {})
    with mock_aws():
        yield tmp_path


def write(package: Path, outputs: dict[str, Any], parameters: dict[str, Any] | None = None) -> None:
    template = {"Parameters": parameters or {}, "Resources": {"Queue": QUEUE}, "Outputs": outputs}
    (package / "sam.json").write_text(json.dumps(template))


def deployed(package: Path) -> Deployment:
    deployment = Deployment("one", package, poll_s=0)
    deployment.carry_out(deployment.propose({})[0])
    return deployment


def stack_in_moto() -> Any:
    (stack,) = cloudformation_backends[ACCOUNT][REGION].stacks.values()
    return stack


@pytest.mark.parametrize(
    ("status", "way_out"),
    [
        ("ROLLBACK_COMPLETE", "make destroy"),
        ("ROLLBACK_FAILED", "make destroy"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("UPDATE_IN_PROGRESS", "wait"),
    ],
)
def test_stack_that_takes_no_update_is_told_with_the_way_out(package: Path, status: str, way_out: str) -> None:
    """L8"""
    deployment = deployed(package)
    stack_in_moto().status = status
    with pytest.raises(click.ClickException, match=f"crs-one is {status}.*{way_out}"):
        deployment.propose({})


def test_outputs_that_change_alone_are_a_change(package: Path) -> None:
    """L8: CloudFormation lists no resource for them."""
    deployment = deployed(package)
    write(package, {"Queue": {"Value": {"Ref": "Queue"}}})
    _, changes = deployment.propose({})
    assert changes == [Change("change", "crs-one", "AWS::CloudFormation::Stack")]


def test_customers_buckets_of_a_stage_are_not_those_of_another(package: Path) -> None:
    """L8: not before somebody says so, and what was said once is kept."""
    prefix = {"CustomerBucketPrefix": {"Type": "String", "Default": "crs-customer-"}}
    write(package, {}, prefix)
    deployed(package)
    assert stack_in_moto().parameters["CustomerBucketPrefix"] == "crs-one-customer-"

    Deployment("one", package, poll_s=0).propose({"CustomerBucketPrefix": "acme-"})
    (proposed,) = boto3.client("cloudformation").list_change_sets(StackName="crs-one")["Summaries"][-1:]
    described = boto3.client("cloudformation").describe_change_set(ChangeSetName=proposed["ChangeSetId"])
    assert [one["ParameterValue"] for one in described["Parameters"]] == ["acme-"]


def test_failure_that_is_told_is_of_this_deployment(package: Path) -> None:
    """L8: a stack keeps the events of all its deployments."""
    deployment, stack = deployed(package), stack_in_moto()
    fail(stack, "Queue", "of last year")
    stack._add_stack_event("UPDATE_IN_PROGRESS", resource_status_reason="User Initiated")
    fail(stack, "Table", "the reason")
    fail(stack, "Bucket", "Resource update cancelled")
    assert deployment._first_failure() == "Table: the reason"


def fail(stack: Any, name: str, reason: str) -> None:
    stack._add_stack_event("UPDATE_FAILED", resource_status_reason=reason)
    stack.events[-1].logical_resource_id = name


def test_nothing_is_uploaded_into_a_bucket_of_somebody_else(package: Path) -> None:
    """L8: the bucket's name can be guessed, and be taken first."""
    name = f"crs-artefacts-{ACCOUNT}-{REGION}"
    theirs = s3_backends["999999999999"]["aws"]
    bucket = theirs.create_bucket(name, REGION)
    with pytest.raises(click.ClickException, match="another account's"):
        Deployment("one", package, poll_s=0).propose({})
    assert not bucket.keys


def test_bucket_of_packages_is_closed_to_the_public_and_made_once(package: Path) -> None:
    """L8"""
    artefacts = Artefacts()
    artefacts.open()
    artefacts.open()
    closed = boto3.client("s3").get_public_access_block(Bucket=artefacts.bucket)["PublicAccessBlockConfiguration"]
    assert all(closed.values())
    assert artefacts.put(b"code", "zip") == artefacts.put(b"code", "zip")


def test_what_aws_does_not_carry_out_is_told_in_its_words(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION")
    # Nor does another test's session know one.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    told = CliRunner().invoke(main, ["down", "prod"])
    assert (told.exit_code, told.output.strip()) == (1, "Error: You must specify a region.")


@pytest.mark.parametrize("stage", ["", "Prod", "a_b", "a" * 21])
def test_a_stage_has_a_name_that_goes_into_others(package: Path, stage: str) -> None:
    told = CliRunner().invoke(main, ["down", "--", stage])
    assert (told.exit_code, "name the stage" in told.output) == (1, True)
