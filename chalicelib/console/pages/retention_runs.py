"""Retention carried out (P4, P5): its schedule, runs and dry runs, and what became of every version."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from starlette.responses import Response

from chalicelib.kernel.errors import Refused
from chalicelib.retention.api import (
    list_retention_rules,
    list_retention_run_items,
    list_unmatched_tags,
    run_retention,
    set_retention,
    show_retention,
    show_retention_run,
    try_retention_schedule,
)
from chalicelib.tasks.api import cancel_task

from ..patterns import given, trying
from ..visit import Visit
from . import Pages
from .retention import NAMESPACE, home, namespace

pages = Pages()

_RUN: Final = NAMESPACE + "/runs/{run}"
_COUNTED: Final = 200
_FEW: Final = 10


@pages.get(NAMESPACE + "/schedule")
def schedule(visit: Visit) -> Response:
    if visit.refused:
        # Fields of the form bear no path: `schedule.cron` is its `cron`.
        visit.refused.fields = tuple((name.rpartition(".")[2], told) for name, told in visit.refused.fields)
    tried = _tried(visit)
    return visit.show(
        "retention/schedule.html",
        policy=visit.ask(show_retention),
        unmatched=visit.ask(list_unmatched_tags, query={"limit": _COUNTED}),
        tried=tried,
        at=lambda name, now: given(visit, name, now),
    )


def _tried(visit: Visit) -> tuple[datetime, ...]:
    """When the schedule in the page's address would fire; empty where none was asked about, or it is wrong."""
    if not trying(visit):
        return ()
    cron = visit.query.get("preset") or visit.query.get("cron", "")
    try:
        asked = {"cron": cron, "timezone": visit.query.get("timezone", "")}
        return visit.ask(try_retention_schedule, query=asked).next_runs
    except Refused as refused:
        visit.refused = refused
        return ()


@pages.post(NAMESPACE + "/schedule", again=schedule)
def set_schedule(visit: Visit) -> Response:
    form = visit.form
    wanted = {"cron": form.text("cron"), "timezone": form.text("timezone")} if form.text("by") == "schedule" else None
    if wanted and form.text("preset"):
        wanted["cron"] = form.text("preset")
    visit.ask(set_retention, body={"schedule": wanted, "acknowledged": form.yes("acknowledged")})
    told = visit.words("The schedule is saved") if wanted else visit.words("The rules run on request only")
    return visit.go(home(visit), told)


@pages.post(NAMESPACE + "/dry-run", again=namespace)
def dry_run(visit: Visit) -> Response:
    begun = visit.ask(run_retention, body={"dry_run": True})
    return visit.go(home(visit, "runs", begun.task.id), visit.words("A dry run has begun; it deletes nothing"))


@pages.get(NAMESPACE + "/run")
def ask_run(visit: Visit) -> Response:
    return visit.show(
        "retention/run_now.html",
        rules=visit.ask(list_retention_rules).items,
        unmatched=visit.ask(list_unmatched_tags, query={"limit": _COUNTED}),
        few=_FEW,
    )


@pages.post(NAMESPACE + "/run", again=ask_run)
def run(visit: Visit) -> Response:
    begun = visit.ask(run_retention, body={"acknowledged": visit.form.yes("acknowledged")})
    return visit.go(home(visit, "runs", begun.task.id), visit.words("A run has begun"))


@pages.get(_RUN)
def one_run(visit: Visit) -> Response:
    return visit.show(
        "retention/run.html",
        run=visit.ask(show_retention_run),
        page=visit.ask(list_retention_run_items, query=visit.asked("cursor", "verdict", "search")),
    )


@pages.post(_RUN + "/cancel", again=one_run)
def cancel(visit: Visit) -> Response:
    visit.ask(cancel_task, task=visit.parts["run"])
    return visit.go(home(visit, "runs", visit.parts["run"]), visit.words("The run stops"))
