"""Synchronisation: rules, tasks that somebody asks for, and what came of each (Y1, Y2, Y4, Y5)."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from chalicelib.sync.api import (
    create_sync_rule,
    create_sync_task,
    delete_sync_rule,
    edit_sync_rule,
    list_sync_rules,
    list_sync_tasks,
    show_sync_rule,
)
from chalicelib.sync.models import SyncRuleView
from chalicelib.tasks.models import UNFINISHED

from .. import bringing
from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/sync"
_RULE: Final = _PATH + "/rules/{rule}"
_TASKS: Final = _PATH + "/tasks"


@pages.get(_PATH)
def rules(visit: Visit) -> Response:
    return visit.show("sync/rules.html", page=visit.ask(list_sync_rules, query=visit.asked("cursor", "search", "sort")))


@pages.get(_PATH + "/new")
def new(visit: Visit) -> Response:
    return _form(visit, "sync/new.html")


@pages.post(_PATH + "/new", again=new)
def create(visit: Visit) -> Response:
    body: dict[str, Any] = {"name": visit.form.text("name"), "description": visit.form.text("description")}
    made = visit.ask(create_sync_rule, body={**body, **bringing.order(visit), "enabled": visit.form.yes("enabled")})
    return visit.go(visit.within("sync"), visit.words("Rule %(name)s was made", name=made.body.name))


@pages.get(_RULE + "/edit")
def ask_edit(visit: Visit) -> Response:
    return _form(visit, "sync/edit.html", visit.ask(show_sync_rule))


@pages.post(_RULE + "/edit", again=ask_edit)
def edit(visit: Visit) -> Response:
    body: dict[str, Any] = {"name": visit.form.text("name"), "description": visit.form.text("description")}
    changed = visit.ask(edit_sync_rule, body={**body, **bringing.order(visit)})
    return visit.go(visit.within("sync"), visit.words("%(name)s was changed", name=changed.name))


@pages.post(_RULE + "/switch", again=rules)
def switch(visit: Visit) -> Response:
    rule = visit.ask(edit_sync_rule, body={"enabled": visit.form.yes("enabled")})
    if rule.enabled:
        return visit.go(visit.within("sync"), visit.words("%(name)s brings what is pushed from now on", name=rule.name))
    return visit.go(visit.within("sync"), visit.words("%(name)s is switched off", name=rule.name))


@pages.get(_RULE + "/delete")
def ask_delete(visit: Visit) -> Response:
    return visit.show("sync/delete.html", rule=visit.ask(show_sync_rule))


@pages.post(_RULE + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    rule = visit.ask(show_sync_rule)
    visit.ask(delete_sync_rule)
    return visit.go(visit.within("sync"), visit.words("%(name)s was deleted", name=rule.name))


@pages.get(_TASKS)
def tasks(visit: Visit) -> Response:
    page = visit.ask(list_sync_tasks, query=visit.asked("cursor", "search", "sort", "rule", "state"))
    return visit.show(
        "sync/tasks.html",
        page=page,
        goes_on=any(task.state in UNFINISHED for task in page.items),
        names=bringing.names(visit),
    )


@pages.get(_TASKS + "/new")
def new_task(visit: Visit) -> Response:
    rule = visit.ask(show_sync_rule, rule=visit.query["rule"]) if visit.query.get("rule") else None
    return _form(visit, "sync/new_task.html", rule)


@pages.post(_TASKS + "/new", again=new_task)
def start(visit: Visit) -> Response:
    task = visit.ask(create_sync_task, body=bringing.order(visit)).task
    return visit.go(visit.within("tasks", task.id), visit.words("The task has begun"))


def _form(visit: Visit, template: str, rule: SyncRuleView | None = None) -> Response:
    known = bringing.start_values(visit, rule)
    matching, more, wrong = bringing.tried(visit, known)
    return visit.show(
        template,
        rule=rule,
        known=known,
        targets=bringing.targets(visit),
        namespaces=bringing.namespaces(visit),
        bandwidths=bringing.BANDWIDTHS,
        matching=matching,
        more=more,
        wrong=wrong,
        in_the_way=bringing.in_the_way(visit),
    )
