"""Brings the package to AWS, and takes it away again, showing first what will happen.

python -m infra.deploy up STAGE [Parameter=Value …]
    build/package ─► bucket of artefacts ─► change set ─► shown ─► asked ─► carried out ─► outputs
python -m infra.deploy down STAGE
    what would go, what stays ─► shown ─► asked ─► removed

The stack is crs-STAGE. Parameters keep the values they had; those of a first deployment come from the template.
Region and credentials are those of AWS's own environment and files.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from .artefacts import Artefacts
from .package import BUILD

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef

_POLL_S: Final = 3.0
_NO_CHANGES: Final = ("didn't contain changes", "No updates are to be performed")
_KEPT: Final = "Retain"
_PREFIX: Final = "CustomerBucketPrefix"
_BEGUN: Final = "User Initiated"
# States in which a stack takes no update, and what leads out of them.
_AGAIN: Final = "`make destroy` takes away what is left of it and names what stays; then deploy anew"
_STUCK: Final = {
    "CREATE_FAILED": _AGAIN,
    "ROLLBACK_COMPLETE": _AGAIN,
    "ROLLBACK_FAILED": _AGAIN,
    "DELETE_FAILED": _AGAIN,
    "UPDATE_FAILED": "`aws cloudformation rollback-stack` brings the version before back; then deploy again",
    "UPDATE_ROLLBACK_FAILED": "`aws cloudformation continue-update-rollback` takes it up again; then deploy again",
}


@dataclass(frozen=True)
class Change:
    """One line of what will happen. action: add, change, replace, remove or keep."""

    action: str
    name: str
    kind: str


class Deployment:
    """One stage in one region of the account whose credentials the environment holds."""

    def __init__(self, stage: str, package: Path = BUILD / "package", poll_s: float = _POLL_S) -> None:
        self.stack = f"crs-{stage}"
        self._package = package
        self._poll_s = poll_s
        self._cloudformation: CloudFormationClient = boto3.client("cloudformation")

    def propose(self, given: dict[str, str]) -> tuple[str, list[Change]]:
        """Uploads the package and asks CloudFormation what it would do. Answers the change set's id and its changes,
        none where all is as it should be. Raises click's ClickException with AWS's reason."""
        template = json.loads((self._package / "sam.json").read_text())
        self._require_updatable()
        there = self._parameters()
        unknown = given.keys() - template["Parameters"].keys()
        if unknown:
            raise click.ClickException(f"the template has no parameter {', '.join(sorted(unknown))}")
        if there is None and _PREFIX in template["Parameters"]:
            # Stages that share an account must not share customers' buckets: each would hear of the others' pushes.
            given = {_PREFIX: f"{self.stack}-customer-", **given}
        kept = [name for name in there or () if name in template["Parameters"] and name not in given]
        parameters: list[ParameterTypeDef] = [
            {"ParameterKey": name, "ParameterValue": value} for name, value in given.items()
        ]
        parameters += [{"ParameterKey": name, "UsePreviousValue": True} for name in kept]
        made = self._cloudformation.create_change_set(
            StackName=self.stack,
            ChangeSetName=f"deploy-{time.time_ns()}",
            ChangeSetType="CREATE" if there is None else "UPDATE",
            TemplateURL=self._upload(template),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=parameters,
            Tags=[{"Key": "service", "Value": "crs"}],
        )
        return made["Id"], self._proposed(made["Id"])

    def carry_out(self, change_set: str) -> dict[str, str]:
        """Does what was proposed, telling of each step. Answers the stack's outputs. Raises ClickException."""
        self._cloudformation.execute_change_set(ChangeSetName=change_set, StackName=self.stack)
        described = self._wait(self.stack)
        if described["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise click.ClickException(f"the stack ended as {described['StackStatus']}: {self._first_failure()}")
        return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())}

    def forget(self, change_set: str) -> None:
        """Leaves no trace of a proposal that nobody wants, nor of a stack that was never made."""
        if self._status() == "REVIEW_IN_PROGRESS":
            self._cloudformation.delete_stack(StackName=self.stack)
        else:
            self._cloudformation.delete_change_set(ChangeSetName=change_set, StackName=self.stack)

    def doomed(self) -> list[Change]:
        """What `remove` will remove, and what it keeps. Raises ClickException if there is no such stack."""
        if self._status() is None:
            raise click.ClickException(f"there is no stack {self.stack} here")
        body = self._cloudformation.get_template(StackName=self.stack, TemplateStage="Processed")["TemplateBody"]
        processed: dict[str, Any] = json.loads(body) if isinstance(body, str) else dict(body)
        policies = {name: one.get("DeletionPolicy") for name, one in processed["Resources"].items()}
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.stack)
        return [
            Change(
                "keep" if policies.get(one["LogicalResourceId"]) == _KEPT else "remove", _name(one), one["ResourceType"]
            )
            for page in pages
            for one in page["StackResourceSummaries"]
            if one["ResourceStatus"] != "DELETE_COMPLETE"
        ]

    def remove(self) -> None:
        """Raises ClickException if something of it could not be removed."""
        identity = self._cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0].get("StackId", self.stack)
        self._cloudformation.delete_stack(StackName=self.stack)
        described = self._wait(identity)
        if described and described["StackStatus"] != "DELETE_COMPLETE":
            raise click.ClickException(f"the stack ended as {described['StackStatus']}: {self._first_failure()}")

    def _upload(self, template: dict[str, Any]) -> str:
        """Answers the template's address."""
        artefacts = Artefacts()
        artefacts.open()
        code = artefacts.put((self._package / "deployment.zip").read_bytes(), "zip")
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = f"s3://{artefacts.bucket}/{code}"
        return artefacts.address(artefacts.put(json.dumps(template, sort_keys=True).encode(), "json"))

    def _require_updatable(self) -> None:
        status = self._status() or "REVIEW_IN_PROGRESS"
        if status in _STUCK:
            raise click.ClickException(f"{self.stack} is {status}: {_STUCK[status]}")
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise click.ClickException(f"{self.stack} is {status}: wait until that is done")

    def _parameters(self) -> list[str] | None:
        """Names of the parameters the stack has, None where there is no stack."""
        if self._status() in (None, "REVIEW_IN_PROGRESS"):
            return None
        stack = self._cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0]
        return [parameter["ParameterKey"] for parameter in stack.get("Parameters", ())]

    def _status(self) -> str | None:
        try:
            stacks = self._cloudformation.describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return None
            raise
        return stacks[0]["StackStatus"] if stacks else None

    def _proposed(self, change_set: str) -> list[Change]:
        while True:
            described = self._cloudformation.describe_change_set(ChangeSetName=change_set, StackName=self.stack)
            status, reason = described["Status"], described.get("StatusReason", "")
            if status == "FAILED":
                if any(words in reason for words in _NO_CHANGES):
                    return []
                self.forget(change_set)
                raise click.ClickException(f"CloudFormation refuses the template: {reason}")
            if status == "CREATE_COMPLETE":
                # Outputs may change where no resource does.
                return list(self._changes(change_set)) or [Change("change", self.stack, "AWS::CloudFormation::Stack")]
            time.sleep(self._poll_s)

    def _changes(self, change_set: str) -> Iterator[Change]:
        pages = self._cloudformation.get_paginator("describe_change_set").paginate(
            ChangeSetName=change_set, StackName=self.stack
        )
        actions = {"Add": "add", "Modify": "change", "Remove": "remove"}
        for page in pages:
            for one in page["Changes"]:
                change = one["ResourceChange"]
                replaced = change.get("Replacement") in ("True", "Conditional")
                action = "replace" if replaced else actions.get(change["Action"], change["Action"].lower())
                yield Change(action, _name(change), change["ResourceType"])

    def _wait(self, identity: str) -> Any:
        """The stack once it is at rest, None where it is gone."""
        while True:
            try:
                stacks = self._cloudformation.describe_stacks(StackName=identity)["Stacks"]
            except ClientError as error:
                if error.response["Error"]["Code"] == "ValidationError":
                    return None
                raise
            if not stacks or not stacks[0]["StackStatus"].endswith("_IN_PROGRESS"):
                return stacks[0] if stacks else None
            time.sleep(self._poll_s)

    def _first_failure(self) -> str:
        """Of what was begun last; what failed later followed from it."""
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.stack)
        first = ""
        for event in (event for page in pages for event in page["StackEvents"]):
            if event.get("ResourceStatusReason") == _BEGUN:
                break
            if event.get("ResourceStatus", "").endswith("_FAILED"):
                first = f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        return first


def _name(resource: Any) -> str:
    physical = resource.get("PhysicalResourceId")
    return f"{resource['LogicalResourceId']} ({physical})" if physical else resource["LogicalResourceId"]


def _show(changes: list[Change]) -> None:
    for change in sorted(changes, key=lambda one: (one.action, one.kind, one.name)):
        click.echo(f"  {change.action:8} {change.kind:42} {change.name}")


class _Told(click.Group):
    """What AWS says, instead of where in this code it said it: no region, no credentials, no right."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (BotoCoreError, ClientError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Told)
def main() -> None:
    """Deploys a stage, or removes it."""


@main.command()
@click.argument("stage")
@click.argument("parameters", nargs=-1)
@click.option("--yes", is_flag=True, help="Do it without asking.")
def up(stage: str, parameters: tuple[str, ...], yes: bool) -> None:
    """Makes or updates the stage: shows what changes, asks, does it, prints the outputs."""
    deployment = Deployment(_stage(stage))
    change_set, changes = deployment.propose(dict(_pair(one) for one in parameters))
    if not changes:
        deployment.forget(change_set)
        click.echo(f"{deployment.stack} is as it should be")
        return
    click.echo(f"{deployment.stack}, {len(changes)} changes:")
    _show(changes)
    if not (yes or click.confirm("Carry them out?")):
        deployment.forget(change_set)
        click.echo("nothing was changed")
        return
    for name, value in sorted(deployment.carry_out(change_set).items()):
        click.echo(f"  {name} = {value}")


@main.command()
@click.argument("stage")
@click.option("--yes", is_flag=True, help="Do it without asking.")
def down(stage: str, yes: bool) -> None:
    """Removes the stage. What holds data stays, and is named."""
    deployment = Deployment(_stage(stage))
    click.echo(f"{deployment.stack}:")
    _show(deployment.doomed())
    if not yes and click.prompt("Type the stack's name to remove it", default="") != deployment.stack:
        click.echo("nothing was removed")
        return
    deployment.remove()
    click.echo("removed; what says keep is there still, and costs what it holds")


def _stage(name: str) -> str:
    if not (name.isascii() and name.replace("-", "").isalnum() and name.islower() and 1 <= len(name) <= 20):
        raise click.ClickException("name the stage: make deploy STAGE=prod (a-z, 0-9, -, at most 20)")
    return name


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise click.ClickException(f"{word!r} is not Parameter=Value")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
