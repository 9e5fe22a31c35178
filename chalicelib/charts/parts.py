"""The layers of a chart's manifest. Source: helm.sh/docs/topics/registries, "Helm chart manifest"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from chalicelib.kernel.names import Digest
from chalicelib.registry.description import objects, text

_CONTENTS: Final = ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip")
_PROVENANCE: Final = "application/vnd.cncf.helm.chart.provenance.v1.prov"


class Part(NamedTuple):
    digest: Digest
    size: int


class _Layer(msgspec.Struct):
    mediaType: str = ""
    digest: str = ""


class _Layers(msgspec.Struct):
    layers: list[_Layer] = []


def archive_in(manifest: Mapping[str, Any]) -> Part | None:
    """The chart itself: `<chart>-<version>.tgz`."""
    return _part(manifest, _CONTENTS)


def provenance_in(manifest: Mapping[str, Any]) -> Part | None:
    """What `helm package --sign` put beside it."""
    return _part(manifest, (_PROVENANCE,))


def archive_named(manifest: bytes) -> str:
    """The archive's digest, "" without one: the same for thousands of manifests, of which the registry took each."""
    try:
        layers = msgspec.json.decode(manifest, type=_Layers).layers
    except msgspec.MsgspecError:
        return ""
    return next((layer.digest for layer in layers if layer.mediaType in _CONTENTS and Digest.fits(layer.digest)), "")


def _part(manifest: Mapping[str, Any], media_types: tuple[str, ...]) -> Part | None:
    for layer in objects(manifest.get("layers")):
        digest, size = text(layer.get("digest")), layer.get("size")
        if text(layer.get("mediaType")) in media_types and Digest.fits(digest) and isinstance(size, int):
            return Part(Digest(digest), size)
    return None
