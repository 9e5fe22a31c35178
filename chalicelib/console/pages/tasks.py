"""Background work: all that an instance does or did, and each task with what became of every thing (C1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from chalicelib.tasks.api import cancel_task, get_task, list_task_items, list_tasks, retry_task
from chalicelib.tasks.models import UNFINISHED

from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/tasks"
_TASK: Final = _PATH + "/{task}"
# What may become of things, by the kind of task; of the others it is what became of some.
_ENDS: Final[Mapping[str, tuple[str, ...]]] = {
    "sync": ("copied", "unchanged", "left", "blocked", "failed"),
    "migration": ("copied", "unchanged", "left", "failed"),
    "retention": ("deleted", "kept", "skipped"),
    "deletion": ("deleted", "skipped"),
}


@pages.get(_PATH)
def tasks(visit: Visit) -> Response:
    page = visit.ask(list_tasks, query=visit.asked("cursor", "search", "sort", "kind", "state"))
    return visit.show("tasks/list.html", page=page, goes_on=any(task.state in UNFINISHED for task in page.items))


@pages.get(_TASK)
def task(visit: Visit) -> Response:
    shown = visit.ask(get_task)
    return visit.show(
        "tasks/task.html",
        task=shown,
        goes_on=shown.state in UNFINISHED,
        ends=tuple(dict.fromkeys((*_ENDS.get(shown.kind, ()), *sorted(shown.counts)))),
        page=visit.ask(list_task_items, query=visit.asked("cursor", "search", "sort", "verdict")),
    )


@pages.get(_TASK + "/cancel")
def ask_cancel(visit: Visit) -> Response:
    return visit.show("tasks/cancel.html", task=visit.ask(get_task))


@pages.post(_TASK + "/cancel", again=ask_cancel)
def cancel(visit: Visit) -> Response:
    visit.ask(cancel_task)
    return visit.go(visit.within("tasks", visit.parts["task"]), visit.words("The task was cancelled"))


@pages.post(_TASK + "/retry", again=task)
def retry(visit: Visit) -> Response:
    visit.ask(retry_task)
    return visit.go(visit.within("tasks", visit.parts["task"]), visit.words("The task goes on"))
