"""The packaged template as an AWS account has it once it is deployed: created by CloudFormation on an emulator.

    infra.package ─► sam.json + deployment.zip ─► infra.deploy ─► tables, bucket, queues, functions, triggers, API,
                                                                  and the gateway's network, service, task and roles
    the emulator's own environment ─► every function's: what only a test needs never stands in the template

with emulator(folder, CRS_…="…") as aws:
    made = deployed(aws, package(folder), "e2e", Domain="localhost")
    made.outputs["RestAPIId"], made.physical("TasksQueue"), made.gateway_environment()

What it does not do: it scales nothing, and runs no container. Whoever wants the gateway starts its program.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.deploy import Change, Deployment
from tests.ports_aws.emulators import ROOT, clean_environment, environment_of, s3_and_sqs

REGION = "eu-central-1"
_REFUSAL = re.compile(r"User: \S+ is not authorized to perform: \S+|refused the call: AccessDenied\w*")
# Kinds of resources that this emulator cannot make. Everything else of the template is made.
_UNKNOWN_KINDS = ("AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy")
CONSOLE_TASKS = 1
# What it takes for the gateway's part to be made.
NETWORK = {
    "GatewayImage": "000000000000.dkr.ecr.eu-central-1.amazonaws.com/crs-gateway:e2e",
    "VpcId": "vpc-0e2e",
    "VpcCidr": "127.0.0.0/8",
    "PublicSubnets": "subnet-0e2e0,subnet-0e2e1",
    "PrivateSubnets": "subnet-0e2e2,subnet-0e2e3",
    "CertificateArn": "arn:aws:acm:eu-central-1:000000000000:certificate/e2e",
    "InternalNames": "no",
}


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
    """Holds every call to the policies of whoever makes it, and speaks TLS, without which the bucket's policy refuses.

    functions   environment of every function that will be made, besides what the template gives it
    """
    certificate, key = _certificate(folder)
    trust = {"AWS_CA_BUNDLE": str(certificate)}
    own = {
        "MINISTACK_REGION": REGION,
        "AUTH": "true",
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(certificate),
        "MINISTACK_SSL_KEY": str(key),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with s3_and_sqs(folder, {**own, **trust, **functions}) as plain:
        endpoint = plain.replace("http://", "https://")
        yield Aws(endpoint, environment_of() | trust | {"AWS_ENDPOINT_URL": endpoint})


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "emulator")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "emulator.pem", folder / "emulator.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, bare))
    return certificate, private


@dataclass(frozen=True)
class Made:
    """A stage that was deployed. changes: as they were proposed before."""

    aws: Aws
    name: str
    changes: list[Change]
    outputs: Mapping[str, str]

    def physical(self, logical: str) -> str:
        """What a resource of the template is called in the account."""
        return self.resources[logical]

    @cached_property
    def resources(self) -> dict[str, str]:
        pages = self.aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        found = (one for page in pages for one in page["StackResourceSummaries"])
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}

    def refused(self) -> list[str]:
        """Calls of functions that no policy of theirs allowed, as their logs have them."""
        logs = self.aws.client("logs")
        groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
        pages = (
            page for name in groups for page in logs.get_paginator("filter_log_events").paginate(logGroupName=name)
        )
        lines = (event["message"] for page in pages for event in page["events"])
        return [found.group() for line in lines if (found := _REFUSAL.search(line))]

    def gateway_environment(self) -> dict[str, str]:
        """What the gateway's container is told, and the credentials of its task's role."""
        task = self.aws.client("ecs").describe_task_definition(taskDefinition=self.physical("GatewayTask"))
        (container,) = task["taskDefinition"]["containerDefinitions"]
        told = {variable["name"]: variable["value"] for variable in container["environment"]}
        # The task definition has it as a secret, which this emulator forgets.
        secret = self.aws.client("secretsmanager").get_secret_value(SecretId=self.physical("Keys"))["SecretString"]
        told["CRS_SECRET_KEY"] = json.loads(secret)["secret_key"]
        return dict(self.aws.environment) | told | self._credentials(task["taskDefinition"]["taskRoleArn"])

    def _credentials(self, role_arn: str) -> dict[str, str]:
        """Of a user with the role's policies: only ECS itself may act in the role."""
        iam, role = self.aws.client("iam"), role_arn.rpartition("/")[2]
        iam.create_user(UserName=role)
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            iam.put_user_policy(UserName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=role)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def package(folder: Path) -> Path:
    """What `make package` makes, in this folder."""
    command = [sys.executable, "-m", "infra.package", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the package was not made: {done.stderr[-4000:]}"
    return folder


def deployed(aws: Aws, packaged: Path, stage: str, **parameters: str) -> Made:
    """As `make deploy` does it, without the question."""
    template = packaged / "sam.json"
    template.write_text(json.dumps(_as_known(json.loads(template.read_text()))))
    with aws.chosen():
        deployment = Deployment(stage, packaged, poll_s=0.2)
        change_set, changes = deployment.propose(parameters)
        return Made(aws, deployment.stack, changes, deployment.carry_out(change_set))


def _as_known(template: dict[str, Any]) -> Any:
    """Without what the emulator cannot make, and with what it takes for something else than AWS does."""
    kept = {name: one for name, one in template["Resources"].items() if not _unknown(one)}
    return _translated(template | {"Resources": kept})


def _translated(value: Any) -> Any:
    # A secret's Ref is its ARN on AWS, and its name here.
    if value == {"Ref": "Keys"}:
        return {"Fn::GetAtt": ["Keys", "Id"]}
    # A parameter that is a number is one on AWS where a number is wanted, and a text here.
    if value == {"Ref": "ConsoleTasks"}:
        return CONSOLE_TASKS
    if isinstance(value, dict):
        below = {name: _translated(one) for name, one in value.items()}
        return below | {"Action": _with_batches(below["Action"])} if "Action" in below else below
    return [_translated(one) for one in value] if isinstance(value, list) else value


def _with_batches(action: Any) -> Any:
    """The right to send a message is that to send ten of them on AWS, and another one here."""
    actions = action if isinstance(action, list) else [action]
    return [*actions, "sqs:SendMessageBatch"] if "sqs:SendMessage" in actions else action


def _unknown(resource: Any) -> bool:
    of_several_metrics = resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
    return of_several_metrics or resource["Type"] in _UNKNOWN_KINDS
