"""The gateway's part of the template, and the image it runs: each agrees with the program."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from chalicelib.edge.address import AddressPolicy, client_address
from chalicelib.host.gateway import MORE_S
from chalicelib.identity.keyring import keyring_of, open_keyring
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import open_stack
from infra.template import HERE
from tests.ports_aws.serving import signing_key

PART: dict[str, Any] = yaml.safe_load((HERE / "template" / "gateway.yaml").read_text())
RESOURCES: dict[str, Any] = PART["Resources"]
DOCKERFILE = (HERE / "Dockerfile").read_text()
CONTAINER: dict[str, Any] = RESOURCES["GatewayTask"]["Properties"]["ContainerDefinitions"][0]
LOAD_BALANCER = "10.0.1.7"


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = RESOURCES[name]["Properties"]
    return found


def of(kind: str) -> dict[str, dict[str, Any]]:
    return {name: properties(name) for name, one in RESOURCES.items() if one["Type"].endswith(f"::{kind}")}


def settings() -> Settings:
    """What the program reads in a task; references stand for values that a deployment could give."""
    given = {
        "VpcCidr": "10.0.0.0/16",
        "GatewayIdleTimeout": "300",
        "GraceSeconds": "604800",
        "TombstoneSeconds": "86400",
    }
    read = {one["Name"]: _value(one["Value"], given) for one in CONTAINER["Environment"]}
    return Settings.from_environment({"CRS_STACK": "aws", **read})


def _value(value: Any, given: dict[str, str]) -> str:
    if isinstance(value, str):
        return value
    if "Fn::FindInMap" in value:
        return str(PART["Mappings"]["GatewaySizes"]["1024"]["Processes"])
    if "Fn::If" in value and isinstance(value["Fn::If"][1], str):
        return str(value["Fn::If"][1])
    return given.get(value.get("Ref", ""), "something")


def test_nothing_is_made_without_an_image() -> None:
    conditions = PART["Conditions"]
    for name, one in {**RESOURCES, **PART["Outputs"]}.items():
        condition = one["Condition"]
        assert condition == "WithGateway" or {"Condition": "WithGateway"} in conditions[condition]["Fn::And"], name
    assert PART["Parameters"]["GatewayImage"]["Default"] == ""


def test_every_variable_of_the_task_is_one_that_the_program_knows() -> None:
    names = {one["Name"] for one in CONTAINER["Environment"] + CONTAINER["Secrets"]}
    known = {f"CRS_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in names if name.startswith("CRS_")} <= known


def test_gateway_and_functions_sign_and_verify_with_the_same_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway is handed the secret that functions read; what somebody adds to it holds for both."""
    assert CONTAINER["Secrets"] == [{"Name": "CRS_KEYS", "ValueFrom": {"Ref": "Keys"}}]
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    for held in ({"secret_key": "s" * 64}, {"secret_key": "s" * 64, "signing_key": signing_key()}):
        task = Settings.from_environment({"CRS_STACK": "aws", "CRS_KEYS": json.dumps(held)})
        function = Settings.from_environment({"CRS_STACK": "aws", "CRS_KEYS_SECRET": "Keys"})
        with open_stack(task) as opened:
            of_task, of_function = keyring_of(opened), open_keyring(function, lambda held=held: held)  # type: ignore[misc]
        assert [key.id for key in of_task.keys] == [key.id for key in of_function.keys]
        assert of_task.hashing == of_function.hashing


@pytest.mark.parametrize("forged", ["", "127.0.0.1, ", "10.0.0.1, 192.0.2.1, "])
def test_the_client_is_who_spoke_to_the_load_balancer_whatever_the_header_said_before(forged: str) -> None:
    """G2"""
    headers = [(b"x-forwarded-for", f"{forged}203.0.113.9".encode())]
    assert client_address(LOAD_BALANCER, headers, AddressPolicy.of(settings())) == "203.0.113.9"
    for balancer in of("LoadBalancer").values():
        attributes = {one["Key"]: one["Value"] for one in balancer["LoadBalancerAttributes"]}
        assert attributes["routing.http.xff_header_processing.mode"] == "append"


def test_each_port_is_open_to_its_own_load_balancer_alone() -> None:
    """G2: whoever reached the internal port would pass by every allowlist."""
    *always, metrics = properties("GatewayGroup")["SecurityGroupIngress"]
    ingress = {rule["FromPort"]: rule for rule in always}
    assert metrics["Fn::If"][0] == "WithMetrics"  # only with a group that the operator names
    read = settings()
    assert set(ingress) == {read.port, read.internal_port}
    for port, name in ((read.port, "Public"), (read.internal_port, "Internal")):
        assert ingress[port]["SourceSecurityGroupId"] == {"Fn::GetAtt": [f"{name}LoadBalancerGroup", "GroupId"]}
        assert "CidrIp" not in ingress[port]
        assert properties(f"{name}Targets")["Port"] == port
        [action] = properties(f"{name}Listener")["DefaultActions"]
        assert action["TargetGroupArn"] == {"Ref": f"{name}Targets"}
        assert {"ContainerName": "gateway", "ContainerPort": port, "TargetGroupArn": {"Ref": f"{name}Targets"}} in (
            properties("GatewayService")["LoadBalancers"]
        )
    [inside] = properties("InternalLoadBalancerGroup")["SecurityGroupIngress"]
    assert inside["CidrIp"] == {"Ref": "VpcCidr"}
    assert properties("InternalLoadBalancer")["Scheme"] == "internal"


def test_nobody_listens_without_tls() -> None:
    listeners = of("Listener")
    assert set(listeners) == {"PublicListener", "InternalListener"}
    for listener in listeners.values():
        assert (listener["Port"], listener["Protocol"]) == (443, "HTTPS")
        assert listener["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2")


def test_a_task_that_ends_is_out_of_every_target_group_before_it_takes_no_more() -> None:
    """R8"""
    read = settings()
    for targets in of("TargetGroup").values():
        assert targets["HealthCheckPath"] == "/readyz"
        noticed_s = targets["HealthCheckIntervalSeconds"] * targets["UnhealthyThresholdCount"]
        assert noticed_s + targets["HealthCheckTimeoutSeconds"] < read.drain_s
    assert read.drain_s + read.end_within_s + MORE_S < CONTAINER["StopTimeout"]


def test_the_load_balancer_lets_idle_connections_go_before_the_gateway_does() -> None:
    """Or else a request would meet a connection that is just being closed."""
    assert {"Name": "CRS_IDLE_TIMEOUT_S", "Value": {"Ref": "GatewayIdleTimeout"}} in CONTAINER["Environment"]
    for balancer in of("LoadBalancer").values():
        timeout = {"Key": "idle_timeout.timeout_seconds", "Value": {"Ref": "GatewayIdleTimeout"}}
        assert timeout in balancer["LoadBalancerAttributes"]


def test_a_task_runs_without_rights_over_its_machine() -> None:
    assert CONTAINER["ReadonlyRootFilesystem"] is True
    assert CONTAINER["LinuxParameters"] == {"InitProcessEnabled": True, "Capabilities": {"Drop": ["ALL"]}}
    network = properties("GatewayService")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"


def test_a_task_has_a_process_for_each_processor_and_at_least_one() -> None:
    sizes = PART["Mappings"]["GatewaySizes"]
    assert set(sizes) == set(PART["Parameters"]["GatewayCpu"]["AllowedValues"])
    assert {size: max(1, int(size) // 1024) for size in sizes} == {
        size: int(one["Processes"]) for size, one in sizes.items()
    }


def test_a_deployment_that_does_not_become_ready_goes_back_and_keeps_every_task_meanwhile() -> None:
    service = properties("GatewayService")
    deployment = service["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)
    assert "DesiredCount" not in service  # a deployment would set it, at whatever load


def test_tasks_are_added_for_work_and_for_requests_of_both_load_balancers() -> None:
    metrics = {
        str(one["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"].get("ResourceLabel"))
        for one in of("ScalingPolicy").values()
    }
    assert len(metrics) == 3
    assert sum("PublicTargets" in one for one in metrics) == sum("InternalTargets" in one for one in metrics) == 1


def test_every_alarm_of_the_gateway_is_told() -> None:
    alarms = of("Alarm")
    assert {"GatewayErrorAlarm", "GatewayUnhealthyAlarm", "GatewaySlowAlarm", "GatewayGoneAlarm"} <= set(alarms)
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "Alarms"}]


def test_addresses_that_functions_tell_of_have_the_load_balancers_port() -> None:
    """Not the containers': `<label>.<domain>` needs none where it is 443."""
    variables = PART["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["CRS_PORT"] == str(properties("PublicListener")["Port"])
    assert variables["CRS_INTERNAL_PORT"]["Fn::If"] == ["WithInternalNames", "443", ""]


def test_the_image_is_made_of_locked_packages_and_runs_as_nobody() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert "--only-binary :all:" in DOCKERFILE
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert re.findall(r"^ARG BASE=(\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.11-slim"]
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${BASE}"}


def test_what_the_image_copies_is_there_and_reaches_the_builder() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {"chalicelib", "gateway.py", "requirements-gateway.txt"} == set(copied)
    let_through = (HERE.parent / ".dockerignore").read_text().split()
    for path in copied:
        assert (HERE.parent / path).exists()
        assert f"!{path}" in let_through


def test_engines_ask_the_image_and_the_task_the_same_question() -> None:
    asked = yaml.safe_load(re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[0])
    assert CONTAINER["HealthCheck"]["Command"] == ["CMD", *asked]
    ports = re.findall(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)[0].split()
    assert ports == [str(one["ContainerPort"]) for one in CONTAINER["PortMappings"]]
