"""Images as surveys see them: a config, and layers that are here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chalicelib.kernel.errors import Refused
from chalicelib.packages.models import LayerRef

WhyNot = Literal["foreign_layer", "missing_layer", "no_image", "too_large"]


class ImageRefused(Refused):
    """An image that cannot be looked into, though nothing is wrong with its layers.

    foreign_layer   its author keeps a layer elsewhere; missing_layer: it names one that is not here;
    no_image        it has no file system: a signature, a chart, an attestation, an index
    too_large       it has more layers than any system puts on top of each other
    """

    code = "IMAGE_REFUSED"
    status = 409

    def __init__(self, reason: WhyNot, message: str) -> None:
        super().__init__(message, reason=reason)
        self.reason: WhyNot = reason


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """size: of the blob, in bytes; command: what made it, "" where the image does not say."""

    ref: LayerRef
    size: int
    media_type: str
    command: str

    @property
    def digest(self) -> str:
        return self.ref.digest


@dataclass(frozen=True, slots=True)
class ImageLayers:
    """
    platform   `linux/amd64`, "" where the config says none
    config     as its author wrote it: any field may be of any type
    layers     lowest first; one that the image names twice is there twice
    """

    digest: str
    platform: str
    config: Mapping[str, Any]
    layers: tuple[ImageLayer, ...]

    @property
    def size(self) -> int:
        """Of all layers that have to be read, in bytes."""
        return sum({layer.digest: layer.size for layer in self.layers}.values())
