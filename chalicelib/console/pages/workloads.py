"""Rules by which CI jobs log in without a stored password (X4)."""

from __future__ import annotations

import json
from typing import Final

from starlette.responses import Response

from chalicelib.credentials.api import (
    create_workload_identity,
    delete_workload_identity,
    list_credentials,
    list_workload_identities,
    show_workload_identity,
)
from chalicelib.kernel.errors import Invalid
from chalicelib.namespaces.api import list_namespaces

from .. import permissions
from ..visit import Visit
from ..workload_snippets import KINDS, example_of, kind_of, snippet
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/workloads"
_ONE: Final = _PATH + "/{workload}"
_OFFERED: Final = 200


@pages.get(_PATH)
def workloads(visit: Visit) -> Response:
    asked = visit.asked("cursor", "search", "sort")
    return visit.show("workloads/list.html", page=visit.ask(list_workload_identities, query=asked))


@pages.get(_PATH + "/new")
def new(visit: Visit) -> Response:
    chosen = visit.form.text("platform") or visit.query.get("platform", "")
    namespaces = visit.ask(list_namespaces, query={"limit": _OFFERED}).items
    return visit.show(
        "workloads/new.html",
        platforms=KINDS,
        platform=chosen if chosen in KINDS else KINDS[0],
        example=example_of(chosen),
        rows=permissions.rows(visit.form),
        actions=permissions.ACTIONS,
        namespaces=namespaces,
    )


@pages.post(_PATH + "/new", again=new)
def create(visit: Visit) -> Response:
    form = visit.form = permissions.renumbered(visit.form)
    if permissions.asks_for_more(form):
        return new(visit)
    order = {
        **form.given("issuer", "subject", "audience"),
        "claims": _claims(form.lines("claims")),
        "permissions": permissions.given(form),
        "lifetime_s": form.number("lifetime_s"),
    }
    made = visit.ask(create_workload_identity, body=order).body
    return visit.go(visit.within("workloads", made.id), visit.words("Jobs can log in now. The example shows how."))


def _claims(lines: list[str]) -> dict[str, object]:
    """`name=text`, or `name:=value` for true, false and numbers. Raises Invalid."""
    claims: dict[str, object] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals:
            raise Invalid("claims", "is a claim a line, such as name=value")
        if not name.endswith(":"):
            claims[name.strip()] = value.strip()
            continue
        try:
            claims[name[:-1].strip()] = json.loads(value)
        except ValueError as malformed:
            raise Invalid("claims", "after := stands true, false or a whole number") from malformed
    return claims


@pages.get(_ONE)
def workload(visit: Visit) -> Response:
    rule = visit.ask(show_workload_identity)
    platform = visit.query.get("platform", "")
    chosen = platform if platform in KINDS else kind_of(rule.issuer)
    return visit.show(
        "workloads/show.html",
        rule=rule,
        platforms=KINDS,
        platform=chosen,
        snippet=snippet(chosen, rule.audience, visit.instance, visit.origin),
    )


@pages.get(_ONE + "/delete")
def ask_delete(visit: Visit) -> Response:
    rule = visit.ask(show_workload_identity)
    # Those that live longest come first: what is over stays a while.
    query = {"kind": "workload", "sort": "-expires_at", "limit": _OFFERED}
    given, now = visit.ask(list_credentials, query=query), visit.stack.clock.now()
    living = [one for one in given.items if one.expires_at is not None and one.expires_at > now]
    return visit.show(
        "workloads/delete.html",
        rule=rule,
        living=sum(1 for one in living if one.workload == rule.id),
        more=given.next is not None and len(living) == len(given.items),
    )


@pages.post(_ONE + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    visit.ask(delete_workload_identity)
    return visit.go(visit.within("workloads"), visit.words("No job logs in by that rule any more"))
