"""Two engines, one report: what is installed, and what the database says of it.

builtin   reads layers as streams, one a step, and keeps what each holds; matches by the rules of `advisories`
trivy     the program of that name, on all layers of an image at once (`trivy.py`)
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from chalicelib.advisories.models import Examination
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Refused
from chalicelib.packages.models import ImageInventory
from chalicelib.ports.stack import Stack
from chalicelib.surveys.models import ImageLayers
from chalicelib.surveys.service import Surveys

from . import database_store, databases
from .database_models import DatabaseRecord
from .models import Report, ReportLayer
from .results import judged

# Raised when the same database and the same packages come to other findings than before.
BUILTIN: Final = "builtin 1"
_NOTHING: Final = Examination(findings=(), supported=False, examined=0)


class EngineFailed(Refused):
    """An engine that is not there, or broke off."""

    code = "ENGINE_FAILED"
    status = 503
    reason: Final = "engine_failed"


class Standard(NamedTuple):
    """What images are judged by now: two scans by the same one find out the same. database: "" while there is none."""

    engine: str
    database: str
    database_updated_at: str
    demonstration: bool = False


class Engine(Protocol):
    """by_layer   surveys make reports quick; without it an image is read whole for each"""

    by_layer: bool

    def standard(self) -> Standard: ...

    def report(self, instance: Instance, image: ImageLayers) -> Report:
        """Raises LayerRefused, ImageRefused, EngineFailed, Unavailable."""
        ...


class Builtin:
    by_layer = True

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._surveys = Surveys(stack)

    def standard(self) -> Standard:
        return standard_of(self._stack, BUILTIN)

    def report(self, instance: Instance, image: ImageLayers) -> Report:
        return self.judge(instance, unjudged(image, self._surveys.inventory(instance, image)))

    def judge(self, instance: Instance, report: Report) -> Report:
        """The report, by the database that is used now."""
        from chalicelib.advisories.examination import examine
        from chalicelib.findings.vex import silencers

        now = self._stack.clock.now()
        record, database = databases.opened(self._stack)
        examination = _NOTHING if database is None else examine(report.inventory, database, now)
        silencing = silencers(self._stack, instance.id)
        return judged(report, examination, silencers=silencing, now=now, **_standard(BUILTIN, record)._asdict())


def standard_of(stack: Stack, engine: str) -> Standard:
    """Asked for before each step, most of which need nothing else of the database."""
    pointer = database_store.pointer(stack.table)
    return _standard(engine, pointer.record if pointer else None)


def _standard(engine: str, record: DatabaseRecord | None) -> Standard:
    if record is None:
        return Standard(engine, "", "")
    return Standard(engine, record.digest, record.updated_at, record.demonstration)


def unjudged(image: ImageLayers, inventory: ImageInventory) -> Report:
    layers = tuple(ReportLayer(ref=layer.ref, size=layer.size, command=layer.command) for layer in image.layers)
    return Report(
        digest=image.digest,
        platform=image.platform,
        engine="",
        database="",
        database_updated_at="",
        scanned_at="",
        supported=False,
        examined=0,
        end_of_life=False,
        layers=layers,
        inventory=inventory,
        findings=(),
    )


def engine_of(stack: Stack) -> Engine:
    """The one that the service's configuration names."""
    if stack.settings.scanner == "trivy":
        from .trivy import Trivy

        return Trivy(stack)
    return Builtin(stack)
