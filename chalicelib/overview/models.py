"""What the overview of an instance shows."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from chalicelib.instances.models import InstanceView, StorageUse, Use
from chalicelib.kernel.modelling import GIVEN, MADE
from chalicelib.kernel.moment import Moment


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


class Overview(InstanceView):
    """series: oldest first, without the points in which nothing happened; storage stayed as it was there."""

    namespaces: Use
    repositories: Use
    storage: StorageUse
    series: tuple[Point, ...]
