"""A layer's bytes, taken through the reader of layers and the inspector as a scan takes them."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.layers.reading import read_layer
from chalicelib.packages.inspection import LayerInspector
from chalicelib.packages.merging import merge
from chalicelib.packages.models import ImageInventory, LayerInventory, LayerRef

from .rebuild import tar


def inspected(layer: bytes) -> LayerInventory:
    inspector = LayerInspector()
    for entry in read_layer([layer]):
        inspector.look(entry)
    return inspector.finish()


def image_of(*layers: bytes | Mapping[str, str | bytes]) -> ImageInventory:
    """Lowest first, each a tar or the files of one; their digests are `sha256:0`, `sha256:1` …"""
    archives = [layer if isinstance(layer, bytes) else tar(layer) for layer in layers]
    return merge([(LayerRef(digest=f"sha256:{at}"), inspected(layer)) for at, layer in enumerate(archives)])
