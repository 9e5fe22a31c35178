"""Advice in the management API (D1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.edge.answers import Accepted
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.errors import DigestInvalid, NotFound
from chalicelib.kernel.names import Digest
from chalicelib.kernel.roles import Right
from chalicelib.repositories.api import REPOSITORY, repository_of
from chalicelib.tasks.models import TaskView

from .models import AdviceView

if TYPE_CHECKING:
    from .service import Advice

routes = Routes("advice")

_ADVICE = f"{REPOSITORY}/manifests/{{digest}}/advice"


@routes.get(_ADVICE, needs=Right.READ_CONTENT)
def show_advice(call: Call) -> AdviceView:
    """Show what the makers of an image could do better.

    Each advice names the layer, the bytes it would save, and what to write instead. Every image that is pushed is
    looked over; until its layers were read the state is `pending`. Of an index, each of its images has its own advice.
    """
    repository = repository_of(call)
    return _advice(call).of(instance_of(call), repository, _digest(call))


@routes.post(_ADVICE, needs=Right.CHANGE_CONTENT, changes="manifest.advise", also=(409,))
def look_over_image(call: Call) -> Accepted[TaskView]:
    """Look an image over now, such as one that was pushed before images were looked over. 409 for what is none."""
    instance, repository = instance_of(call), repository_of(call)
    task = _advice(call).ask(instance, repository, _digest(call), call.by)
    return Accepted(TaskView.of(task), f"/instances/{instance.id}/tasks/{task.id}")


def _advice(call: Call) -> Advice:
    # A function that serves the API starts without what looks images over.
    from .service import Advice

    return Advice(call.stack)


def _digest(call: Call) -> Digest:
    try:
        return Digest.parse(call.parts["digest"])
    except DigestInvalid:
        raise NotFound("there is no such manifest") from None
