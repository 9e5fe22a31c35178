"""Background work, as people see it."""

from __future__ import annotations

from chalicelib.edge.answers import Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.kernel.roles import Right

from .models import ItemQuery, Task, TaskItem, TaskQuery, TaskView
from .service import Tasks

routes = Routes("tasks")


@routes.get("/instances/{instance}/tasks", needs=Right.READ_CONTENT, frozen_too=True)
def list_tasks(call: Call, query: TaskQuery) -> Listing[TaskView]:
    """List the background work of an instance, newest first unless something else is said.

    With kind, state or search a page may be short though more follow: go on while `next` is given.
    """
    narrowed = (query.kind, query.state, query.cursor, query.limit)
    page = Tasks(call.stack).list(call.instance.id, *narrowed, search=query.search, sort=query.sort)
    return Listing.of(page.map(TaskView.of))


@routes.get("/instances/{instance}/tasks/{task}", needs=Right.READ_CONTENT, frozen_too=True)
def get_task(call: Call) -> TaskView:
    """Show a task: its state, how far it has come, and why it failed."""
    return TaskView.of(Tasks(call.stack).get(call.instance.id, call.parts["task"]))


@routes.get("/instances/{instance}/tasks/{task}/items", needs=Right.READ_CONTENT, frozen_too=True)
def list_task_items(call: Call, query: ItemQuery) -> Listing[TaskItem]:
    """List what a task did so far, thing by thing."""
    tasks = Tasks(call.stack)
    task = tasks.get(call.instance.id, call.parts["task"])
    descending = query.sort == "-name"
    return Listing.of(tasks.items(task, query.verdict, query.cursor, query.limit, query.search, descending=descending))


@routes.post("/instances/{instance}/tasks/{task}/cancel", needs=Right.CHANGE_CONTENT, changes="task.cancel", status=200)
def cancel_task(call: Call) -> TaskView:
    """Stop a task. What it has done stays done."""
    return TaskView.of(Tasks(call.stack).cancel(_named(call)))


@routes.post("/instances/{instance}/tasks/{task}/retry", needs=Right.CHANGE_CONTENT, changes="task.retry", status=200)
def retry_task(call: Call) -> TaskView:
    """Let a task that failed or was cancelled go on where it stopped."""
    return TaskView.of(Tasks(call.stack).retry(_named(call)))


def _named(call: Call) -> Task:
    """What {task} in the path means, told to the audit record. Raises NotFound."""
    task = Tasks(call.stack).get(call.instance.id, call.parts["task"])
    about = {name: task.subject[name] for name in ("namespace", "repository") if name in task.subject}
    call.tell(object=task.id, **about)
    return task
