"""What a task is, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from chalicelib.edge.answers import SearchQuery, Sorting
from chalicelib.kernel.messages import ContinueAcceleration, ContinueScan, ContinueTask, ContinueTransfer
from chalicelib.kernel.modelling import KEPT, MADE
from chalicelib.kernel.moment import Moment

Kind = Literal["scan", "advice", "acceleration", "sync", "retention", "deletion", "migration", "restoration"]
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Trigger = Literal["push", "schedule", "manual", "rule"]

# By which message a kind goes on; the others by `ContinueTask`.
CONTINUED_BY: Final[Mapping[str, type[ContinueTask]]] = {
    "scan": ContinueScan,
    "advice": ContinueScan,
    "acceleration": ContinueAcceleration,
    "sync": ContinueTransfer,
    "migration": ContinueTransfer,
}
UNFINISHED: Final[tuple[State, ...]] = ("queued", "running")


class Task(BaseModel):
    """
    subject        what it is about: {"namespace": …, "repository": …}
    work           where its worker goes on; the worker's own
    cancellable    stopping it half-way leaves nothing half-done
    total          None while nobody knows
    counts         things by what became of them: verdict → number
    failures       steps in a row that did not come to an end
    waits_for      what the next step waits for, as people are told; "" where it only has its turn to wait for
    claimed_until  somebody carries a step out until then, "" for nobody
    claim          of whoever carries it out; the fence of what the step came to, never given twice
    version        raised by every change; the fence of every change
    origin         id of the request that made it, or retried it; "" for what schedules made
    i2sk           there as long as nobody was told of its end (`keys.untold`)
    """

    model_config = KEPT

    id: str
    instance_id: str
    kind: Kind
    subject: Mapping[str, str]
    work: Mapping[str, Any]
    state: State = "queued"
    cancellable: bool = True
    done: int = 0
    total: int | None = None
    bytes: int = 0
    counts: Mapping[str, int] = Field(default_factory=dict)
    trigger: Trigger = "manual"
    created_at: Moment
    created_by: str
    started_at: Moment | None = None
    finished_at: Moment | None = None
    error: str = ""
    failures: int = 0
    waits_for: str = ""
    claimed_until: str = ""
    claim: str = ""
    version: int = 1
    origin: str = ""
    i2sk: Annotated[str, Field(exclude=True)] = ""
    schema_version: int = 1

    @property
    def finished(self) -> bool:
        return self.state not in UNFINISHED


class TaskItem(BaseModel):
    """One thing that a task did or left alone.

    id       chosen by the worker, so that a step that is carried out twice tells of it once
    verdict  what became of it; reason: why, where that is not plain; message: the same for people
    size     bytes that were freed, moved or read; skipped: bytes of it that did not have to be moved
    """

    model_config = KEPT

    id: str
    time: Moment
    repository: str = ""
    tag: str = ""
    digest: str = ""
    verdict: str
    reason: str = ""
    message: str = ""
    rule_id: str = ""
    size: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What one bounded step of a task came to.

    work    where the next step goes on; None: the task is done
    done    things dealt with in this step; bytes: the same in bytes; total: of the whole task, None: as it was
    counts  the same by what became of them: verdict → number; below 0 for what a retry counts otherwise now
    wait_s  the next step has nothing to do for so long; waits_for: what it waits for, where people should know
    failed  the task has come to its end, but not everything went well, and this is why: retried, it goes on at `work`
    """

    work: Mapping[str, Any] | None
    done: int = 0
    bytes: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    total: int | None = None
    items: Sequence[TaskItem] = field(default=())
    wait_s: int = 0
    waits_for: str = ""
    failed: str = ""


class Progress(BaseModel):
    """done and total count things; total is null while nobody knows it."""

    model_config = MADE

    done: int
    total: int | None
    bytes: int


class TaskView(BaseModel):
    """A task as the API shows it. counts: things by what became of them, `deleted`, `kept` …, as far as the kind of
    task counts them. error: empty unless it failed. waits_for: what it waits for, such as a registry that does not
    answer; empty otherwise."""

    model_config = MADE

    id: str
    kind: Kind
    state: State
    progress: Progress
    counts: Mapping[str, int]
    subject: Mapping[str, str]
    created_at: Moment
    created_by: str
    started_at: Moment | None
    finished_at: Moment | None
    trigger: Trigger
    cancellable: bool
    waits_for: str
    error: str

    @classmethod
    def of(cls, task: Task) -> TaskView:
        progress = Progress(done=task.done, total=task.total, bytes=task.bytes)
        return cls(progress=progress, **task.model_dump(include=set(cls.model_fields) - {"progress"}))


class TasksAsked(SearchQuery):
    """state: only such tasks; search: only those that are about something whose name holds this text, or whose id it
    is; sort: by when they were asked for, `-` for the newest first."""

    state: State | None = None
    sort: Literal["created_at", "-created_at"] = "-created_at"


class TaskQuery(TasksAsked):
    """kind: only such tasks."""

    kind: Kind | None = None


class ItemQuery(SearchQuery):
    """verdict: only items of which this became; search: only those whose repository, tag or digest holds this text;
    sort: by what they are about, up or down."""

    verdict: Annotated[str, Field(max_length=40)] = ""
    sort: Sorting = "name"
