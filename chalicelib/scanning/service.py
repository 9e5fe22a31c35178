"""The door of the room: scans begun by people and by pushes, and what came of them.

A scan is a task: of one tag, or of all tags of a namespace. What it finds belongs to the image's digest, so tags and
repositories that share an image share its result.
"""

from __future__ import annotations

from typing import Final

from chalicelib.findings.models import ScanRecord, ScanSummary
from chalicelib.findings.service import Findings
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, ManifestUnknown, NotFound
from chalicelib.kernel.messages import ImagePushed
from chalicelib.kernel.names import RepositoryName
from chalicelib.namespaces.models import Namespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import TransactionCancelled
from chalicelib.registry.models import TagRecord
from chalicelib.repositories.models import Repository
from chalicelib.surveys.models import ImageRefused
from chalicelib.surveys.service import Surveys
from chalicelib.tasks.models import Task, Trigger
from chalicelib.tasks.service import Tasks

from .models import Failure, Target, Work
from .results import Results
from .views import PlatformScan, ScanView, scan_view

_ENDED: Final = {
    "cancelled": "the scan was cancelled",
    "failed": "the scan broke off; its task says why",
}


class Scanning:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._findings = Findings(stack)
        self._results = Results(stack)
        self._surveys = Surveys(stack)
        self._tasks = Tasks(stack)

    # Beginning

    def scan_tag(self, instance: Instance, repository: Repository, tag: TagRecord, by: str) -> Task:
        """Raises Conflict where the tag names no image."""
        target = Target(repository_id=repository.id, repository=repository.name, tag=tag.name, digest=tag.digest)
        try:
            self._surveys.images_of(instance, repository.id, tag.digest)
        except ImageRefused as refused:
            raise Conflict(f"{repository.name}:{tag.name} cannot be scanned: {refused.message}") from refused
        except ManifestUnknown:
            raise NotFound("there is no such tag") from None
        return self._begin(instance, target, by, "manual")

    def scan_namespace(self, namespace: Namespace, by: str) -> Task:
        """All tags that it has, and that come while it is scanned."""
        work = Work(what="namespace", namespace_id=namespace.id)
        task, creation = self._tasks.create(
            namespace.instance_id, "scan", {"namespace": namespace.name}, by, work=work.model_dump(mode="json")
        )
        self._stack.table.transact([creation])
        self._tasks.start(task)
        return task

    def scan_push(self, instance: Instance, pushed: ImagePushed) -> Task | None:
        """The task of a push into a namespace that wants it; None where it does not, or this is no image. However often
        a push is told of, it has one task, as its id follows from the push."""
        name = RepositoryName(pushed.repository)
        target = Target(
            repository_id=pushed.repository_id,
            repository=name,
            tag=pushed.tags[0] if pushed.tags else "",
            digest=pushed.digest,
        )
        try:
            if not Namespaces(self._stack).get(instance.id, name.namespace, fresh=True).scan_on_push:
                return None
            self._surveys.images_of(instance, target.repository_id, target.digest)
        except (NotFound, ImageRefused):
            return None  # Deleted meanwhile, or no image.
        return self._begin(instance, target, pushed.pushed_by, "push", pushed.incarnation)

    def _begin(self, instance: Instance, target: Target, by: str, trigger: Trigger, task_id: str = "") -> Task:
        name = RepositoryName(target.repository)
        subject = {"namespace": name.namespace, "repository": name, "tag": target.tag, "digest": target.digest}
        work = Work(what="image", target=target).model_dump(mode="json")
        task, creation = self._tasks.create(
            instance.id, "scan", subject, by, work=work, trigger=trigger, task_id=task_id
        )
        try:
            self._stack.table.transact([creation])
        except TransactionCancelled:
            # The push was told of before.
            return self._tasks.get(instance.id, task.id)
        self._results.note(instance, target.digest, state="queued", task=task.id, repository_id=target.repository_id)
        self._tasks.start(task)
        return task

    def tell_ended(self, instance: Instance, task: Task) -> None:
        """A task has ended before it was through: what it had taken up waits for it no more. Safe to repeat."""
        if task.state not in _ENDED or not task.work:
            return
        work = Work.model_validate(task.work)
        failure = Failure(reason="interrupted", message=_ENDED[task.state])
        for digest in dict.fromkeys(filter(None, (work.image, work.target.digest if work.target else ""))):
            self._results.drop(instance, digest, task.id, failure)

    # What came of them

    def record(self, instance: Instance, digest: str) -> ScanRecord:
        """Of an image or index; one that nobody scanned has an empty one."""
        return self._findings.of(instance.id, digest) or ScanRecord(instance_id=instance.id, digest=digest)

    def view(self, instance: Instance, repository: Repository, digest: str) -> ScanView:
        """With the images of an index, each by itself."""
        try:
            images = self._surveys.images_of(instance, repository.id, digest) or {}
        except (ManifestUnknown, ImageRefused):
            images = {}
        found = self._findings.several(instance.id, images)
        platforms = tuple(
            PlatformScan(platform=platform, digest=child, scan=ScanSummary.of(found.get(child)))
            for child, platform in images.items()
        )
        return scan_view(self.record(instance, digest), platforms)
