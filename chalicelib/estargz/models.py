"""What is converted, how, and what comes of it.

    blob of a layer ─► decompress ─► tar ─► chunks ─► gzip members, table of contents, footer ─► converted blob

The same layer and recipe make the same bytes, on every machine and with any number of workers.
Source: containerd/stargz-snapshotter, docs/estargz.md.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final, Literal

from chalicelib.kernel.errors import Refused

MEDIA_TYPE: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
# On the layer's descriptor: the snapshotter loads nothing lazily without the first.
TOC_DIGEST: Final = "containerd.io/snapshot/stargz/toc.digest"
UNCOMPRESSED_SIZE: Final = "io.containers.estargz.uncompressed-size"

CHUNK_BYTES: Final = 4 * 1024 * 1024
LEVEL: Final = 6
# Raised whenever the same layer would become other bytes: by our rules, or by a newer compressor.
CONVERTER: Final = "crs-1 deflate-0.9.0"

# Beside these, everything else of a converted image hides: who unpacks it must not find them in `/`.
TOC_NAME: Final = "stargz.index.json"
PREFETCH: Final = ".prefetch.landmark"
NO_PREFETCH: Final = ".no.prefetch.landmark"
LANDMARK: Final = b"\x0f"
OWN_NAMES: Final = frozenset((TOC_NAME, PREFETCH, NO_PREFETCH))

# Ten times what the largest layers have that we know of. Memory is reckoned for these: 150 bytes an entry while a layer
# is converted, and the whole table of contents at its end, which has to be a single gzip member.
ENTRIES_MOST: Final = 1_000_000
TOC_BYTES_MOST: Final = 160 * 1024 * 1024

Reason = Literal[
    "unsupported_name",  # bytes that are no UTF-8, which the table of contents cannot hold; a path out of the root
    "unsupported_entry",  # what unpacks otherwise than a table of contents can tell, such as a link to another layer
    "too_many_entries",
]


class ConversionRefused(Refused):
    """A layer that is sound but cannot be converted. The message says which entry and why."""

    code = "CONVERSION_REFUSED"
    status = 422

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message, reason=reason)
        self.reason: Reason = reason


class LayerUnsound(Refused):
    """Bytes that are no layer which loads lazily, or not the one that its table of contents tells of."""

    code = "LAYER_UNSOUND"
    status = 422


@dataclass(frozen=True, slots=True)
class Recipe:
    """files: of this layer, those that are needed first, in the order they are needed; paths as `Entry.path` has them.
    What is not in the layer is passed over."""

    files: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """What two conversions of a layer have in common that make the same bytes."""
        told = json.dumps([CONVERTER, CHUNK_BYTES, LEVEL, self.files], ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Converted:
    """
    digest, size       of the converted blob
    diff_id            sha256 of what it decompresses to, which is what a config lists
    toc_digest         sha256 of the table of contents' JSON
    uncompressed_size  bytes that it decompresses to
    source_bytes       bytes that the source decompressed to
    entries            of the table of contents, without chunks
    prioritized        of those, files that stand first
    """

    digest: str
    size: int
    diff_id: str
    toc_digest: str
    uncompressed_size: int
    source_bytes: int
    entries: int
    prioritized: int
