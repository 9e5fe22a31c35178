"""Which versions, once pushed, never change (P1): rules, tried out before they are saved."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from chalicelib.immutability.api import (
    create_immutability_rule,
    delete_immutability_rule,
    edit_immutability_rule,
    list_immutability_rules,
    show_immutability_rule,
)
from chalicelib.namespaces.api import list_namespaces
from chalicelib.registry.tags_api import list_matching_tags

from ..patterns import fault, given, tried, trying
from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/immutability"
_RULE: Final = _PATH + "/{rule}"
_NAMESPACES: Final = 200
# What a deletion is warned with counts so far.
_COUNTED: Final = 200


@pages.get(_PATH)
def rules(visit: Visit) -> Response:
    asked = visit.asked("cursor", "search", "sort", "namespace", "enabled")
    return visit.show("immutability/list.html", page=visit.ask(list_immutability_rules, query=asked))


@pages.get(_PATH + "/new")
def new(visit: Visit) -> Response:
    found = visit.ask(list_namespaces, query={"limit": _NAMESPACES})
    names = [namespace.name for namespace in found.items]
    chosen = given(visit, "namespace", names[0] if names else "")
    return visit.show("immutability/new.html", names=names, chosen=chosen, **_patterns(visit, chosen))


@pages.post(_PATH + "/new", again=new)
def create(visit: Visit) -> Response:
    body = visit.form.given("namespace", "repositories", "tags")
    made = visit.ask(create_immutability_rule, body={**body, "enabled": visit.form.yes("enabled")})
    told = visit.words("The rule for %(name)s holds now", name=made.body.namespace)
    return visit.go(visit.within("immutability"), told)


@pages.get(_RULE + "/edit")
def edit(visit: Visit) -> Response:
    rule = visit.ask(show_immutability_rule)
    values = _patterns(visit, rule.namespace, rule.repositories, rule.tags, rule.enabled)
    return visit.show("immutability/edit.html", rule=rule, **values)


@pages.post(_RULE + "/edit", again=edit)
def change(visit: Visit) -> Response:
    body = {**visit.form.given("repositories", "tags"), "enabled": visit.form.yes("enabled")}
    visit.ask(edit_immutability_rule, body=body)
    return visit.go(visit.within("immutability"), visit.words("Saved"))


@pages.post(_RULE + "/enabled")
def switch(visit: Visit) -> Response:
    rule = visit.ask(edit_immutability_rule, body={"enabled": visit.form.yes("enabled")})
    told = visit.words("The rule holds again") if rule.enabled else visit.words("The rule holds nothing any more")
    return visit.go(visit.within("immutability"), told)


@pages.get(_RULE + "/delete")
def ask_delete(visit: Visit) -> Response:
    rule = visit.ask(show_immutability_rule)
    query = {"repositories": rule.repositories, "tags": rule.tags, "limit": _COUNTED}
    held = visit.ask(list_matching_tags, query=query, namespace=rule.namespace)
    return visit.show("immutability/delete.html", rule=rule, held=held)


@pages.post(_RULE + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    visit.ask(delete_immutability_rule)
    return visit.go(visit.within("immutability"), visit.words("The rule is gone"))


def _patterns(
    visit: Visit, namespace: str, repositories: str = "**", tags: str = "**", enabled: bool = True
) -> dict[str, Any]:
    """What the form shows, what its patterns mean now, and where they go wrong."""
    matching = tried(visit, namespace)
    wrong = {name: found for name in ("repositories", "tags") if (found := fault(visit, name))}
    return {
        "repositories": given(visit, "repositories", repositories),
        "tags": given(visit, "tags", tags),
        "enabled": visit.form.yes("enabled") if trying(visit) else enabled,
        "matching": matching,
        "wrong": wrong,
    }
