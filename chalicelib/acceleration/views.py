"""What the API shows of accelerated images."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from chalicelib.kernel.modelling import MADE
from chalicelib.kernel.moment import Moment
from chalicelib.registry.tag_views import PullCommand

State = Literal["none", "queued", "running", "succeeded", "failed"]


class LayerView(BaseModel):
    """sizes in bytes; reused: the original's layer was fit to load lazily as it is."""

    model_config = MADE

    digest: str
    size: int
    converted_digest: str
    converted_size: int
    reused: bool


class ImageView(BaseModel):
    """
    first_files        how many files stand first, which a node fetches at once
    first_files_from   `artifact`: a list beside the image, `repository`: the repository's, `static`: what the image
                       itself tells of how it starts
    """

    model_config = MADE

    platform: str
    digest: str
    converted_digest: str
    first_files: int
    first_files_from: str
    layers: tuple[LayerView, ...]


class AccelerationView(BaseModel):
    """
    reason      one word for programs, message: the same for people; both empty unless it failed
    task        that looks after it, while it is queued or running
    tag         the accelerated image's; digest: what it points to; both empty where there is none
    size        of all that its pull brings, in bytes; source_size: of the original's
    larger_by_percent   how much more that is; null where there is none
    images      one a platform
    commands    how nodes run it, ready to paste, by tool; others pull it like any image
    """

    model_config = MADE

    state: State
    reason: str = ""
    message: str = ""
    task: str = ""
    source_digest: str
    source_size: int
    tag: str = ""
    digest: str = ""
    size: int | None = None
    larger_by_percent: float | None = None
    images: tuple[ImageView, ...] = ()
    commands: tuple[PullCommand, ...] = ()


class FirstFilesView(BaseModel):
    """set_at, set_by: null and empty where there is no list."""

    model_config = MADE

    files: tuple[str, ...]
    set_at: Moment | None = None
    set_by: str = ""
