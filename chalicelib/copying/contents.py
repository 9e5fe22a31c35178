"""What a manifest is made of, as far as a copy has to know it. Whether it is a proper one is the target's to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.kernel import media
from chalicelib.kernel.errors import ManifestInvalid
from chalicelib.kernel.names import Digest
from chalicelib.registry.description import document, mapping, objects, text

from .models import Manifest

# Beyond what any object store takes; a manifest may say anything.
_LARGEST_BYTES: Final = 2**45


@dataclass(frozen=True, slots=True)
class Contents:
    """
    blobs      digest → size in bytes, of those that a pusher brings: config and layers
    children   digest → media type of what an index lists
    """

    media_type: str
    blobs: Mapping[Digest, int]
    children: Mapping[Digest, str]


def contents(manifest: Manifest) -> Contents:
    """Raises ManifestInvalid, DigestInvalid."""
    described = document(manifest.body)
    media_type = text(described.get("mediaType")) or manifest.media_type
    if media_type in media.INDEXES:
        listed = objects(described.get("manifests"))
        return Contents(media_type, {}, {_digest(child): text(child.get("mediaType")) for child in listed})
    if media_type not in media.IMAGES:
        raise ManifestInvalid(f"{media_type or 'a manifest without a media type'} is not copied; only OCI, Docker v2.2")
    parts = [mapping(described.get("config")), *objects(described.get("layers"))]
    # What clients fetch from elsewhere nobody pushes.
    return Contents(media_type, {_digest(part): _size(part) for part in parts if not _is_foreign(part)}, {})


def _is_foreign(part: Mapping[str, Any]) -> bool:
    return text(part.get("mediaType")) in media.FOREIGN_LAYERS or bool(part.get("urls"))


def _digest(part: Mapping[str, Any]) -> Digest:
    return Digest.parse(text(part.get("digest")))


def _size(part: Mapping[str, Any]) -> int:
    size = part.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST_BYTES:
        raise ManifestInvalid(f"{text(part.get('digest'))} has no size, or one that nothing has")
    return size
