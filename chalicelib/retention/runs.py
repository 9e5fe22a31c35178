"""A run, step by step: what is to go is deleted in the step after the one that decided it.

    begin     a scheduled run is told to the audit record; runs whose tasks are gone are forgotten
    plan      pages of some repositories, newest push first: verdicts; what goes is noted in the task's work
    carry out what the step before noted, each tag only where its push put it; then the next plan
    end       the audit record is told what became of all; of a run that fails or is cancelled when its end is told of

A step that is interrupted is done again. Its plan changed nothing; of what it was to delete a part is gone, and counts
as deleted. Verdicts lie in the task's items, by repository and tag, so each is told once.

Accelerated tags come and go with their originals, which may have been pushed earlier or later: a repository that has
any is walked a second time, when everything was decided of the originals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.modelling import KEPT
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.paging import Page, every
from chalicelib.namespaces.models import Namespace
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories
from chalicelib.tasks.models import Step, Task, TaskItem
from chalicelib.tasks.service import Tasks

from . import store
from .carrying_out import Going, carry_out
from .entries import RunEntries
from .models import Run, RunQuery, Verdict
from .namespaces import find_namespace
from .rules import covering
from .service import Retention
from .slices import Place, Slice, Slices, item_id

# What one step looks at: it stays far below the time of a function, and what it notes far below the size of a row.
TAGS_A_STEP: Final = 500
REPOSITORIES_A_STEP: Final = 100
# Repositories that no rule covers cost only their place in a list.
PASSED_A_STEP: Final = 2000
_FORGOTTEN_A_RUN: Final = 20


class Work(BaseModel):
    """Where the next step goes on.

    begun    the first step is through
    passed   name of the last repository that is done with, "" for none
    place    amid a repository, None between two
    going    what the next step is to delete
    planned  of everything
    ends_at  everything is done; None until then
    """

    model_config = KEPT

    namespace_id: str
    begun: bool = False
    passed: str = ""
    place: Place | None = None
    going: tuple[Going, ...] = ()
    planned: bool = False
    ends_at: Moment | None = None


@dataclass
class _Found:
    """What a step came to so far.

    told   item → verdict, also of what the next step is to delete
    rows   tags that were looked at
    """

    items: list[TaskItem] = field(default_factory=list)
    going: list[Going] = field(default_factory=list)
    told: dict[str, Verdict] = field(default_factory=dict)
    bytes: int = 0
    rows: int = 0

    def step(self, work: Work) -> Step:
        counts = Counter(item.verdict for item in self.items)
        noted = work.model_copy(update={"going": tuple(self.going)}).model_dump(mode="json")
        return Step(noted, done=len(self.items), bytes=self.bytes, counts=counts, items=self.items)


def step(stack: Stack, task: Task) -> Step:
    """Raises NotFound where the namespace went meanwhile, InstanceFrozen."""
    work = Work.model_validate(task.work)
    run = store.load_run(stack.table, work.namespace_id, task.id)
    if run is None:
        raise _gone()
    instance = Instances(stack).load(task.instance_id)
    entries = RunEntries(stack, run, task)
    if work.ends_at is not None:
        entries.tell_end(work.ends_at)
        return Step(None)
    Instances(stack).require_running(instance)
    namespace = find_namespace(stack, instance, work.namespace_id, task.subject["namespace"])
    if namespace is None:
        raise _gone()
    if not run.dry_run:
        Retention(stack).require_latest(run)
    if not work.begun:
        entries.tell_beginning()
        _forget_old(stack, namespace)
    return _Walk(stack, instance, namespace, run).step(work)


def tell_stopped(stack: Stack, task: Task) -> None:
    """Of a run that did not come to its end by itself. Retried, it may end again, and is told of again."""
    if task.state == "succeeded" or task.finished_at is None:
        return
    run = store.load_run(stack.table, Work.model_validate(task.work).namespace_id, task.id)
    if run is not None:
        RunEntries(stack, run, task).tell_stopped(task.finished_at)


def _gone() -> NotFound:
    return NotFound("the namespace was deleted")


def _forget_old(stack: Stack, namespace: Namespace) -> None:
    """Rows of runs go after their tasks, a few with each run."""
    oldest = store.runs(stack.table, namespace.id, RunQuery(limit=_FORGOTTEN_A_RUN, sort="created_at")).items
    tasks = Tasks(stack).several(namespace.instance_id, [run.task_id for run in oldest])
    for run in oldest:
        if run.task_id not in tasks:
            store.forget_run(stack.table, run)


class _Walk:
    def __init__(self, stack: Stack, instance: Instance, namespace: Namespace, run: Run) -> None:
        self._stack = stack
        self._instance = instance
        self._namespace = namespace
        self._run = run
        self._repositories = Repositories(stack)
        self._found = _Found()

    def step(self, work: Work) -> Step:
        for going in work.going:
            repository = self._by_id(going.repository_id)
            outcome, freed = carry_out(self._stack, self._instance, repository, going, self._run.created_by)
            for verdict, digest in outcome:
                self._tell(going.repository_id, going.repository, verdict, digest)
            self._found.bytes += freed
        following = work.model_copy(update={"begun": True, "going": ()})
        if work.planned:
            return self._found.step(following.model_copy(update={"ends_at": self._stack.clock.now()}))
        return self._found.step(self._plan(following))

    def _plan(self, work: Work) -> Work:
        """Decides of some repositories; answers where to go on."""
        passed, covered = work.passed, 0
        for number, repository in enumerate(self._left(work)):
            rules = covering(self._run.rules, repository.name)
            if rules:
                covered += 1
                slices = Slices(self._stack, self._instance, self._run, repository, rules, self._found.told)
                amid = work.place is not None and work.place.repository_id == repository.id
                place = self._decide(slices, work.place if amid else None)
                if place is not None:
                    return work.model_copy(update={"passed": passed, "place": place})
            passed = repository.name
            full = self._found.rows >= TAGS_A_STEP or covered >= REPOSITORIES_A_STEP or number >= PASSED_A_STEP
            if full:
                return work.model_copy(update={"passed": passed, "place": None})
        return work.model_copy(update={"passed": passed, "place": None, "planned": True})

    def _decide(self, slices: Slices, place: Place | None) -> Place | None:
        """Of as much of a repository as a step has room for; None: it is done with."""
        place = place or slices.beginning
        second = place.second
        # What follows an original is decided of when the step before has told what became of that.
        while place is not None and place.second == second and self._found.rows < TAGS_A_STEP:
            decided = slices.decide(place, TAGS_A_STEP - self._found.rows)
            self._take(decided)
            place = decided.place
        return place

    def _take(self, decided: Slice) -> None:
        """What goes is only noted, unless it is a dry run, which notes nothing."""
        going = decided.going
        self._found.rows += decided.rows
        self._found.told.update((item_id(going.repository_id, verdict.tag), verdict) for verdict, _ in decided.verdicts)
        for verdict, tag in decided.verdicts:
            if self._run.dry_run or verdict.verdict != "deleted":
                self._tell(going.repository_id, going.repository, verdict, tag["digest"])
        if self._run.dry_run:
            self._found.bytes += going.bytes
        elif going.tags:
            self._found.going.append(going)

    def _left(self, work: Work) -> Iterator[Repository]:
        """The repositories that are left, in name order, at first the one that a step ended in."""
        last = work.passed
        if work.place is not None:
            last = work.place.repository
            current = self._by_id(work.place.repository_id)
            yield from [current] if current is not None else []

        def load(cursor: str | None) -> Page[Repository]:
            after = RepositoryName(last) if last and cursor is None else None
            prefix = f"{self._namespace.name}/"
            return self._repositories.list(self._instance.id, prefix=prefix, after=after, cursor=cursor)

        yield from every(load)

    def _by_id(self, repository_id: str) -> Repository | None:
        try:
            return self._repositories.of_namespace(self._instance, self._namespace.name, repository_id)
        except NotFound:
            return None

    def _tell(self, repository_id: str, repository: str, verdict: Verdict, digest: str) -> None:
        item = TaskItem(
            id=item_id(repository_id, verdict.tag),
            time=self._stack.clock.now(),
            repository=repository,
            tag=verdict.tag,
            digest=digest,
            verdict=verdict.verdict,
            reason=verdict.reason,
            rule_id=verdict.rule_id,
        )
        self._found.items.append(item)
        self._found.told[item.id] = verdict
