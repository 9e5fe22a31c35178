"""Advice on an image: what was found in it, what it costs, what to write instead."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from chalicelib.kernel.modelling import KEPT, MADE

RuleName = Literal[
    "package_cache",
    "deleted_later",
    "overwritten_later",
    "permissions_changed_later",
    "system_upgrade",
    "split_package_steps",
    "update_apart",
    "recommended_packages",
    "unneeded_packages",
    "documentation",
    "build_tools",
    "several_services",
    "sources_before_packages",
    "git_folder",
    "node_modules_copied",
    "secret_file",
    "base_tag",
    "add_for_copy",
    "runs_as_root",
    "shell_form",
]
AdviceState = Literal["ready", "pending", "failed"]
Reason = Literal[
    "",
    "not_looked_over",
    "foreign_layer",
    "missing_layer",
    "no_image",
    "corrupt",
    "truncated",
    "unsupported_compression",
    "too_large",
    "too_many_entries",
    "too_deep",
    "too_long",
]


class AdviceItem(BaseModel):
    """
    layer      digest of the layer it is about; of how a container starts, the uppermost
    command    what made that layer, as the build noted it; "" where the image does not say
    bytes      of files, uncompressed, that following it would save; null where the layers do not tell
    detail     what was found
    instead    what to write instead
    paths      the largest files that it is about, five at most
    inherited  the layer comes from the base image, as far as the history shows where that ends
    """

    model_config = KEPT

    rule: RuleName
    title: str
    layer: str
    command: str = ""
    bytes: int | None = 0
    detail: str = ""
    instead: str
    paths: tuple[str, ...] = ()
    inherited: bool = False


class Report(BaseModel):
    """What is kept of an image that was looked over.

    digest         of its manifest: another one may name the same config
    wasted_bytes   of files that a layer brings and a later one deletes or writes over; total_bytes: of all files
    """

    model_config = KEPT

    digest: str
    platform: str = ""
    items: tuple[AdviceItem, ...] = ()
    wasted_bytes: int = 0
    total_bytes: int = 0
    schema_version: int = 1


class ImageAdvice(BaseModel):
    """
    state         `ready`; `pending`: layers of it were not read yet; `failed`: it cannot be looked over, for `reason`
    message       the reason for people
    wasted_bytes  of files that a layer brings and a later one deletes or writes over, uncompressed; null unless ready
    efficiency    share of all files' bytes that a container gets to see, 0 to 1; null unless ready
    items         what saves most first
    """

    model_config = MADE

    digest: str
    platform: str = ""
    state: AdviceState = "pending"
    reason: Reason = ""
    message: str = ""
    wasted_bytes: int | None = None
    efficiency: float | None = None
    items: tuple[AdviceItem, ...] = ()


class Work(BaseModel):
    """Where a task that looks an image over goes on.

    image   its manifest, or of an index the child that is next; None before the first step
    failed  how many could not be looked over, and why the last of them
    again   it is retried: what was counted before counts no more
    """

    model_config = KEPT

    repository_id: str
    digest: str
    image: str | None = None
    failed: int = 0
    why: str = ""
    again: bool = False


class AdviceView(ImageAdvice):
    """platforms: of an index, the advice on each of its images; its own state is theirs taken together, its numbers
    their sums, and its own list is empty."""

    platforms: tuple[ImageAdvice, ...] = Field(default=())
