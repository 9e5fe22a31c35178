"""Items of scans. The detail is compressed JSON in one attribute: a few KB, read only where ids are asked for. What an
instance is searched by has a row of its own, in the same way, so that pulls do not read it."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Final

from chalicelib.ports import scan_keys as keys
from chalicelib.ports.table import Condition, Delete, Item, Put, Write, absent, equals

from .models import Found, ScanDetail, ScanRecord

# Compressed. 10 000 findings take about half of it; beyond it the least grave are left out.
FOUND_LIMIT_BYTES: Final = 256 * 1024


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
        writes.append(_found(wanted.instance_id, wanted.digest, found.found))
    return writes


def _found(instance_id: str, digest: str, found: tuple[Found, ...]) -> Write:
    key = keys.scan_found(instance_id, digest)
    if not found:
        return Delete(key)
    packed = _packed(found)
    while len(packed) > FOUND_LIMIT_BYTES:
        found = found[: len(found) // 2]
        packed = _packed(found)
    return Put({**key._asdict(), "digest": digest, "packed": packed, "schema_version": 1})


def _packed(found: tuple[Found, ...]) -> bytes:
    return zlib.compress(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode())


def found_text(item: Item) -> str:
    """The row's findings as JSON: whether a word stands in it at all is seen without reading it."""
    return zlib.decompress(item["packed"]).decode()


def found(text: str) -> list[Found]:
    return [Found(row[0], tuple(row[1]), *row[2:]) for row in json.loads(text)]
