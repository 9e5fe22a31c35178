"""The door of the room: advice on an image, from its config and from the lists that surveys keep of its layers.

kept report ─► told                         no report, all layers read before ─► made now, kept, told
                                            a layer that nobody read          ─► pending
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, ManifestUnknown, NotFound
from chalicelib.kernel.messages import ImagePushed
from chalicelib.kernel.names import RepositoryName
from chalicelib.layers.contents import read_contents
from chalicelib.layers.entries import LayerRefused
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import TransactionCancelled
from chalicelib.registry import description
from chalicelib.registry.bodies import Bodies
from chalicelib.registry.companions import BY
from chalicelib.repositories.models import Repository
from chalicelib.surveys.models import ImageLayers, ImageRefused
from chalicelib.surveys.service import Surveys
from chalicelib.tasks.models import Task, Trigger
from chalicelib.tasks.service import Tasks

from . import store
from .history import instructions
from .image import Image, Start
from .image_files import ImageFiles
from .models import AdviceState, AdviceView, ImageAdvice, Report, Work
from .places import is_secret
from .rules import advise

_BASE: Final = "org.opencontainers.image.base.name"
_PENDING: Final = "its layers were not all read yet; a task that looks it over, or a scan, does so"


class Advice:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._surveys = Surveys(stack)
        self._bodies = Bodies(stack)
        self._tasks = Tasks(stack)

    # Telling

    def of(self, instance: Instance, repository: Repository, digest: str) -> AdviceView:
        """Of an image, or of an index with each of its images. Reads no layer. Raises NotFound."""
        try:
            images = self._surveys.images_of(instance, repository.id, digest)
        except ManifestUnknown:
            raise NotFound("there is no such manifest") from None
        except ImageRefused as refused:
            return AdviceView(digest=digest, state="failed", reason=refused.reason, message=refused.message)
        if images is None:
            return AdviceView(**self._of_image(instance, repository.id, digest).model_dump())
        platforms = [
            self._of_image(instance, repository.id, child).model_copy(update={"platform": platform})
            for child, platform in images.items()
        ]
        return _together(digest, platforms)

    def _of_image(self, instance: Instance, repository_id: str, digest: str) -> ImageAdvice:
        try:
            report = self._kept(instance, repository_id, digest)
            if report is None:
                image = self._surveys.layers_of(instance, repository_id, digest)
                if any(self._surveys.known(instance, layer.ref) is None for layer in image.layers):
                    return ImageAdvice(
                        digest=digest, platform=image.platform, reason="not_looked_over", message=_PENDING
                    )
                report = self.look_over(instance, repository_id, image)
        except ManifestUnknown:
            missing = "the index lists an image that is not here"
            return ImageAdvice(digest=digest, state="failed", reason="missing_layer", message=missing)
        except (ImageRefused, LayerRefused) as refused:
            return ImageAdvice(digest=digest, state="failed", reason=refused.reason, message=refused.message)
        return _told(report)

    # Looking over

    def look_over(self, instance: Instance, repository_id: str, image: ImageLayers) -> Report:
        """Made from what is kept of its layers, and kept itself. Raises LayerRefused, ImageRefused."""
        manifest = self._manifest(instance, repository_id, image.digest)
        lists = (partial(read_contents, self._surveys.contents(instance, layer.ref)) for layer in image.layers)
        files = ImageFiles.of(lists, is_secret)
        items = advise(_looked(image, manifest, files))
        wasted, total = files.wasted_bytes, files.total_bytes
        report = Report(
            digest=image.digest, platform=image.platform, items=items, wasted_bytes=wasted, total_bytes=total
        )
        store.keep(self._stack, instance.bucket, instance.id, _config_of(manifest), report)
        return report

    def _kept(self, instance: Instance, repository_id: str, digest: str) -> Report | None:
        config = _config_of(self._manifest(instance, repository_id, digest))
        report = store.load(self._stack, instance.bucket, instance.id, config) if config else None
        return report if report is not None and report.digest == digest else None

    def _manifest(self, instance: Instance, repository_id: str, digest: str) -> dict[str, Any]:
        record = self._surveys.manifest_of(repository_id, digest)
        return description.document(self._bodies.of(instance.id, record))

    # Beginning

    def ask(self, instance: Instance, repository: Repository, digest: str, by: str) -> Task:
        """A task that looks an image over. Raises NotFound, Conflict for what is no image."""
        try:
            self._surveys.images_of(instance, repository.id, digest)
        except ManifestUnknown:
            raise NotFound("there is no such manifest") from None
        except ImageRefused as refused:
            raise Conflict(f"{repository.name}@{digest} cannot be looked over: {refused.message}") from refused
        return self._begin(instance, repository.id, repository.name, digest, by, "manual")

    def look_over_push(self, instance: Instance, pushed: ImagePushed) -> Task | None:
        """The task of a push; None for what is no image, for a companion, as the advice on its original holds, and
        where a scan of the push reads its layers anyway. However often a push is told of, it has one task, as its id
        follows from the push."""
        if pushed.pushed_by == BY:
            return None
        name = RepositoryName(pushed.repository)
        try:
            if Namespaces(self._stack).get(instance.id, name.namespace).scan_on_push:
                return None
            self._surveys.images_of(instance, pushed.repository_id, pushed.digest)
        except (NotFound, ImageRefused):
            return None  # Deleted meanwhile, or no image.
        by = pushed.pushed_by
        return self._begin(instance, pushed.repository_id, name, pushed.digest, by, "push", pushed.incarnation)

    def _begin(
        self,
        instance: Instance,
        repository_id: str,
        name: RepositoryName,
        digest: str,
        by: str,
        trigger: Trigger,
        task_id: str = "",
    ) -> Task:
        subject = {"namespace": str(name.namespace), "repository": str(name), "digest": digest}
        work = Work(repository_id=repository_id, digest=digest).model_dump(mode="json")
        task, creation = self._tasks.create(
            instance.id, "advice", subject, by, work=work, trigger=trigger, task_id=task_id
        )
        try:
            self._stack.table.transact([creation])
        except TransactionCancelled:
            # The push was told of before.
            return self._tasks.get(instance.id, task.id)
        self._tasks.start(task)
        return task


def _looked(image: ImageLayers, manifest: Mapping[str, Any], files: ImageFiles) -> Image:
    """What the image's author wrote may be of any type."""
    runs = description.mapping(image.config.get("config"))
    history = description.objects(image.config.get("history"))
    named = description.labels(manifest.get("annotations")).get(_BASE)
    return Image(
        layers=tuple((layer.digest, layer.command) for layer in image.layers),
        instructions=tuple(instructions(history, len(image.layers))),
        files=files,
        start=Start(
            description.text(runs.get("User")),
            description.texts(runs.get("Entrypoint")),
            description.texts(runs.get("Cmd")),
        ),
        base=named or description.labels(runs.get("Labels")).get(_BASE) or _noted_base(history),
    )


def _noted_base(history: Sequence[Mapping[str, Any]]) -> str:
    """buildah notes `FROM docker.io/library/debian:12` as a comment of the first step after the base image's."""
    comments = (description.text(step.get("comment")) for step in history)
    return next((one[5:].strip() for one in comments if one.startswith("FROM ")), "")


def _config_of(manifest: Mapping[str, Any]) -> str:
    return description.text(description.mapping(manifest.get("config")).get("digest"))


def _told(report: Report) -> ImageAdvice:
    return ImageAdvice(
        digest=report.digest,
        platform=report.platform,
        state="ready",
        wasted_bytes=report.wasted_bytes,
        efficiency=_efficiency(report.wasted_bytes, report.total_bytes),
        items=report.items,
    )


def _efficiency(wasted: int, total: int) -> float:
    return round(1 - wasted / total, 4) if total else 1.0


def _together(digest: str, platforms: Sequence[ImageAdvice]) -> AdviceView:
    state: AdviceState = "ready"
    for one in platforms:
        if one.state == "failed" or (one.state == "pending" and state == "ready"):
            state = one.state
    worst = next((one for one in platforms if one.state == state and state != "ready"), None)
    told = [one for one in platforms if one.state == "ready"]
    return AdviceView(
        digest=digest,
        state=state,
        reason=worst.reason if worst else "",
        message=worst.message if worst else "",
        wasted_bytes=sum(one.wasted_bytes or 0 for one in told) if told else None,
        efficiency=min((one.efficiency for one in told if one.efficiency is not None), default=None),
        platforms=tuple(platforms),
    )
