"""The part of the template that Chalice does not make: `chalice package --merge-template` lays it over Chalice's own.

    template/*.yaml   written by hand            queues · alarms · dashboard   one of each for whatever app.py declares
                                              console   the gateway's tasks once more, with the API's rights

`{"Include": "policies/gateway.json"}` stands for that file's content; paths begin here, in `infra/`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml
from chalice.app import Chalice, ScheduledEventConfig

from . import alarms, console, dashboard, queues

HERE: Final = Path(__file__).parent
CONFIG: Final = HERE.parent / ".chalice" / "config.json"
API_POLICY: Final = HERE.parent / ".chalice" / "policy-api_handler.json"
Part = dict[str, Any]
# Only one function answers the API. (Chalice packages with the configuration's own variables, so that there this would
# leave out the API altogether.)
_LOGS: Final = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
_EVENTS_ONLY: Final = {"Properties": {"Environment": {"Variables": {"CRS_SERVE_API": "false"}}}}


def build(app: Chalice) -> Part:
    """The whole part, for the event sources that `app` declares. Raises ValueError where two files say one thing."""
    merged: Part = {}
    for path in sorted((HERE / "template").glob("*.yaml")):
        merged = join(merged, included(yaml.safe_load(path.read_text())), path.name)
    waiting = queues.listeners(app)
    clocked = [queues.title(source.name) for source in app.event_sources if isinstance(source, ScheduledEventConfig)]
    functions = ["APIHandler", *(queues.title(source.name) for source in app.event_sources)]
    made = (
        console.resources(merged["Resources"], json.loads(API_POLICY.read_text())),
        dict.fromkeys(functions[1:], _EVENTS_ONLY),
        {f"{function.replace('API', 'Api')}LogGroup": _LOGS for function in functions},
        queues.resources(app, timeouts()),
        alarms.resources(functions, clocked),
        dashboard.resources(functions, [f"{queues.title(name)}Queue" for name in waiting]),
    )
    for resources in made:
        merged = join(merged, {"Resources": resources}, "generated")
    return merged


def timeouts() -> dict[str, int]:
    """Function name → seconds, as `.chalice/config.json` has them."""
    functions = json.loads(CONFIG.read_text())["lambda_functions"]
    return {name: function["lambda_timeout"] for name, function in functions.items()}


def join(one: Part, other: Part, place: str) -> Part:
    """Both, and what lies below both likewise. Raises ValueError naming what is said twice."""
    joined = dict(one)
    for name, value in other.items():
        if isinstance(value, dict) and isinstance(joined.get(name), dict):
            joined[name] = join(joined[name], value, f"{place}: {name}")
        elif name in joined:
            raise ValueError(f"{place}: {name} is there already")
        else:
            joined[name] = value
    return joined


def included(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"Include"}:
            return json.loads((HERE / value["Include"]).read_text())
        return {name: included(below) for name, below in value.items()}
    return [included(below) for below in value] if isinstance(value, list) else value
