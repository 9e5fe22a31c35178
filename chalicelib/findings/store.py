"""Items of scans. The detail is compressed JSON in one attribute: a few KB, read only where ids are asked for."""

from __future__ import annotations

import base64
import json
import zlib

from chalicelib.ports import scan_keys as keys
from chalicelib.ports.table import Condition, Item, Put, Write, absent, equals

from .models import ScanDetail, ScanRecord


def as_seen(version: int) -> Condition:
    return equals("version", version) if version else absent()


def record(item: Item | None) -> ScanRecord | None:
    return None if item is None else ScanRecord.model_validate(item)


def detail(item: Item | None) -> ScanDetail:
    if item is None:
        return ScanDetail(ids={})
    known = json.loads(zlib.decompress(item["packed"]))
    return ScanDetail(ids=known["ids"], silenced=known["silenced"], names=base64.b64decode(known["names"]))


def replacement(seen: int, wanted: ScanRecord, found: ScanDetail | None) -> list[Write]:
    """The record if it is at the version seen, one up, and its detail along with it. found: None leaves it alone."""
    key = keys.scan(wanted.instance_id, wanted.digest)
    fields = wanted.model_copy(update={"version": seen + 1}).model_dump(mode="json")
    writes: list[Write] = [Put({**key._asdict(), **fields}, as_seen(seen))]
    if found is not None:
        known = {"ids": found.ids, "silenced": found.silenced, "names": base64.b64encode(found.names).decode()}
        packed = zlib.compress(json.dumps(known, separators=(",", ":")).encode())
        detail_key = keys.scan_detail(wanted.instance_id, wanted.digest)
        writes.append(Put({**detail_key._asdict(), "packed": packed, "schema_version": found.schema_version}))
    return writes
