"""What a recorded run saw, in a file: who → action → resource → which partitions of the table's rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any, Final

from .recording import Right

RECORDED: Final = Path(__file__).with_name("recorded_calls.json")
Rights = Mapping[str, Set[Right]]


def write(rights: Rights, path: Path = RECORDED) -> None:
    """In one order, whatever order the calls had."""
    calls: dict[str, Any] = {}
    for name, of_one in sorted(rights.items()):
        for right in sorted(of_one):
            resources = calls.setdefault(name, {}).setdefault(right.action, {})
            resources.setdefault(right.resource, []).extend([right.partition] if right.partition else [])
    path.write_text(_text(calls))


def recorded(path: Path = RECORDED) -> Rights:
    calls = json.loads(path.read_text())
    return {
        name: frozenset(
            Right(action, resource, partition)
            for action, resources in actions.items()
            for resource, partitions in resources.items()
            for partition in partitions or [""]
        )
        for name, actions in calls.items()
    }


def _text(calls: Mapping[str, Mapping[str, Mapping[str, list[str]]]]) -> str:
    """A line for each action on a resource, so that a difference can be read."""
    lines = []
    for name, actions in calls.items():
        of_one = []
        for action, resources in actions.items():
            inside = [f"   {json.dumps(resource)}: {json.dumps(found)}" for resource, found in resources.items()]
            of_one.append(f"  {json.dumps(action)}: {{\n" + ",\n".join(inside) + "\n  }")
        lines.append(f" {json.dumps(name)}: {{\n" + ",\n".join(of_one) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"
