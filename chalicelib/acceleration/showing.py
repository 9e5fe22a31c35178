"""What is told of one tag's acceleration: read from its row and from the companion itself, which says what it is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import ManifestUnknown
from chalicelib.ports.stack import Stack
from chalicelib.registry import description
from chalicelib.registry.annotation import Annotations
from chalicelib.registry.bodies import Bodies
from chalicelib.registry.companions import companions_of, shown
from chalicelib.registry.models import TagRecord
from chalicelib.registry.tag_views import PullCommand
from chalicelib.repositories.models import Repository
from chalicelib.surveys.service import Surveys

from .models import FIRST_FILES, FIRST_FILES_FROM, SOURCE
from .views import AccelerationView, ImageView, LayerView


class Showing:
    def __init__(self, stack: Stack, instance: Instance, repository: Repository) -> None:
        self._stack = stack
        self._instance = instance
        self._repository = repository
        self._bodies = Bodies(stack)
        self._surveys = Surveys(stack)
        self._annotations = Annotations(stack)

    def view(self, tag: TagRecord) -> AccelerationView:
        companion = companions_of(self._stack.table, self._repository.id, [tag]).get(tag.name)
        mark = shown(tag.acceleration, companion)
        size = self._size(tag.digest)
        told: dict[str, Any] = {"state": "none", "source_digest": tag.digest, "source_size": size}
        if mark is not None:
            told |= {"state": mark.state, "reason": mark.reason, "message": mark.message, "task": mark.task}
        if companion is None or mark is None or mark.digest != companion.digest:
            return AccelerationView(**told)
        converted = self._size(companion.digest)
        told |= {"tag": companion.name, "digest": companion.digest, "size": converted}
        told["larger_by_percent"] = round((converted / size - 1) * 100, 1) if size else None
        told["images"] = tuple(self._images(tag.digest, companion.digest))
        return AccelerationView(**told, commands=self._commands(companion.name))

    def _size(self, digest: str) -> int:
        try:
            record = self._surveys.manifest_of(self._repository.id, digest)
        except ManifestUnknown:
            return 0
        return self._annotations.of(self._instance.id, record).whole_size

    def _images(self, source: str, converted: str, platform: str = "") -> Iterator[ImageView]:
        """Each by the original that its manifest names."""
        try:
            manifest = self._document(converted)
            if "manifests" not in manifest:
                yield self._image(self._document(source), source, manifest, converted, platform)
                return
        except ManifestUnknown:
            return
        for child in description.objects(manifest.get("manifests")):
            digest = description.text(child.get("digest"))
            named = description.platform(description.mapping(child.get("platform")))
            yield from self._images(self._source_of(digest), digest, named)

    def _source_of(self, converted: str) -> str:
        try:
            return description.labels(self._document(converted).get("annotations")).get(SOURCE, "")
        except ManifestUnknown:
            return ""

    def _image(
        self, source: Mapping[str, Any], digest: str, manifest: Mapping[str, Any], converted: str, platform: str
    ) -> ImageView:
        told = description.labels(manifest.get("annotations"))
        pairs = zip(
            description.objects(source.get("layers")), description.objects(manifest.get("layers")), strict=False
        )
        record = self._surveys.manifest_of(self._repository.id, converted)
        named = platform or next(iter(self._annotations.of(self._instance.id, record).platforms), "")
        return ImageView(
            platform=named,
            digest=digest,
            converted_digest=converted,
            first_files=int(told.get(FIRST_FILES, "0")),
            first_files_from=told.get(FIRST_FILES_FROM, ""),
            layers=tuple(
                LayerView(
                    digest=before["digest"],
                    size=before["size"],
                    converted_digest=after["digest"],
                    converted_size=after["size"],
                    reused=before["digest"] == after["digest"],
                )
                for before, after in pairs
            ),
        )

    def _document(self, digest: str) -> dict[str, Any]:
        record = self._surveys.manifest_of(self._repository.id, digest)
        return description.document(self._bodies.of(self._instance.id, record))

    def _commands(self, tag: str) -> tuple[PullCommand, ...]:
        """Of clients that load lazily; with any other it runs like every image."""
        address = f"{Instances(self._stack).public_address(self._instance)}/{self._repository.name}:{tag}"
        plain = self._stack.settings.plain_http
        insecure, http = (" --insecure-registry", " --plain-http") if plain else ("", "")
        return (
            PullCommand(tool="nerdctl", command=f"nerdctl{insecure} --snapshotter=stargz run --rm {address}"),
            PullCommand(tool="ctr-remote", command=f"ctr-remote image rpull{http} {address}"),
            PullCommand(tool="podman", command=f"podman run --rm{' --tls-verify=false' if plain else ''} {address}"),
        )
