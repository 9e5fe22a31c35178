"""A companion put together of converted layers, and pushed as by a client: blobs, manifests, at last the tag.

The tag comes in one transaction with the mark on its original, and only while that is where the converted push put it.
Until then nothing names what was made, and what nothing names goes by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chalicelib.instances.models import Instance
from chalicelib.kernel import media
from chalicelib.kernel.errors import BlobUnknown
from chalicelib.kernel.names import Digest
from chalicelib.ports.stack import Stack
from chalicelib.registry import description
from chalicelib.registry.bodies import Bodies
from chalicelib.registry.models import TagRecord
from chalicelib.registry.service import Registry
from chalicelib.registry.small_blobs import put_blob
from chalicelib.surveys.service import Surveys

from . import assembly
from .caller import pusher
from .models import ConversionRecord, FilesFrom, NotConverted, Work

# As large as configs are that anybody looks into.
_MOST_CONFIG_BYTES: Final = 4 * 1024 * 1024

Made = tuple[str, bytes]
# The layers of an image, lowest first, and whose list of files each begins with.
Converted = tuple[Sequence[ConversionRecord], FilesFrom]


class Assembling:
    def __init__(self, stack: Stack, instance: Instance, work: Work) -> None:
        self._registry = Registry(stack)
        self._surveys = Surveys(stack)
        self._bodies = Bodies(stack)
        self._instance = instance
        self._work = work
        self._caller = pusher(instance, work.repository)

    def make(self, images: Mapping[str, Converted]) -> Made:
        """Media type and body of what the tag is to name; all that it needs is in the repository by then.

        images   digest → what it was converted to
        Raises ManifestUnknown where the original went, NotConverted.
        """
        if self._work.digest in images:
            return self._image(self._work.digest, *images[self._work.digest])
        children = {digest: self._push(self._image(digest, *converted)) for digest, converted in images.items()}
        return self._index(self._work.digest, children)

    def push(self, original: TagRecord, made: Made) -> None:
        """Raises OriginalMoved, CompanionNameTaken, TagImmutable, QuotaExceeded and what any push raises."""
        name = original.name.accelerated
        self._registry.push(
            self._caller, self._work.repository, name, (), made[1], made[0], how="conversion", beside=original
        )

    def _image(self, digest: str, layers: Sequence[ConversionRecord], files_from: FilesFrom) -> Made:
        source = self._document(digest)
        described = description.mapping(source.get("config"))
        config = self._bodies.blob(self._instance.id, description.text(described.get("digest")), _MOST_CONFIG_BYTES)
        if config is None:
            raise NotConverted("too_large", f"the config of image {digest} is not here, or larger than configs are")
        told = description.document(config)
        if not told:
            raise NotConverted("no_image", f"the config of image {digest} is no JSON object")
        converted = assembly.config_of(told, layers)
        self._upload(converted)
        for layer in layers:
            self._surveys.adopt(self._instance, layer.layer, layer.digest)
        return media.OCI_MANIFEST, assembly.manifest_of(source, digest, converted, layers, files_from)

    def _index(self, digest: str, images: Mapping[str, assembly.Child]) -> Made:
        """With the indexes that it lists, which hold what is made in their turn."""
        source = self._document(digest)
        children = dict(images)
        for child in description.objects(source.get("manifests")):
            listed = description.text(child.get("digest"))
            if child.get("mediaType") in media.INDEXES and listed not in children:
                nested = self._index(listed, images)
                if description.document(nested[1]).get("manifests"):
                    children[listed] = self._push(nested)
        return media.OCI_INDEX, assembly.index_of(source, digest, children)

    def _document(self, digest: str) -> dict[str, Any]:
        record = self._surveys.manifest_of(self._work.repository_id, digest)
        return description.document(self._bodies.of(self._instance.id, record))

    def _push(self, made: Made) -> assembly.Child:
        """By its digest alone: an index is about to name it."""
        digest = Digest.of(made[1])
        self._registry.push(self._caller, self._work.repository, digest, (), made[1], made[0])
        return assembly.Child(made[0], digest, len(made[1]))

    def _upload(self, data: bytes) -> None:
        digest = Digest.of(data)
        try:
            self._registry.renew(self._caller, self._work.repository, digest)
        except BlobUnknown:
            put_blob(self._registry, self._caller, self._work.repository, data)
