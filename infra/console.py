"""The console's container service, made of the gateway's: the same image, listeners and network, rights of its own.

/console… ──► rules of both listeners ──► ConsolePublicTargets · ConsoleInternalTargets ──► ConsoleService

The console does what the management API does, in its user's name, so its role has the API's own policy. The gateway's
tasks, which strangers' bytes stream through, keep their few rights: they may touch nobody's account or session.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

Resources = dict[str, Any]

_PATHS: Final = ["/", "/console", "/console/*"]
# Pages are small and people few: half a processor answers some hundred of them a second.
_CPU, _MEMORY_MIB = "512", "1024"
_DIFFERENT: Final = {"CRS_SERVE_CONSOLE": "true", "CRS_GATEWAY_PROCESSES": "1"}


def resources(gateway: Resources, api_policy: dict[str, Any]) -> Resources:
    """gateway: the hand-written resources of `template/gateway.yaml`; api_policy: of whoever serves the API."""
    made: Resources = {
        "ConsoleTaskRole": _role(gateway["GatewayTaskRole"], api_policy),
        "ConsoleTask": _task(gateway["GatewayTask"]),
        "ConsoleService": _service(gateway["GatewayService"]),
    }
    for side in ("Public", "Internal"):
        made[f"Console{side}Targets"] = deepcopy(gateway[f"{side}Targets"])
        made[f"Console{side}Rule"] = _rule(side)
    return made


def _role(gateway: Any, policy: dict[str, Any]) -> Any:
    role = deepcopy(gateway)
    role["Properties"]["Policies"] = [{"PolicyName": "console", "PolicyDocument": policy}]
    return role


def _task(gateway: Any) -> Any:
    task = deepcopy(gateway)
    told = task["Properties"]
    told["Family"] = {"Fn::Sub": "${AWS::StackName}-console"}
    told["Cpu"], told["Memory"] = _CPU, _MEMORY_MIB
    told["TaskRoleArn"] = {"Fn::GetAtt": ["ConsoleTaskRole", "Arn"]}
    container = told["ContainerDefinitions"][0]
    container["Name"] = "console"
    container["LogConfiguration"]["Options"]["awslogs-stream-prefix"] = "console"
    for variable in container["Environment"]:
        variable["Value"] = _DIFFERENT.get(variable["Name"], variable["Value"])
    return task


def _service(gateway: Any) -> Any:
    service = deepcopy(gateway)
    service["DependsOn"] = ["ConsolePublicRule", "ConsoleInternalRule"]
    told = service["Properties"]
    told["TaskDefinition"] = {"Ref": "ConsoleTask"}
    told["DesiredCount"] = {"Ref": "ConsoleTasks"}
    told["LoadBalancers"] = [
        {"ContainerName": "console", "ContainerPort": port, "TargetGroupArn": {"Ref": f"Console{side}Targets"}}
        for side, port in (("Public", 5000), ("Internal", 5001))
    ]
    return service


def _rule(side: str) -> Any:
    return {
        "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
        "Condition": "WithGateway",
        "Properties": {
            "ListenerArn": {"Ref": f"{side}Listener"},
            "Priority": 10,
            "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": _PATHS}}],
            "Actions": [{"Type": "forward", "TargetGroupArn": {"Ref": f"Console{side}Targets"}}],
        },
    }
