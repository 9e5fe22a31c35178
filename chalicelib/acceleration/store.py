"""What is kept of conversions: rows in the table, and an object for each layer that tells how its files start."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.ports import acceleration_keys as keys
from chalicelib.ports import paths
from chalicelib.ports.keys import head
from chalicelib.ports.objects import ObjectExists, ObjectMissing
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    ConditionFailed,
    Item,
    OutcomeUnknown,
    Table,
    Update,
    absent,
    all_of,
    equals,
    present,
)

from .models import ConversionRecord, FirstFilesRecord

# Of what nobody asked for that long: another image that needs it has it converted again, to the same bytes.
KEPT: Final = timedelta(days=90)
# Rows have 400 KB, most of which first files may take; real lists have a tenth of it.
MOST_FILES_BYTES: Final = 250 * 1024

Pair = tuple[str, str]


# Conversions


def conversions(table: Table, instance_id: str, pairs: Iterable[Pair]) -> dict[Pair, ConversionRecord]:
    """Those that are there, by layer and recipe; one batch."""
    wanted = {keys.conversion(instance_id, *pair): pair for pair in pairs}
    return {wanted[key]: ConversionRecord.model_validate(row) for key, row in table.get_many(list(wanted)).items()}


def conversion(table: Table, instance_id: str, pair: Pair) -> ConversionRecord | None:
    row = table.get(keys.conversion(instance_id, *pair))
    return None if row is None else ConversionRecord.model_validate(row)


def keep(
    table: Table, instance_id: str, wanted: ConversionRecord, seen: ConversionRecord | None
) -> ConversionRecord | None:
    """What is kept, if the row still is as it was seen; None otherwise."""
    kept = wanted.model_copy(update={"version": seen.version + 1 if seen else 1})
    key = keys.conversion(instance_id, kept.layer, kept.recipe)
    try:
        table.put({**key._asdict(), **kept.model_dump()}, absent() if seen is None else equals("version", seen.version))
    except ConditionFailed:
        return None
    except OutcomeUnknown:
        return None  # Read again, it shows.
    return kept


def change_claimed(
    table: Table, instance_id: str, claimed: ConversionRecord, fields: Mapping[str, Any]
) -> ConversionRecord | None:
    """Changes what this claim stands for, whoever has joined the waiters meanwhile. None: another claim took over."""
    ours = all_of(present(), equals("claim", claimed.claim))
    key = keys.conversion(instance_id, claimed.layer, claimed.recipe)
    try:
        return ConversionRecord.model_validate(table.update(Update(key, set=fields, add={"version": 1}, when=ours)))
    except ConditionFailed:
        return None


def expiry(now: datetime) -> int:
    return int((now + KEPT).timestamp())


# First files


def packed(files: Sequence[str]) -> bytes:
    return zlib.compress(json.dumps(list(files), separators=(",", ":")).encode())


def fitting(files: Sequence[str]) -> tuple[str, ...]:
    """As many of them, from the first on, as a row takes."""
    kept = tuple(files)
    while len(packed(kept)) > MOST_FILES_BYTES:
        kept = kept[: len(kept) * 3 // 4]
    return kept


def unpacked(data: bytes) -> tuple[str, ...]:
    return tuple(json.loads(zlib.decompress(data)))


def first_files(table: Table, repository_id: str) -> FirstFilesRecord | None:
    row = table.get(keys.first_files(repository_id))
    return None if row is None else FirstFilesRecord.model_validate(row)


def set_first_files(table: Table, record: FirstFilesRecord) -> None:
    table.put({**keys.first_files(record.repository_id)._asdict(), **record.model_dump()})


def forget_first_files(table: Table, repository_id: str) -> None:
    table.delete(keys.first_files(repository_id))


# How a layer's files start


def starts(stack: Stack, bucket: str, instance_id: str, layer: str) -> bytes | None:
    """None where nobody has looked yet."""
    try:
        reading = stack.objects(bucket).get(paths.starts(instance_id, layer))
    except ObjectMissing:
        return None
    try:
        return b"".join(reading.chunks())
    finally:
        reading.close()


def keep_starts(stack: Stack, bucket: str, instance_id: str, layer: str, told: bytes) -> None:
    """Not beyond the layer's own end: who deleted that looked for this before."""
    objects, key = stack.objects(bucket), paths.starts(instance_id, layer)
    with suppress(ObjectExists):
        objects.put(key, told)
    found = stack.table.get(head(instance_id, layer))
    if found is None or found["state"] == "D":
        objects.delete(key)


# The audit record


def claim_entry(table: Table, instance_id: str, about: str, seen: str, wanted: str, now: datetime) -> str:
    """The id of the entry about a task's end: the one wanted, if the one seen was agreed on till then."""
    key = keys.entry(instance_id, about)
    row: Item = {**key._asdict(), "entry": wanted, "expires": expiry(now)}
    try:
        table.put(row, equals("entry", seen) if seen else absent())
    except ConditionFailed as failed:
        return "" if failed.item is None else str(failed.item["entry"])
    return wanted
