"""Migrations in the management API (K2, K3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.edge.answers import Accepted, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.roles import Right
from chalicelib.tasks.models import TasksAsked, TaskView

from .models import MigrationOrder

if TYPE_CHECKING:
    from .service import Migrations

routes = Routes("migration")

_MIGRATIONS = "/instances/{instance}/migrations"


@routes.get(_MIGRATIONS, needs=Right.READ_CONTENT, frozen_too=True)
def list_migrations(call: Call, query: TasksAsked) -> Listing[TaskView]:
    """List the migrations of an instance, newest first unless something else is said.

    A page may be short though more follow: go on while `next` is given.
    """
    page = _migrations(call).page(instance_of(call), query)
    return Listing.of(page.map(TaskView.of))


@routes.post(_MIGRATIONS, needs=Right.CHANGE_CONTENT, changes="migration.start")
def start_migration(call: Call, body: MigrationOrder) -> Accepted[TaskView]:
    """Bring images in from other registries, or take all that this instance has over into another one.

    With `images` and `auth`, which are image-syncer's files: from any registry, or from an instance of the account by
    its id or address. With `target_instance`: namespaces with their switches, repositories, tags and what refers to
    them, personal instances included. Inside one store no bytes move. What is there already is left as it is, so a
    second run does only what the first did not. The task's items tell of each image.
    """
    instance = instance_of(call)
    task = _migrations(call).start(call, instance, body)
    call.tell(object=task.id)
    return Accepted(TaskView.of(task), f"/instances/{instance.id}/tasks/{task.id}")


def _migrations(call: Call) -> Migrations:
    # A function that serves the API starts without it.
    from .service import Migrations

    return Migrations(call.stack)
