"""Which files of each layer come first: a list that users attached to the image, else their repository's, else what the
image itself tells of how it starts.

    artifact beside the image ─┐
    artifact beside its index ─┼─► the first there is ─► shared out by layers ─► a recipe for each
    list of the repository ────┤
    config and starts ─────────┘
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import nlargest
from itertools import islice
from typing import Final

from chalicelib.edge.log import logger
from chalicelib.estargz.models import Recipe
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import ManifestUnknown, NotFound, Refused
from chalicelib.kernel.names import Digest
from chalicelib.kernel.paging import every
from chalicelib.ports.stack import Stack
from chalicelib.registry import description
from chalicelib.registry.bodies import Bodies
from chalicelib.registry.models import Referrer
from chalicelib.registry.service import Registry
from chalicelib.surveys.models import ImageLayers
from chalicelib.surveys.service import Surveys

from . import store
from .caller import pusher
from .models import FIRST_FILES_TYPE, FilesFrom, Work

# Of an artifact: the list, and what its tool adds to that.
_MOST_LIST_BYTES: Final = 1024 * 1024
# Whoever may push may attach as many lists as he likes: so many of an image are looked at, the newest of them read.
_MOST_ARTIFACTS: Final = 1000
_MOST_TRIED: Final = 10
_CREATED: Final = "org.opencontainers.image.created"


class Recipes:
    def __init__(self, stack: Stack, instance: Instance, work: Work) -> None:
        self._stack = stack
        self._instance = instance
        self._work = work
        self._bodies = Bodies(stack)
        self._surveys = Surveys(stack)

    def of(self, image: ImageLayers, starts: Sequence[bytes]) -> tuple[list[Recipe], FilesFrom]:
        """One for each layer, lowest first. starts: of the layers, in the same order."""
        from chalicelib.starts.resolution import first_files, listed_files

        listed, files_from = self._listed(image.digest)
        found = first_files(image.config, starts) if listed is None else listed_files(listed, starts)
        return [Recipe(store.fitting(files)) for files in found], files_from

    def _listed(self, digest: str) -> tuple[tuple[str, ...] | None, FilesFrom]:
        for subject in dict.fromkeys((digest, self._work.digest)):
            attached = self._attached(Digest(subject))
            if attached is not None:
                return attached, "artifact"
        record = store.first_files(self._stack.table, self._work.repository_id)
        return (store.unpacked(record.files), "repository") if record else (None, "static")

    def _attached(self, subject: Digest) -> tuple[str, ...] | None:
        """The newest list beside the image that can be read. One that cannot is as good as none: the image converts all
        the same."""
        from chalicelib.starts.lists import parse_list

        for one in nlargest(_MOST_TRIED, self._artifacts(subject), key=_newest):
            try:
                return parse_list(self._content(one.digest))
            except (Refused, ValueError) as refused:
                logger.warning("list of first files is not read", digest=one.digest, reason=str(refused))
        return None

    def _artifacts(self, subject: Digest) -> Iterator[Referrer]:
        registry, name = Registry(self._stack), self._work.repository
        caller = pusher(self._instance, name)
        pages = every(lambda cursor: registry.referrers(caller, name, subject, FIRST_FILES_TYPE, cursor))
        return islice(pages, _MOST_ARTIFACTS)

    def _content(self, artifact: str) -> bytes:
        """Raises NotFound where it is not whole, or larger than lists are."""
        try:
            record = self._surveys.manifest_of(self._work.repository_id, artifact)
        except ManifestUnknown:
            raise NotFound("it is gone") from None
        layers = description.objects(description.document(self._bodies.of(self._instance.id, record)).get("layers"))
        digest = description.text(layers[0].get("digest")) if layers else ""
        data = self._bodies.blob(self._instance.id, digest, _MOST_LIST_BYTES) if digest in record.held else None
        if data is None:
            raise NotFound("it holds no list")
        return data


def _newest(artifact: Referrer) -> tuple[str, str]:
    return artifact.annotations.get(_CREATED, ""), artifact.digest
