"""What the forms of synchronisation offer and send: where from, where to, and which images that means (Y1, Y2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chalicelib.instances.api import list_instances
from chalicelib.kernel.errors import Conflict, NotFound, Refused
from chalicelib.kernel.roles import Right
from chalicelib.namespaces.api import list_namespaces
from chalicelib.registry.tags_api import list_matching_tags
from chalicelib.remotes.api import list_remotes
from chalicelib.sync.api import show_sync_rule
from chalicelib.sync.models import SyncRuleView

from .visit import Visit

_MOST: Final = 200
# A refusal names the rule in the way by its id.
_RULE: Final = re.compile(r"\(([0-9A-Z]{26})\)")
_MIB: Final = 1024 * 1024
BANDWIDTHS: Final = (0, 1 * _MIB, 5 * _MIB, 10 * _MIB, 50 * _MIB, 100 * _MIB)
_TRIED: Final = 20


def targets(visit: Visit) -> list[tuple[str, str, bool]]:
    """(id, name, whether it is a registry elsewhere) of what images can be brought to. This instance comes first."""
    found = visit.ask(list_instances, query={"limit": _MOST}).items
    enterprise = [one for one in found if one.edition == "enterprise"]
    enterprise.sort(key=lambda one: one.id != visit.instance.id)
    known = [(one.id, one.name, False) for one in enterprise]
    # Who may make rules need not be one who sees remotes; their names do, typed.
    if visit.may(Right.READ_SETTINGS):
        known += [(one.id, one.name, True) for one in visit.ask(list_remotes, query={"limit": _MOST}).items]
    return known


def names(visit: Visit) -> dict[str, str]:
    """Of targets, by id, as far as they can be looked up: what was brought is told of while an instance is frozen."""
    try:
        return {one: name for one, name, _ in targets(visit)}
    except Refused:
        return {}


def namespaces(visit: Visit) -> list[str]:
    return [one.name for one in visit.ask(list_namespaces, query={"limit": _MOST}).items]


def start_values(visit: Visit, rule: SyncRuleView | None = None) -> dict[str, Any]:
    """What the form shows: what the address says, as its button for trying sends it, else what the rule is."""
    names = ("source_namespace", "source_repositories", "source_tags", "target_instance", "target_namespace")
    known: dict[str, Any] = {name: getattr(rule, name) for name in names} if rule else dict.fromkeys(names, "")
    known |= {name: visit.query[name] for name in names if name in visit.query}
    known |= {
        "content": rule.content if rule else ("image", "chart"),
        "override": rule.override if rule else False,
        "bandwidth": rule.bandwidth if rule else 0,
    }
    if visit.query.get("try"):
        # The last of each name is known; of the boxes each has a name of its own.
        known["content"] = tuple(one for one in ("image", "chart") if visit.query.get(one))
        known["override"] = bool(visit.query.get("override"))
        known["bandwidth"] = visit.query.get("bandwidth", "0")
    return known


def tried(visit: Visit, known: Mapping[str, Any]) -> tuple[Sequence[Any], bool, str]:
    """Which versions the patterns mean now: some of them, whether there are more, and what is wrong with a pattern."""
    if not visit.query.get("try") or not known["source_namespace"]:
        return (), False, ""
    patterns = {"repositories": known["source_repositories"] or "**", "tags": known["source_tags"] or "**"}
    try:
        page = visit.ask(
            list_matching_tags, query={**patterns, "limit": _TRIED}, namespace=str(known["source_namespace"])
        )
    except Refused as refused:
        return (), False, refused.message
    return page.items, page.next is not None, ""


def order(visit: Visit) -> dict[str, Any]:
    """The fields that rules and tasks have in common, as the API wants them."""
    form = visit.form
    body: dict[str, Any] = {name: form.text(name) for name in ("source_namespace", "target_instance")}
    body |= {name: form.text(name) for name in ("source_repositories", "source_tags", "target_namespace")}
    body["content"] = [one for one in ("image", "chart") if form.yes(one)]
    body["override"] = form.yes("override")
    bandwidth = form.number("bandwidth")
    return body if bandwidth is None else {**body, "bandwidth": bandwidth}


def in_the_way(visit: Visit) -> SyncRuleView | None:
    """The rule because of which this one is refused, if it is of this instance."""
    if not isinstance(visit.refused, Conflict) or not (named := _RULE.search(visit.refused.message)):
        return None
    try:
        return visit.ask(show_sync_rule, rule=named[1])
    except NotFound:
        return None
