"""The table of rows: what is measured, in which unit, and how each is set up on a filled registry."""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.operations import (
    MANIFEST_TYPE,
    Blob,
    BlobMaker,
    build_manifest,
    fetch,
    fetch_directly,
    next_tag,
    push_blob,
    push_image,
    push_manifest,
)
from benchmarks.stage import LARGE_BLOB_BYTES, READ_TAG, Stage
from benchmarks.target import Target
from benchmarks.wire import Operation, Request, Take

_BIG_PUSH_BYTES = 64 * 1024 * 1024
_SMALL_PUSH_BYTES = 4096
_SPREAD_TAGS = 2000
_SMALL_PAGE_TAGS = 5
_SMALL_REPOSITORY_TAGS = 100


@dataclass(frozen=True)
class Workload:
    """A row ready to run on one registry.

    make    the next operation
    steady  the request every operation repeats, where there is one and it is a GET of a small thing
    """

    make: Callable[[], Operation]
    steady: Request | None = None


@dataclass(frozen=True)
class Row:
    """One thing that is measured.

    payload_bytes  moved by one operation; 0 when the rate is counted in operations
    counted        a fixed number of operations instead of a time, as the bytes would fill the disk
    cpu_floor      whether the promise about CPU per request is about this row
    writes         whether the server may have work left after the last answer
    prepare        registry, tags in its many-tags repository → workload
    """

    key: str
    title: str
    prepare: Callable[[Stage, int], Workload]
    payload_bytes: int = 0
    counted: bool = False
    cpu_floor: bool = False
    writes: bool = False


def repeat_read(target: Target, method: str, suffix: str, take: Take = Take.KEEP) -> Workload:
    """One read, over and over, with the token it has now."""

    def ask(path: str) -> Request:
        return target.request(method, path, {"Accept": MANIFEST_TYPE}, take=take)

    request = ask(target.path(suffix))
    steady = request if method == "GET" and take is Take.KEEP else None
    return Workload(lambda: fetch(request, ask), steady)


def _read_manifest(method: str, by_tag: bool, stage: Stage, _tags: int) -> Workload:
    content = stage.read_content()
    reference = READ_TAG if by_tag else content.manifest_digest
    return repeat_read(content.target, method, f"manifests/{reference}")


def _head_blob(stage: Stage, _tags: int) -> Workload:
    content = stage.read_content()
    return repeat_read(content.target, "HEAD", f"blobs/{content.layer_digest}")


def _get_blob(dropped: bool, stage: Stage, _tags: int) -> Workload:
    content = stage.read_content()
    take = Take.DROP if dropped else Take.READ
    return repeat_read(content.target, "GET", f"blobs/{content.large_digest}", take)


def _get_tag_page(stage: Stage, tags: int) -> Workload:
    return repeat_read(stage.tagged_repository(tags).target, "GET", "tags/list?n=50")


def _get_small_page(deep: bool, stage: Stage, tags: int) -> Workload:
    """Pages that are as long in a repository of ten tags as in a large one, from the start or from the middle."""
    repository = stage.tagged_repository(tags)
    last = f"&last={repository.tags[tags // 2 - 1]}" if deep else ""
    return repeat_read(repository.target, "GET", f"tags/list?n={_SMALL_PAGE_TAGS}{last}")


def _pull_spread_tags(stage: Stage, tags: int) -> Workload:
    """Manifest GETs by tags from all over the repository, so that no row stays in a cache because it was just read."""
    repository = stage.tagged_repository(tags)
    target = repository.target
    chosen = random.Random(tags).choices(repository.tags, k=_SPREAD_TAGS)
    requests = itertools.cycle(
        [target.request("GET", target.path(f"manifests/{tag}"), {"Accept": MANIFEST_TYPE}) for tag in chosen]
    )
    return Workload(lambda: fetch_directly(next(requests)))


def _push_new_tags(stage: Stage, tags: int) -> Workload:
    """A small repository would not stay small, so each measurement gets a fresh one; a large one is kept."""
    repository = stage.fill_tags(tags) if tags <= _SMALL_REPOSITORY_TAGS else stage.tagged_repository(tags)
    return _put_manifests_of(repository.target, repository.config, repository.layer)


def _move_tags(stage: Stage, tags: int) -> Workload:
    """New manifests onto tags that exist: the number of tags stays what it is."""
    repository = stage.tagged_repository(tags)
    chooser = random.Random(tags)

    def make() -> Operation:
        manifest = build_manifest(repository.config, (repository.layer,))
        return push_manifest(repository.target, chooser.choice(repository.tags), manifest)

    return Workload(make)


def _push_blobs(size_bytes: int, patched: bool, stage: Stage, _tags: int) -> Workload:
    target = stage.new_repository("blobs")
    maker = BlobMaker(size_bytes)
    return Workload(lambda: push_blob(target, maker.make(), patched))


def _put_manifests(stage: Stage, _tags: int) -> Workload:
    target = stage.new_repository("manifests")
    config, layer = BlobMaker(1024).make(), BlobMaker(_SMALL_PUSH_BYTES).make()
    for blob in (config, layer):
        stage.perform(target, push_blob(target, blob, patched=False))
    return _put_manifests_of(target, config, layer)


def _put_manifests_of(target: Target, config: Blob, layer: Blob) -> Workload:
    """Manifests of these blobs that differ in an annotation, each under a new tag."""
    return Workload(lambda: push_manifest(target, next_tag(), build_manifest(config, (layer,))))


def _push_images(stage: Stage, _tags: int) -> Workload:
    target = stage.new_repository("images")
    configs, layers = BlobMaker(1024), BlobMaker(_SMALL_PUSH_BYTES)
    return Workload(lambda: push_image(target, configs, layers))


ROWS: tuple[Row, ...] = (
    Row("manifest-get-tag", "manifest GET by tag", partial(_read_manifest, "GET", True), cpu_floor=True),
    Row("manifest-get-digest", "manifest GET by digest", partial(_read_manifest, "GET", False), cpu_floor=True),
    Row("manifest-head-tag", "manifest HEAD by tag", partial(_read_manifest, "HEAD", True), cpu_floor=True),
    Row("manifest-head-digest", "manifest HEAD by digest", partial(_read_manifest, "HEAD", False), cpu_floor=True),
    Row("blob-head", "blob HEAD", _head_blob, cpu_floor=True),
    Row("tag-page", "tag list page, n=50", _get_tag_page),
    Row("blob-get-10m", "blob GET, 10 MiB", partial(_get_blob, False), payload_bytes=LARGE_BLOB_BYTES),
    Row(
        "blob-get-10m-dropped",
        "blob GET, 10 MiB, dropped by the kernel",
        partial(_get_blob, True),
        payload_bytes=LARGE_BLOB_BYTES,
    ),
    Row(
        "push-64m-patch",
        "push 64 MiB, POST+PATCH+PUT",
        partial(_push_blobs, _BIG_PUSH_BYTES, True),
        payload_bytes=_BIG_PUSH_BYTES,
        counted=True,
        writes=True,
    ),
    Row(
        "push-64m-put",
        "push 64 MiB, POST+PUT",
        partial(_push_blobs, _BIG_PUSH_BYTES, False),
        payload_bytes=_BIG_PUSH_BYTES,
        counted=True,
        writes=True,
    ),
    Row("push-4k", "push 4 KiB blobs, POST+PUT", partial(_push_blobs, _SMALL_PUSH_BYTES, False), writes=True),
    Row("manifest-put", "manifest PUT, a new tag each", _put_manifests, cpu_floor=True, writes=True),
    Row("image-push", "whole small images into one repository", _push_images, writes=True),
)

SCALE_ROWS: tuple[Row, ...] = (
    Row("scale-tag-page", "first tag page, n=5", partial(_get_small_page, False)),
    Row("scale-tag-page-deep", "tag page from the middle, n=5", partial(_get_small_page, True)),
    Row("scale-pull", "pull by tag (manifest GET, tags at random)", _pull_spread_tags),
    Row("scale-push-move", "push a manifest onto an existing tag", _move_tags, writes=True),
    Row("scale-push-new", "push a manifest under a new tag", _push_new_tags, writes=True),
)
"""The requests whose cost must not grow with what is stored; measured in a small and in a large repository."""
