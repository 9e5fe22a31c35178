"""What a manifest from elsewhere is, before anybody pushes it here: judged as a push would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .description import document, runs
from .rules import parse_manifest


@dataclass(frozen=True, slots=True)
class ForeignManifest:
    """blobs: digest → size in bytes of all that it needs here. runs: it is an image or an index of such."""

    media_type: str
    blobs: Mapping[str, int]
    runs: bool


def read_manifest(body: bytes, media_type: str) -> ForeignManifest:
    """Raises ManifestInvalid, TooLarge, DigestInvalid, SizeInvalid."""
    parsed = parse_manifest(body, media_type)
    return ForeignManifest(parsed.media_type, parsed.blobs, runs(parsed.media_type, document(body)))
