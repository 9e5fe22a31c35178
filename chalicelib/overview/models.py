"""What the overview of an instance shows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from chalicelib.instances.models import InstanceView, LifeStep, StorageUse, Use
from chalicelib.kernel.modelling import GIVEN, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.tasks.models import TaskView


class OverviewQuery(BaseModel):
    """days: how far back the series goes; an hour a point up to a week, a day a point beyond."""

    model_config = GIVEN

    days: Annotated[int, Field(ge=1, le=92)] = 7


class Point(BaseModel):
    """One hour or one day, from `time` on. storage: bytes in use at its end, null until it was noted for the first
    time; pulls, pushes: of manifests in it."""

    model_config = MADE

    time: Moment
    storage: int | None
    pulls: int
    pushes: int


class NextRun(BaseModel):
    """Something that comes by itself. namespace: whose retention it is; "" for steps of the instance's own life: its
    auto-renewal, its expiry, or of a frozen one the deletion of its data."""

    model_config = MADE

    kind: Literal["retention"] | LifeStep
    time: Moment
    namespace: str


class RecentPush(BaseModel):
    """repository: with its namespace; tags: empty for a push by digest alone; user: who pushed."""

    model_config = MADE

    time: Moment
    repository: str
    tags: tuple[str, ...]
    digest: str
    user: str


class Overview(InstanceView):
    """
    series         oldest first, without the points in which nothing happened; storage stayed as it was there
    under_way      how many of the latest 200 tasks are not finished
    failures       of these the latest five that failed, of the last seven days
    next_runs      what comes by itself, the next first, eight at most; retention of the first 200 namespaces
    recent_pushes  by clients, the latest first, eight at most; empty for personal instances, which have no audit record
    """

    namespaces: Use
    repositories: Use
    storage: StorageUse
    series: tuple[Point, ...]
    under_way: int
    failures: tuple[TaskView, ...]
    next_runs: tuple[NextRun, ...]
    recent_pushes: tuple[RecentPush, ...]
