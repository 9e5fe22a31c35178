"""Referrers in registries that do not list them: an index under a tag, kept by whoever pushes them.

Source: OCI distribution-spec 1.1, "Pushing Manifests with Subject", and the referrers tag schema.
"""

from __future__ import annotations

import json
from typing import Any

from chalicelib.kernel import media
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.names import Digest
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.registry.description import document, labels, mapping, objects, text

from .models import Manifest


def list_referrer(registry: RemoteRegistry, name: str, manifest: Manifest) -> None:
    """A manifest was pushed by its digest: where it is about another and the registry does not say so, the list does.
    Whoever writes the same list at the same moment may be overwritten; the next copy writes what is missing."""
    described = document(manifest.body)
    subject = text(mapping(described.get("subject")).get("digest"))
    if not Digest.fits(subject) or manifest.digest in registry.referrers(name, Digest(subject)):
        return
    tag = f"{Digest(subject).algorithm}-{Digest(subject).hex[:64]}"
    try:
        listed = objects(document(registry.pull(name, tag).body).get("manifests"))
    except NotFound:
        listed = []
    index = {
        "schemaVersion": 2,
        "mediaType": media.OCI_INDEX,
        "manifests": [*listed, _descriptor(manifest, described)],
    }
    registry.push(name, tag, media.OCI_INDEX, json.dumps(index, separators=(",", ":")).encode())


def _descriptor(manifest: Manifest, described: dict[str, Any]) -> dict[str, Any]:
    config_type = text(mapping(described.get("config")).get("mediaType"))
    artifact_type = text(described.get("artifactType")) or config_type
    annotations = labels(described.get("annotations"))
    return {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.body),
        **({"artifactType": artifact_type} if artifact_type else {}),
        **({"annotations": annotations} if annotations else {}),
    }
