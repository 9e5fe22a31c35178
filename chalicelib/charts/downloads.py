"""Archives of the classic repository: a version of a chart, and its provenance, as the registry has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chalicelib.edge.asgi import Headers
from chalicelib.kernel import media
from chalicelib.kernel.errors import ManifestUnknown
from chalicelib.ports.stack import Stack
from chalicelib.registry.description import document, mapping, text
from chalicelib.registry.models import Caller
from chalicelib.registry.pulls import Pull
from chalicelib.registry.service import Registry
from chalicelib.registry.wire_blobs import BlobAnswer

from .parts import archive_in, provenance_in
from .paths import Place

_TYPES: Final = {"archive": b"application/gzip", "provenance": b"application/pgp-signature"}


@dataclass(frozen=True, slots=True)
class DownloadAnswer(BlobAnswer):
    """pull: what is to be counted once it went out; None for a provenance, which is fetched beside its archive."""

    pull: Pull | None = None


class Downloads:
    def __init__(self, stack: Stack) -> None:
        self._registry = Registry(stack)

    def find(self, caller: Caller, place: Place) -> DownloadAnswer:
        """Raises ManifestUnknown and what the registry raises to who pulls the same from it."""
        pulled = self._registry.pull(caller, place.name, place.tag)
        manifest = document(pulled.body)
        is_chart = text(mapping(manifest.get("config")).get("mediaType")) == media.HELM_CONFIG
        part = (archive_in if place.kind == "archive" else provenance_in)(manifest) if is_chart else None
        if part is None:
            raise ManifestUnknown(place.tag)
        blob = self._registry.blob(caller, place.name, part.digest)
        counts = place.kind == "archive"
        pull = Pull(caller.instance.id, pulled.repository_id, place.tag, pulled.digest) if counts else None
        digest = part.digest.encode()
        headers: Headers = (
            (b"content-type", _TYPES[place.kind]),
            (b"content-length", b"%d" % blob.size),
            (b"docker-content-digest", digest),
            (b"etag", b'"' + digest + b'"'),
            (b"accept-ranges", b"bytes"),
        )
        return DownloadAnswer(200, headers, b"", blob, pull)
