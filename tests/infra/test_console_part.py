"""The console's tasks: the gateway's once more, with the API's rights and behind rules for its own paths."""

from __future__ import annotations

import json
from typing import Any

import yaml

from infra import console
from infra.template import API_POLICY, HERE

GATEWAY: dict[str, Any] = yaml.safe_load((HERE / "template" / "gateway.yaml").read_text())["Resources"]
MADE = console.resources(GATEWAY, json.loads(API_POLICY.read_text()))


def environment(task: Any) -> dict[str, Any]:
    return {one["Name"]: one["Value"] for one in task["Properties"]["ContainerDefinitions"][0]["Environment"]}


def test_the_console_may_do_what_the_api_may_and_the_gateway_none_of_it() -> None:
    """C1, G5"""
    [policy] = MADE["ConsoleTaskRole"]["Properties"]["Policies"]
    assert policy["PolicyDocument"] == json.loads(API_POLICY.read_text())
    assert MADE["ConsoleTask"]["Properties"]["TaskRoleArn"] == {"Fn::GetAtt": ["ConsoleTaskRole", "Arn"]}
    assert GATEWAY["GatewayTask"]["Properties"]["TaskRoleArn"] == {"Fn::GetAtt": ["GatewayTaskRole", "Arn"]}


def test_only_the_consoles_tasks_serve_it() -> None:
    of_console, of_gateway = environment(MADE["ConsoleTask"]), environment(GATEWAY["GatewayTask"])
    assert (of_console["CRS_SERVE_CONSOLE"], of_gateway["CRS_SERVE_CONSOLE"]) == ("true", "false")
    different = {name for name in of_gateway if of_gateway[name] != of_console[name]}
    assert different == {"CRS_SERVE_CONSOLE", "CRS_GATEWAY_PROCESSES"}


def test_each_listener_sends_the_consoles_paths_to_the_port_of_its_own_side() -> None:
    """G2: what came in at the internal listener is told by the port."""
    ports = {
        one["TargetGroupArn"]["Ref"]: one["ContainerPort"]
        for one in MADE["ConsoleService"]["Properties"]["LoadBalancers"]
    }
    for side, port in (("Public", 5000), ("Internal", 5001)):
        rule = MADE[f"Console{side}Rule"]["Properties"]
        assert rule["ListenerArn"] == {"Ref": f"{side}Listener"}
        assert rule["Conditions"][0]["PathPatternConfig"]["Values"] == ["/", "/console", "/console/*"]
        [action] = rule["Actions"]
        assert ports[action["TargetGroupArn"]["Ref"]] == port
        assert MADE[f"Console{side}Targets"]["Properties"]["Port"] == port


def test_nothing_of_it_is_made_without_a_gateway() -> None:
    assert {one["Condition"] for one in MADE.values()} == {"WithGateway"}
