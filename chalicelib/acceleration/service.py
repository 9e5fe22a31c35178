"""The door of the room: images accelerated as pushes and people ask for it, and what came of it.

A conversion is a task, of all tags of one push or of one tag that somebody asked for. Which layers are converted, and
by which recipes, is found out by its steps.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from chalicelib.audit.models import SUCCEEDED, Deed
from chalicelib.audit.service import Audit
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, EditionRequired, ManifestUnknown, NotFound
from chalicelib.kernel.ids import id_at, moment_of, tail_of
from chalicelib.kernel.messages import ImagePushed
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import TransactionCancelled
from chalicelib.registry.companions import BY, companion_keys, companions_in, is_companion
from chalicelib.registry.models import TagRecord
from chalicelib.registry.service import Registry
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories
from chalicelib.surveys.models import ImageRefused
from chalicelib.surveys.service import Surveys
from chalicelib.tasks.models import Task, Trigger
from chalicelib.tasks.service import Tasks

from . import store, switches
from .models import Wanted, Work
from .originals import Originals, marked

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Images that come with their companions, where they have one (Y5).
_BROUGHT: Final = frozenset({"sync", "migration"})
_ENDED: Final = {
    "cancelled": "the conversion was cancelled",
    "failed": "the conversion broke off: ",
}


class Acceleration:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._registry = Registry(stack)
        self._surveys = Surveys(stack)
        self._tasks = Tasks(stack)

    # Beginning

    def accelerate(self, instance: Instance, repository: Repository, tag: TagRecord, by: str) -> Task:
        """Whatever the switches say, and once more where it was done. Raises EditionRequired; Conflict for what is no
        image, is an accelerated one, or can have none beside it."""
        if instance.edition != "enterprise":
            raise EditionRequired("acceleration")
        if is_companion(tag):
            raise Conflict(f"{repository.name}:{tag.name} is an accelerated image itself")
        beside = companion_keys(repository.id, [tag.name])
        if not beside:
            raise Conflict(switches.too_long(tag.name))
        found = self._stack.table.get_many(list(beside.values()))
        if found and not companions_in(found, beside):
            raise Conflict(switches.taken(tag.name))
        try:
            self._surveys.images_of(instance, repository.id, tag.digest)
        except ImageRefused as refused:
            raise Conflict(f"{repository.name}:{tag.name} cannot be accelerated: {refused.message}") from refused
        except ManifestUnknown:
            raise NotFound("there is no such tag") from None
        return self._begin(instance, repository, [tag], by, "manual")

    def accelerate_push(self, instance: Instance, pushed: ImagePushed) -> Task | None:
        """The task of a push into a repository that wants it; None where there is nothing to be done. However often a
        push is told of, it has one task. Where none is wanted, what was made of an earlier push goes."""
        if pushed.pushed_by == BY or not pushed.tags:
            return None
        try:
            repository = Repositories(self._stack).get(instance.id, pushed.repository, fresh=True)
        except NotFound:
            return None
        if repository.id != pushed.repository_id:
            return None
        tags, companions = self._standing(pushed)
        if not switches.are_on(self._stack, instance, repository) or not self._is_image(instance, pushed):
            for name in companions:
                self._registry.retire_companion(instance, repository, name)
            return None
        wanted = [tag for tag in tags if not _done(tag, companions.get(tag.name))]
        if not wanted:
            return None
        by, task_id = pushed.pushed_by, _task_of(pushed.incarnation)
        return self._begin(instance, repository, wanted, by, "push", task_id, later=pushed.how in _BROUGHT)

    def _standing(self, pushed: ImagePushed) -> tuple[list[TagRecord], dict[TagName, TagRecord]]:
        """Tags that still are where this push put them, and what stands beside them."""
        wanted = {TagName(name): keys.tag(pushed.repository_id, name) for name in pushed.tags}
        beside = companion_keys(pushed.repository_id, wanted)
        rows = self._stack.table.get_many([*wanted.values(), *beside.values()])
        tags = [TagRecord.model_validate(rows[key]) for key in wanted.values() if key in rows]
        return [tag for tag in tags if tag.push == pushed.incarnation], companions_in(rows, beside)

    def _is_image(self, instance: Instance, pushed: ImagePushed) -> bool:
        try:
            self._surveys.images_of(instance, pushed.repository_id, pushed.digest)
        except (ManifestUnknown, ImageRefused):
            return False
        return True

    def _begin(
        self,
        instance: Instance,
        repository: Repository,
        tags: list[TagRecord],
        by: str,
        trigger: Trigger,
        task_id: str = "",
        *,
        later: bool = False,
    ) -> Task:
        """later: not before the sweep finds it, since what it would make may be on its way from elsewhere."""
        name, digest = repository.name, Digest(tags[0].digest)
        work = Work(
            repository_id=repository.id,
            repository=name,
            digest=digest,
            tags=tuple(Wanted(name=tag.name, push=tag.push) for tag in tags),
            pushed=trigger == "push",
        )
        subject = {"namespace": name.namespace, "repository": name, "tag": tags[0].name, "digest": digest}
        task, creation = self._tasks.create(
            instance.id,
            "acceleration",
            subject,
            by,
            work=work.model_dump(mode="json"),
            trigger=trigger,
            task_id=task_id,
        )
        try:
            self._stack.table.transact([creation])
        except TransactionCancelled:
            # The push was told of before.
            return self._tasks.get(instance.id, task.id)
        for tag in tags:
            self._registry.mark_tag(tag, marked(tag, "queued", task=task.id))
        if not later:
            self._tasks.start(task)
        return task

    # Ending

    def tell_ended(self, instance: Instance, task: Task) -> None:
        """A task has ended: the audit record says how; what it left in the middle waits for it no more. Safe to
        repeat."""
        standing = self._tasks.several(instance.id, [task.id]).get(task.id)
        work = Work.model_validate(task.work) if task.work else None
        if task.state in _ENDED and work is not None and (standing is None or standing.finished):
            self._release(instance, task, work)
        if instance.edition == "enterprise" and task.finished_at is not None:
            self._file_end(instance, task)

    def _release(self, instance: Instance, task: Task, work: Work) -> None:
        message = _ENDED[task.state] + task.error
        originals = Originals(self._stack, instance, task, work)
        rows = self._stack.table.get_many([keys.tag(work.repository_id, wanted.name) for wanted in work.tags])
        for tag in map(TagRecord.model_validate, rows.values()):
            mark = tag.acceleration
            if mark is not None and mark.task == task.id and mark.state in ("queued", "running"):
                originals.mark_failed(tag, "interrupted", message)
        originals.retire_stale()

    def _file_end(self, instance: Instance, task: Task) -> None:
        ended = task.finished_at
        if ended is None or (task.state == "succeeded" and not task.counts.get("accelerated")):
            return
        said = f"{task.subject['tag']}@{task.subject['digest']}"
        deed = Deed(
            time=ended,
            user=task.created_by,
            object_type="acceleration",
            namespace=task.subject["namespace"],
            repository=task.subject["repository"],
            object=f"{said}: {task.error}" if task.error else said,
            action="finish",
            result=SUCCEEDED if task.state == "succeeded" else task.state,
        )
        about = f"{task.id}#{to_text(ended)}"
        table, now = self._stack.table, self._stack.clock.now()

        def claim(seen: str, wanted: str) -> str:
            return store.claim_entry(table, instance.id, about, seen, wanted, now)

        Audit(self._stack).file(instance.id, deed, _tail(about), claim)


def _done(tag: TagRecord, companion: TagRecord | None) -> bool:
    """A tag that came back with what was made of it: nothing else would be made now."""
    mark = tag.acceleration
    return mark is not None and mark.state == "succeeded" and companion is not None and companion.digest == mark.digest


def _task_of(incarnation: str) -> str:
    """Its scan has the push's own id."""
    return id_at(moment_of(incarnation), _tail(f"acceleration {incarnation}"))


def _tail(about: str) -> str:
    hashed = blake2b(about.encode(), digest_size=len(tail_of(_ALPHABET[:26]))).digest()
    return "".join(_ALPHABET[byte % 32] for byte in hashed)
