"""What surveys leave behind: objects named for the layer and for the version of whoever read it.

A layer that cannot be read is remembered too, with the reason: its bytes never change, so it never can.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from typing import Final, NamedTuple

from chalicelib.kernel.errors import Unavailable
from chalicelib.layers.entries import LayerRefused
from chalicelib.packages.models import INVENTORY_VERSION, LayerInventory
from chalicelib.ports import paths
from chalicelib.ports.objects import ObjectExists, ObjectMissing, Objects

# Of a survey uncompressed. Real ones have a megabyte at most; what a layer could make of it is bounded by its limits.
MOST_BYTES: Final = 256 * 1024 * 1024


class Kept(NamedTuple):
    """size: of what is kept, in bytes before it is compressed; in memory it takes many times that."""

    inventory: LayerInventory
    size: int


def load(objects: Objects, instance_id: str, layer: str) -> Kept | None:
    """None where nobody has read the layer yet. Raises LayerRefused where somebody has in vain."""
    data = read(objects, paths.survey(instance_id, layer, INVENTORY_VERSION))
    if data is None:
        return None
    told = inflated(data)
    known = json.loads(told)
    if "refused" in known:
        raise LayerRefused(known["refused"]["reason"], known["refused"]["message"])
    return Kept(LayerInventory.model_validate(known), len(told))


def keep(objects: Objects, instance_id: str, layer: str, inventory: LayerInventory, contents: bytes) -> Kept:
    """The survey last: where it stands, the contents do."""
    put(objects, paths.contents(instance_id, layer, INVENTORY_VERSION), contents)
    told = inventory.model_dump_json(exclude_defaults=True).encode()
    put(objects, paths.survey(instance_id, layer, INVENTORY_VERSION), zlib.compress(told))
    return Kept(inventory, len(told))


def keep_refusal(objects: Objects, instance_id: str, layer: str, refused: LayerRefused) -> None:
    told = {"refused": {"reason": refused.reason, "message": refused.message}}
    put(objects, paths.survey(instance_id, layer, INVENTORY_VERSION), zlib.compress(json.dumps(told).encode()))


def load_contents(objects: Objects, instance_id: str, layer: str) -> bytes | None:
    return read(objects, paths.contents(instance_id, layer, INVENTORY_VERSION))


def forget(objects: Objects, instance_id: str, layer: str) -> None:
    for key in paths.surveyed(instance_id, layer, INVENTORY_VERSION):
        objects.delete(key)


def copy(objects: Objects, bucket: str, instance_id: str, source: str, other: str) -> None:
    """What is kept of a layer is kept of the other too, as far as there is anything: the survey last, as ever."""
    made = (
        (paths.starts(instance_id, source), paths.starts(instance_id, other)),
        *(
            (make(instance_id, source, INVENTORY_VERSION), make(instance_id, other, INVENTORY_VERSION))
            for make in (paths.contents, paths.survey)
        ),
    )
    for key, copied in made:
        with contextlib.suppress(ObjectExists, ObjectMissing):
            objects.copy(bucket, key, copied)


def put(objects: Objects, key: str, data: bytes) -> None:
    """Whoever read the same layer at the same time wrote the same."""
    with contextlib.suppress(ObjectExists):
        objects.put(key, data)


def read(objects: Objects, key: str) -> bytes | None:
    try:
        reading = objects.get(key)
    except ObjectMissing:
        return None
    try:
        return b"".join(reading.chunks())
    finally:
        reading.close()


def inflated(data: bytes) -> bytes:
    """Raises Unavailable: what lies there is not what was written."""
    opening = zlib.decompressobj()
    try:
        found = opening.decompress(data, MOST_BYTES)
    except zlib.error as broken:
        raise Unavailable from broken
    if not opening.eof:
        raise Unavailable
    return found
