"""One image forward: layers that nobody has read, and, when all are known, its report."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.edge.log import logger
from chalicelib.findings.models import Reason, ScanRecord
from chalicelib.findings.service import Findings
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import ManifestUnknown, Unavailable
from chalicelib.layers.entries import LayerRefused
from chalicelib.ports.stack import Stack
from chalicelib.surveys.models import ImageRefused
from chalicelib.surveys.reading import read_on
from chalicelib.surveys.service import Surveys

from . import rules
from .attaching import Attaching
from .engines import EngineFailed, engine_of
from .models import Failure, Target
from .results import Results


@dataclass(frozen=True, slots=True)
class Progress:
    """
    layers   known by now, from the lowest on; passed: of them in this step
    bytes    that were read for it
    ended    its row says what came of it; failure: why it came to nothing, None if it did not
    """

    layers: int
    passed: int
    bytes: int = 0
    ended: bool = False
    failure: Failure | None = None


class Images:
    """task: on whose behalf."""

    def __init__(self, stack: Stack, instance: Instance, task_id: str) -> None:
        self._stack = stack
        self._instance = instance
        self._task_id = task_id
        self._surveys = Surveys(stack)
        self._results = Results(stack)
        self._findings = Findings(stack)
        self._attaching = Attaching(stack)
        self._engine = engine_of(stack)
        self._standard = self._engine.standard()
        # By a database that came since this began: another step looks at them again.
        self._stored: set[str] = set()

    def of(self, target: Target) -> tuple[str, ...] | None:
        """Digests of the images of an index, one a platform; None for an image by itself.

        Raises ManifestUnknown where it went meanwhile, ImageRefused for what is no image.
        """
        found = self._surveys.images_of(self._instance, target.repository_id, target.digest)
        return None if found is None else tuple(found)

    def layers(self, target: Target, digest: str) -> int:
        """How many there are to be looked into; 0 where that is not to be known."""
        try:
            return len(self._surveys.layers_of(self._instance, target.repository_id, digest).layers)
        except (ImageRefused, ManifestUnknown, Unavailable):
            return 0

    def settled(self, digest: str) -> bool:
        """Whether scanning it now would find out nothing else than is known."""
        if digest in self._stored:
            return True
        record = self._findings.of(self._instance.id, digest)
        return record is not None and rules.same_judgement(record, self._standard.engine, self._standard.database)

    def advance(self, target: Target, digest: str, layer: int, *, careful: bool, give_up: bool) -> Progress:
        """A few small layers are read, or a large one.

        layer     so many are known
        careful   one is read at most; give_up: it was tried often enough
        """
        parent = target.digest if target.digest != digest else ""
        try:
            if give_up:
                raise _Interrupted
            return self._advance(target, digest, layer, parent, careful)
        except Unavailable:
            raise
        except ManifestUnknown:
            # It gets no row: the index says that it is not here.
            failure = Failure(reason="missing_layer", message=f"image {digest} is listed, but not here")
            return Progress(0, 0, ended=True, failure=failure)
        except (LayerRefused, ImageRefused, EngineFailed) as refused:
            failure = Failure(reason=_word(refused), message=refused.message)
        except _Interrupted:
            failure = Failure(reason="interrupted", message="whoever read it died before it was through, several times")
        except Exception:
            logger.exception("failed to scan", instance_id=self._instance.id, digest=digest, task_id=self._task_id)
            told = "something went wrong while it was examined; ask the operator about this task's id"
            failure = Failure(reason="engine_failed", message=told)
        held = {"repository_id": target.repository_id, "parent": parent}
        self._results.fail(self._instance, digest, failure, **held)
        return Progress(0, 0, ended=True, failure=failure)

    def _advance(self, target: Target, digest: str, layer: int, parent: str, careful: bool) -> Progress:
        image = self._surveys.layers_of(self._instance, target.repository_id, digest)
        if layer == 0:
            self._note(target, digest, parent)
        size = image.size
        if self._engine.by_layer:
            reading = read_on(self._surveys, self._instance, image.layers[layer:], careful=careful)
            size = reading.bytes
            if reading.enough:
                return Progress(layer + reading.passed, reading.passed, size)
        report = self._engine.report(self._instance, image)
        record = self._results.store(self._instance, report, repository_id=target.repository_id, parent=parent)
        self._stored.add(digest)
        failure = Failure(reason=record.reason, message=record.message) if record.state == "failed" else None
        return Progress(0, len(image.layers) - layer, size, ended=True, failure=failure)

    def _note(self, target: Target, digest: str, parent: str) -> None:
        held = {"repository_id": target.repository_id, "task": self._task_id}
        if parent:
            self._results.note(self._instance, parent, state="running", **held)
        self._results.note(self._instance, digest, state="running", parent=parent, **held)

    def finish(self, target: Target, images: tuple[str, ...] | None) -> ScanRecord:
        """All of it was looked into: its row says what came of it, and where it lies."""
        if images is not None:
            for digest in images:
                self._results.hold(self._instance, digest, target.repository_id, target.digest)
            return self._results.join(self._instance, target.digest, images, repository_id=target.repository_id)
        return self._results.hold(self._instance, target.digest, target.repository_id)

    def attach(self, target: Target, images: tuple[str, ...] | None) -> str:
        """Bills of materials of what was examined, each image's own. Answers for people why some could not be."""
        wanted = (target.digest,) if images is None else images
        return next(
            filter(None, [self._attaching.attach(self._instance, target.repository_id, one) for one in wanted]), ""
        )


class _Interrupted(Exception):
    """Steps about this image died before their end."""


def _word(refused: LayerRefused | ImageRefused | EngineFailed) -> Reason:
    return "nothing_recognised" if refused.reason == "no_image" else refused.reason
