"""What is kept of advice: an object named for the image's config, which goes when the config does."""

from __future__ import annotations

import contextlib
import zlib

from pydantic import ValidationError

from chalicelib.ports import keys, paths
from chalicelib.ports.objects import ObjectExists, ObjectMissing
from chalicelib.ports.stack import Stack

from .models import Report

# Far beyond all that rules say of one image.
_MOST_BYTES = 16 * 1024 * 1024


def load(stack: Stack, bucket: str, instance_id: str, config: str) -> Report | None:
    """None where nothing is kept, or not what was written: it is made once more."""
    try:
        reading = stack.objects(bucket).get(paths.advice(instance_id, config, paths.ADVICE_VERSION))
    except ObjectMissing:
        return None
    try:
        data = b"".join(reading.chunks())
    finally:
        reading.close()
    try:
        return Report.model_validate_json(zlib.decompressobj().decompress(data, _MOST_BYTES))
    except (zlib.error, ValidationError):
        return None


def keep(stack: Stack, bucket: str, instance_id: str, config: str, report: Report) -> None:
    """Not beyond the config's own end: who deleted that looked for this before."""
    objects, key = stack.objects(bucket), paths.advice(instance_id, config, paths.ADVICE_VERSION)
    with contextlib.suppress(ObjectExists):
        objects.put(key, zlib.compress(report.model_dump_json(exclude_defaults=True).encode()))
    head = stack.table.get(keys.head(instance_id, config))
    if head is None or head["state"] == "D":
        objects.delete(key)
