"""One point: an operation meets a fault at one of its calls; then all is put right, looked at, and taken down.

copy of the scene ─► asked, with the fault ─► background at rest ─► nothing lost, each tag as before or as after
─► asked again unless it was acknowledged ─► three days pass, at rest ─► the picture is that of a run without faults
─► fsck finds nothing, every tag is pulled, the neighbour is as it was ─► all is deleted ─► nothing is left
"""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from chalicelib.collection.service import Fsck
from chalicelib.kernel.errors import Conflict, NotFound, RangeInvalid, Refused, Unavailable
from chalicelib.ports.embedded.table import SqliteTable
from chalicelib.registry.repository_retirement import RepositoryRetirement
from chalicelib.repositories.service import Repositories
from tests.stacks import FrozenClock

from ..ports import faulty
from ..turns import Crashed, Worker
from .asking import Asking, Operation
from .kinds import KINDS, Doing, Injection
from .pictures import Picture, picture, residue, tags_of, unreadable
from .scenes import DAY_S, Files, Kept, Scene, answering, furnished, opened
from .service import dead_letters, rest, work

Outcome = Literal["acknowledged", "refused", "unknown", "broken"]
# What whoever comes late, or second, may be told.
OVERTAKEN = (Conflict, NotFound, RangeInvalid)


@dataclass(frozen=True)
class Reference:
    """A run without faults: calls, tags before and after, and what is to be seen in the end."""

    calls: list[str]
    before: dict[tuple[str, str], str]
    after: dict[tuple[str, str], str]
    shown: Picture
    neighbour: Picture


class Trials:
    """Of one operation in one scene. Its folder goes with `close`."""

    def __init__(self, operation: Operation, seed: str, folder: Path) -> None:
        self._operation = operation
        self._seed = seed
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self._numbers = itertools.count(1)
        clock, rng = FrozenClock(), random.Random(f"scene {seed}")
        kept = self._folder / "kept"
        with opened(kept, clock) as stack, contextlib.closing(Files(kept / "data")) as files:
            scene = furnished(kept, stack, clock, files, rng)
            # Most begin when what pushes leave behind is cleared away; it is in everybody's way otherwise.
            if rng.random() < 0.8:
                rest(scene, 2 * DAY_S)
            else:
                rest(scene)
            self._asking: Asking = operation.prepare(scene, rng)
            if operation.group != "events" and not self._asking.background:
                rest(scene)
            self._kept = Kept(scene.folder, clock.now(), scene.instance, scene.neighbour, scene.sparse)
        self._as_it_was = self._folder / "as-it-was.sqlite3"
        shutil.copy(kept / "data" / "table.sqlite3", self._as_it_was)
        self.reference = self._measured()

    @property
    def calls(self) -> list[str]:
        return self.reference.calls

    @contextlib.contextmanager
    def _scene(self) -> Iterator[Scene]:
        with self._kept.copied(self._folder / f"trial-{next(self._numbers)}") as scene:
            yield scene

    def _measured(self) -> Reference:
        with self._scene() as scene:
            before, neighbour = tags_of(scene), picture(scene, scene.neighbour)
            worker = Worker()
            outcome, wrong = self._asked(scene, worker, Injection())
            expected = "refused" if self._asking.refused else "acknowledged"
            wrong += [f"it is {outcome} even without a fault"] if outcome != expected else []
            after = tags_of(scene)
            wrong += rest(scene) + rest(scene, 3 * DAY_S)
            shown = picture(scene)
            wrong += self._looked_at(scene) + self._taken_down(scene)
            if wrong:
                raise AssertionError(f"without any fault: {wrong}")
            return Reference(worker.calls, before, after, shown, neighbour)

    def run(self, kind: str, call: int) -> list[str]:
        """What went wrong, as text; nothing if all is well."""
        rng = random.Random(f"{self._seed} {kind} {call}")
        with self._scene() as scene, contextlib.closing(SqliteTable(self._as_it_was, scene.clock)) as as_it_was:
            others, twin = partial(work, scene), partial(self._twin, scene)
            doing = Doing(self.calls, scene.sparse, as_it_was, scene.clock.advance, others, twin)
            return self._judged(scene, KINDS[kind](doing, call, rng))

    def _twin(self, scene: Scene) -> None:
        with contextlib.suppress(*OVERTAKEN):
            self._asking.ask(scene)

    def _judged(self, scene: Scene, injection: Injection) -> list[str]:
        outcome, wrong = self._asked(scene, Worker(plan=injection.plan), injection)
        wrong += self._promise(scene, outcome)
        if injection.mangled is not None:
            work(scene, mangle=random.Random(injection.mangled))
        if injection.again:
            self._asked(scene, Worker(plan=injection.again), Injection(polite=False))
        wrong += rest(scene, 61) + self._soon(scene)
        if outcome != "acknowledged" and not self._asking.background:
            outcome, more = self._asked(scene, Worker(), Injection(), again=True)
            wrong += more + ([f"asked once more it is {outcome}"] if outcome != self._wanted else [])
            wrong += self._promise(scene, outcome)
        wrong += rest(scene) + rest(scene, 3 * DAY_S)
        counted = self._asking.background
        wrong += [
            line
            for line in picture(scene).differences(self.reference.shown, counted=counted)
            if not line.partition(": ")[2].startswith(self._asking.varying)
        ]
        wrong += self._looked_at(scene)
        return wrong or self._taken_down(scene)

    @property
    def _wanted(self) -> Outcome:
        return "refused" if self._asking.refused else "acknowledged"

    # Asking

    def _asked(
        self, scene: Scene, worker: Worker, injection: Injection, *, again: bool = False
    ) -> tuple[Outcome, list[str]]:
        ports = answering(faulty(injection.wrap(scene.stack), worker), worker)
        try:
            self._asking.ask(scene.on(ports))
        except (Crashed, Unavailable):
            return "unknown", []
        except Refused as refusal:
            return self._refused(refusal, injection, again)
        except Exception as crash:
            return "broken", [f"it ended as {crash!r}"]
        return ("broken", ["it was not refused"]) if self._asking.refused else ("acknowledged", [])

    def _refused(self, refusal: Refused, injection: Injection, again: bool) -> tuple[Outcome, list[str]]:
        if self._asking.refused and isinstance(refusal, self._asking.refused):
            return "refused", []
        # A client whose answer was lost asks again, perhaps within one and the same operation.
        if isinstance(refusal, self._asking.done):
            return "acknowledged", []
        overtaken = not injection.polite and isinstance(refusal, OVERTAKEN)
        return "unknown", [] if overtaken else [f"it was refused: {refusal!r}"]

    def _promise(self, scene: Scene, outcome: Outcome) -> list[str]:
        return self._asking.settled(scene) if outcome == "acknowledged" else []

    # Looking

    def _soon(self, scene: Scene) -> list[str]:
        wrong = [f"soon: {f.subject} {f.message}" for f in Fsck(scene.stack, deep=True).run() if f.kind == "lost"]
        now = tags_of(scene)
        for where in self.reference.before.keys() | self.reference.after.keys() | now.keys():
            possible = (self.reference.before.get(where), self.reference.after.get(where))
            if now.get(where) not in possible:
                wrong.append(f"soon: tag {where} is {now.get(where)}, and may be one of {possible}")
        return wrong + [f"soon: {one}" for one in unreadable(scene)]

    def _looked_at(self, scene: Scene) -> list[str]:
        wrong = [f"{f.kind}: {f.subject} {f.message}" for f in Fsck(scene.stack, deep=True).run()]
        wrong += [f"a dead letter: {letter}" for letter in dead_letters(scene)]
        return wrong + unreadable(scene)

    # Taking down

    def _taken_down(self, scene: Scene) -> list[str]:
        """Everything is deleted; afterwards nothing may be left but names, history of tasks, and the neighbour."""
        wrong = rest(scene, 8 * DAY_S) + unreadable(scene)
        for repository in list(Repositories(scene.stack).list(scene.instance.id).items):
            RepositoryRetirement(scene.stack).delete(scene.instance, repository, "ann")
        for days in (8, 2, 2):
            wrong += rest(scene, days * DAY_S)
        wrong += [f"emptied: {f.kind} {f.message}" for f in Fsck(scene.stack, deep=True).run()]
        return wrong + residue(scene) + unreadable(scene, scene.neighbour)
