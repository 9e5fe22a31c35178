"""Deleting an instance through the API."""

from __future__ import annotations

from pydantic import BaseModel

from chalicelib.edge.answers import Accepted, Confirmation
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import StorageUse, instance_of
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import ConfirmationRequired
from chalicelib.kernel.modelling import MADE
from chalicelib.kernel.roles import Right
from chalicelib.registry.losses import Losing, in_words
from chalicelib.tasks.models import TaskView

from .service import Closing

routes = Routes("closing")


class InstanceLosses(BaseModel):
    """What deleting an instance would take. immutable_tags: some rule keeps them; more: there may be more of these.

    storage   bytes stored, and those in the recycle bin, none of which could be restored
    """

    model_config = MADE

    namespaces: int
    repositories: int
    immutable_tags: int
    more: bool
    storage: StorageUse


@routes.get("/instances/{instance}/losses", needs=Right.READ_BILLING, frozen_too=True, from_anywhere=True)
def show_instance_losses(call: Call) -> InstanceLosses:
    """Show what deleting an instance would take with it."""
    instance = instance_of(call)
    used = Instances(call.stack).usage(instance)
    immutable, more = Losing(call.stack, instance).immutable()
    return InstanceLosses(
        namespaces=used.namespaces.used,
        repositories=used.repositories.used,
        immutable_tags=immutable,
        more=more,
        storage=used.storage,
    )


@routes.delete(
    "/instances/{instance}",
    needs=Right.CHANGE_BILLING,
    changes="instance.delete",
    frozen_too=True,
    from_anywhere=True,
    also=(409,),
)
def delete_instance(call: Call, query: Confirmation) -> Accepted[TaskView]:
    """Delete an instance with all it holds, for good.

    Asks for the instance's name as confirmation and says what would be lost: nothing of it can be restored, and what
    was paid is not paid back. From then on nobody gets into it; a task deletes its content, its recycle bin and its
    settings, and then the instance and this task with it: both answer 404 when all is done.
    """
    instance = instance_of(call)
    call.tell(object=instance.name)
    if query.confirm != instance.name:
        used = Instances(call.stack).usage(instance)
        kept = Losing(call.stack, instance).immutable_tags()
        raise ConfirmationRequired(
            f"this deletes instance {instance.name} for good, with {in_words(used.namespaces.used, 'namespace')}, "
            f"{in_words(used.repositories.used, 'repository', 'repositories')}{f', {kept}' if kept else ''} and "
            f"{used.storage.used} bytes of content; confirm with ?confirm={instance.name}"
        )
    task = Closing(call.stack).begin(instance, call.by)
    return Accepted(TaskView.of(task), f"/instances/{instance.id}/tasks/{task.id}")
