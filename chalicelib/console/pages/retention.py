"""Which versions stay (P3–P5): every namespace with its policy, one namespace's rules, and what they would delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from chalicelib.edge.answers import Listing
from chalicelib.kernel.errors import Refused
from chalicelib.retention.api import (
    create_retention_rule,
    delete_retention_rule,
    edit_retention_rule,
    list_retention,
    list_retention_rules,
    list_retention_runs,
    list_unmatched_tags,
    show_retention,
    show_retention_rule,
    try_retention_rules,
)
from chalicelib.retention.models import RetentionRule, UnmatchedTag

from ..patterns import SHOWN, fault, given, tried
from ..visit import Visit
from . import Pages

pages = Pages()

NAMESPACE: Final = "/instances/{instance}/namespaces/{namespace}/retention"
_RULE: Final = NAMESPACE + "/rules/{rule}"
_FEW: Final = 5


@pages.get("/instances/{instance}/retention")
def overview(visit: Visit) -> Response:
    return visit.show(
        "retention/overview.html", page=visit.ask(list_retention, query=visit.asked("cursor", "search", "sort"))
    )


@pages.get(NAMESPACE)
def namespace(visit: Visit) -> Response:
    asked = visit.asked("cursor", "sort", "dry_run")
    runs = visit.ask(list_retention_runs, query=asked)
    # What refreshes itself while a run is under way shows the list alone.
    values: dict[str, Any] = {} if visit.fragment == "list" else _policy(visit)
    return visit.show("retention/namespace.html", page=runs, **values)


def _policy(visit: Visit) -> dict[str, Any]:
    rules = visit.ask(list_retention_rules).items
    unmatched = visit.ask(list_unmatched_tags, query={"limit": _FEW}) if rules else None
    return {"policy": visit.ask(show_retention), "rules": rules, "unmatched": unmatched}


@pages.get(NAMESPACE + "/unmatched")
def unmatched_tags(visit: Visit) -> Response:
    return visit.show(
        "retention/unmatched.html", page=visit.ask(list_unmatched_tags, query=visit.asked("cursor", "search"))
    )


# Rules


@pages.get(NAMESPACE + "/rules/new")
def new(visit: Visit) -> Response:
    others = visit.ask(list_retention_rules).items
    return visit.show("retention/rule.html", rule=None, others=others, **_form(visit, others, "**", "**", 10))


@pages.post(NAMESPACE + "/rules/new", again=new)
def create(visit: Visit) -> Response:
    visit.ask(create_retention_rule, body=_rule(visit))
    return visit.go(home(visit), visit.words("The rule is saved"))


@pages.get(_RULE + "/edit")
def edit(visit: Visit) -> Response:
    rule = visit.ask(show_retention_rule)
    others = [one for one in visit.ask(list_retention_rules).items if one.id != rule.id]
    values = _form(visit, others, rule.repositories, rule.tags, rule.keep_last)
    return visit.show("retention/rule.html", rule=rule, others=others, **values)


@pages.post(_RULE + "/edit", again=edit)
def change(visit: Visit) -> Response:
    visit.ask(edit_retention_rule, body=_rule(visit))
    return visit.go(home(visit), visit.words("The rule is saved"))


@pages.get(_RULE + "/delete")
def ask_delete(visit: Visit) -> Response:
    rule, policy = visit.ask(show_retention_rule), visit.ask(show_retention)
    others = [one for one in visit.ask(list_retention_rules).items if one.id != rule.id]
    return visit.show("retention/delete.html", rule=rule, policy=policy, going=_going(visit, others))


@pages.post(_RULE + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    visit.ask(delete_retention_rule, query={"acknowledged": visit.form.yes("acknowledged")})
    return visit.go(home(visit), visit.words("The rule is gone"))


def home(visit: Visit, *rest: str) -> str:
    return visit.within("namespaces", visit.parts["namespace"], "retention", *rest)


def _rule(visit: Visit) -> dict[str, object]:
    form = visit.form
    keep = {"keep_last": form.number("keep_last"), "acknowledged": form.yes("acknowledged")}
    return {**form.given("repositories", "tags"), **keep}


def _form(
    visit: Visit, others: Sequence[RetentionRule], repositories: str, tags: str, keep_last: int
) -> dict[str, Any]:
    """What the form shows; and in a try-out what its patterns mean, and what no rule at all would speak of then."""
    repositories, tags = given(visit, "repositories", repositories), given(visit, "tags", tags)
    matching = tried(visit, visit.parts["namespace"])
    going = None if matching is None else _going(visit, others, {"repositories": repositories, "tags": tags})
    return {
        "repositories": repositories,
        "tags": tags,
        "keep_last": given(visit, "keep_last", str(keep_last)),
        "matching": matching,
        "going": going,
        "wrong": {name: found for name in ("repositories", "tags") if (found := fault(visit, name))},
        "policy": visit.ask(show_retention),
    }


def _going(
    visit: Visit, rules: Sequence[RetentionRule], new: dict[str, str] | None = None
) -> Listing[UnmatchedTag] | None:
    """Tags that no pattern of these rules would match; None where that cannot be said."""
    proposed = [rule.model_dump(mode="json", include={"repositories", "tags", "keep_last"}) for rule in rules]
    # How many a rule keeps makes no difference here.
    proposed += [{**new, "keep_last": 1}] if new else []
    try:
        return visit.ask(try_retention_rules, body={"rules": proposed}, query={"limit": SHOWN})
    except Refused:
        return None
