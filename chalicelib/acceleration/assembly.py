"""Documents of a companion, made of those of its original: config, manifest, index. Pure; the same in, the same out.

Source: OCI image-spec 1.1, manifest, config and image index.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.estargz.models import MEDIA_TYPE, TOC_DIGEST, UNCOMPRESSED_SIZE
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest
from chalicelib.registry import description

from .models import FIRST_FILES, FIRST_FILES_FROM, SOURCE, ConversionRecord, FilesFrom


def config_of(config: Mapping[str, Any], layers: Sequence[ConversionRecord]) -> bytes:
    """As the original's, history and all, with what the converted layers decompress to, by their place."""
    rootfs = {**description.mapping(config.get("rootfs")), "diff_ids": [layer.diff_id for layer in layers]}
    return _written({**config, "rootfs": {"type": "layers", **rootfs}})


def manifest_of(
    source: Mapping[str, Any], digest: str, config: bytes, layers: Sequence[ConversionRecord], files_from: FilesFrom
) -> bytes:
    """source: the original's manifest, of whatever kind; digest: its own."""
    described = description.objects(source.get("layers"))
    told = {FIRST_FILES: str(sum(layer.prioritized for layer in layers)), FIRST_FILES_FROM: files_from}
    return _written(
        {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "config": {"mediaType": media.OCI_CONFIG, "digest": Digest.of(config), "size": len(config)},
            "layers": [_layer(before, layer) for before, layer in zip(described, layers, strict=True)],
            "annotations": {**_annotations(source, digest), **told},
        }
    )


class Child(NamedTuple):
    """What an index lists, as it was pushed. size: of its manifest, in bytes."""

    media_type: str
    digest: Digest
    size: int


def index_of(source: Mapping[str, Any], digest: str, children: Mapping[str, Child]) -> bytes:
    """children: digest of what the original lists → what stands for it; what is missing there, such as attestations of
    the original's bytes, is left out."""
    listed = [child for child in description.objects(source.get("manifests")) if child.get("digest") in children]
    return _written(
        {
            "schemaVersion": 2,
            "mediaType": media.OCI_INDEX,
            "manifests": [_child(child, children[child["digest"]]) for child in listed],
            "annotations": _annotations(source, digest),
        }
    )


def _layer(before: Mapping[str, Any], layer: ConversionRecord) -> dict[str, Any]:
    lazily = {TOC_DIGEST: layer.toc_digest, UNCOMPRESSED_SIZE: str(layer.uncompressed_size)}
    return {
        "mediaType": MEDIA_TYPE,
        "digest": layer.digest,
        "size": layer.size,
        "annotations": {**description.labels(before.get("annotations")), **lazily},
    }


def _child(before: Mapping[str, Any], child: Child) -> dict[str, Any]:
    kept = {name: before[name] for name in ("platform", "annotations") if name in before}
    return {"mediaType": child.media_type, "digest": child.digest, "size": child.size, **kept}


def _annotations(source: Mapping[str, Any], digest: str) -> dict[str, str]:
    return {**description.labels(source.get("annotations")), SOURCE: digest}


def _written(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
