"""Accelerated images in the management API (A1, A3): made on request, shown, and helped by a list of first files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.edge.answers import Accepted
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.roles import Right
from chalicelib.registry.tags_api import tag_of
from chalicelib.repositories.api import REPOSITORY, repository_of
from chalicelib.tasks.models import TaskView

from .models import NewFirstFiles
from .views import AccelerationView, FirstFilesView

if TYPE_CHECKING:
    from .first_files import FirstFiles

routes = Routes("acceleration")

_FEATURE = "acceleration"
_FIRST_FILES = f"{REPOSITORY}/first-files"


@routes.post(
    f"{REPOSITORY}/tags/{{tag}}/accelerate", needs=Right.CHANGE_CONTENT, changes="tag.accelerate", feature=_FEATURE
)
def accelerate_tag(call: Call) -> Accepted[TaskView]:
    """Make an accelerated image of a tag, whatever the switches say.

    It stands beside the original under the tag's name with `-accelerated` behind it, and runs before it is downloaded.
    Layers that were converted before are not converted again. Done once more after the list of first files changed, it
    is made anew. 409 for what is no image, is an accelerated one, or whose name is too long or taken.
    """
    from .service import Acceleration

    instance, repository = instance_of(call), repository_of(call)
    tag = tag_of(call, repository)
    call.tell(object=tag.name)
    task = Acceleration(call.stack).accelerate(instance, repository, tag, call.by)
    return Accepted(TaskView.of(task), f"/instances/{instance.id}/tasks/{task.id}")


@routes.get(f"{REPOSITORY}/tags/{{tag}}/acceleration", needs=Right.READ_CONTENT)
def show_acceleration(call: Call) -> AccelerationView:
    """Show what became of a tag's accelerated image.

    State and reason, both sizes, what each layer was converted to, how many files come first and who told them, and
    how nodes run it.
    """
    from .showing import Showing

    repository = repository_of(call)
    return Showing(call.stack, instance_of(call), repository).view(tag_of(call, repository))


@routes.get(_FIRST_FILES, needs=Right.READ_CONTENT)
def show_first_files(call: Call) -> FirstFilesView:
    """Show the files that a repository's images need first, as its users told; empty where nobody did."""
    return _first_files(call).of(repository_of(call))


@routes.put(_FIRST_FILES, needs=Right.CHANGE_CONTENT, changes="repository.tell_first_files", feature=_FEATURE)
def tell_first_files(call: Call, body: NewFirstFiles) -> FirstFilesView:
    """Tell which files the repository's images need first, in that order.

    A list that was traced while a container started halves the time until the next one has: measured, 3.0 s instead of
    5.5 s. Without one the entrypoint, its interpreter and its libraries come first, which hardly helps. Trace it with
    `strace -f -e trace=open,openat,execve,readlink,stat` around the entrypoint, or with `ctr-remote image optimize`,
    whose record is understood too. It holds for images pushed from now on, and for tags that are accelerated anew; an
    artifact of type `application/vnd.crs.first-files.v1` beside an image comes before it. Up to 10 000 paths, 1 MiB.
    """
    repository = repository_of(call)
    call.tell(object=f"{len(body.files)} files")
    return _first_files(call).tell(repository, body.files, call.by)


@routes.delete(_FIRST_FILES, needs=Right.CHANGE_CONTENT, changes="repository.forget_first_files")
def forget_first_files(call: Call) -> None:
    """Forget the list: what the images themselves tell comes first again."""
    _first_files(call).forget(repository_of(call))


def _first_files(call: Call) -> FirstFiles:
    # A function that serves the API starts without what packs and checks lists.
    from .first_files import FirstFiles

    return FirstFiles(call.stack)
