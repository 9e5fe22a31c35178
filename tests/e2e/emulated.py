"""The packaged template as an AWS account has it once it is deployed: created by CloudFormation on an emulator.

    infra.package ─► sam.json + deployment.zip ─► infra.deploy ─► tables, bucket, queues, functions, triggers, API
    the emulator's own environment ─► every function's: what only a test needs never stands in the template

with emulator(folder, CRS_…="…") as aws:
    made = deployed(aws, package(folder), "e2e", Domain="localhost")
    made.outputs["RestAPIId"], made.physical("TasksQueue"), made.environment()
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from infra.deploy import Change, Deployment
from tests.ports_aws.emulators import ROOT, clean_environment, environment_of, s3_and_sqs

REGION = "eu-central-1"


@dataclass(frozen=True)
class Aws:
    """An emulator's endpoint, and the environment in which AWS's clients find it."""

    endpoint: str
    environment: Mapping[str, str]

    def client(self, service: str) -> Any:
        make: Any = boto3.client
        with self.chosen():
            return make(service, config=Config(read_timeout=120, retries={"total_max_attempts": 2}))

    @contextmanager
    def chosen(self) -> Iterator[None]:
        """This process calls the emulator wherever it calls AWS."""
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield


@contextmanager
def emulator(folder: Path, **functions: str) -> Iterator[Aws]:
    """functions   environment of every function that will be made, besides what the template gives it"""
    with s3_and_sqs(folder, {"MINISTACK_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", **functions}) as endpoint:
        yield Aws(endpoint, environment_of() | {"AWS_ENDPOINT_URL": endpoint})


def package(folder: Path) -> Path:
    """What `make package` makes, in this folder."""
    command = [sys.executable, "-m", "infra.package", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the package was not made: {done.stderr[-4000:]}"
    return folder


@dataclass(frozen=True)
class Made:
    """A stage that was deployed. changes: as they were proposed before."""

    aws: Aws
    name: str
    changes: list[Change]
    outputs: Mapping[str, str]

    def physical(self, logical: str) -> str:
        """What a resource of the template is called in the account."""
        return self._resources[logical]

    @cached_property
    def _resources(self) -> dict[str, str]:
        pages = self.aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        found = (one for page in pages for one in page["StackResourceSummaries"])
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}

    def environment(self) -> dict[str, str]:
        """What a process outside Lambda is told of this stage: the same words as the functions, and where AWS is."""
        function = self.aws.client("lambda").get_function_configuration(FunctionName=self.physical("APIHandler"))
        variables: dict[str, str] = function["Environment"]["Variables"]
        told = {name: value for name, value in variables.items() if name.startswith("CRS_")}
        return told | dict(self.aws.environment)


def deployed(aws: Aws, packaged: Path, stage: str, **parameters: str) -> Made:
    """As `make deploy` does it, without the question."""
    with aws.chosen():
        deployment = Deployment(stage, packaged, poll_s=0.2)
        change_set, changes = deployment.propose(parameters)
        return Made(aws, deployment.stack, changes, deployment.carry_out(change_set))
