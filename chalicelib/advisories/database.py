"""The vulnerability database: `trivy.db`, which is Trivy's, and `metadata.json` beside it.

    data-source     platform → who publishes it            vulnerability   id → title, severities, scores
    Red Hat CPE     repository, build → products           <platform>      package → id → advisory

Sizes: about 1.2 million advisories and 300 000 vulnerabilities in 600 MB. Source: trivy-db's pkg/db.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from .advisory import NO_SOURCE, UNREADABLE, Advisory, DataSource, read_advisory, read_source
from .bolt import Bolt, Bucket, DatabaseCorrupt, MappedPages, Pages
from .descriptions import Vulnerability, describe, read_vulnerability
from .models import DatabaseMetadata, Description

DATABASE_FILE: Final = "trivy.db"
METADATA_FILE: Final = "metadata.json"
# The only version of the format that there is (`Version` in metadata.json).
SCHEMA: Final = 2
_SOURCES: Final = b"data-source"
_VULNERABILITIES: Final = b"vulnerability"
# The one platform whose advisories have ids of their own, and name several vulnerabilities each.
RED_HAT: Final = "Red Hat"
# Whose products a Red Hat image holds. It concerns matching, so comparing two databases has it as a row of its own.
PRODUCTS: Final = "Red Hat CPE"
_OTHERS: Final = frozenset({_SOURCES, _VULNERABILITIES, PRODUCTS.encode()})
_DIGEST: Final = 16
Row = tuple[str, str, bytes]


class _Metadata(msgspec.Struct, kw_only=True):
    version: int = msgspec.field(name="Version")
    updated_at: str = msgspec.field(name="UpdatedAt")
    next_update: str = msgspec.field(default="", name="NextUpdate")
    demonstration: bool = msgspec.field(default=False, name="Demonstration")


class _Said(msgspec.Struct, kw_only=True, gc=False):
    """What findings and lists show of a vulnerability, unread."""

    title: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="Title")
    severity: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="Severity")
    severities: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="VendorSeverity")
    scores: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="CVSS")


_decode_said: Final = msgspec.json.Decoder(_Said).decode


def read_metadata(content: bytes) -> DatabaseMetadata:
    """Raises DatabaseCorrupt for what is no `metadata.json`, or of a format that nobody here knows."""
    try:
        found = msgspec.json.decode(content, type=_Metadata)
    except UNREADABLE as error:
        raise DatabaseCorrupt(f"{METADATA_FILE} cannot be read: {error}") from error
    if found.version != SCHEMA:
        raise DatabaseCorrupt(f"the database is of format {found.version}, and only {SCHEMA} is known")
    return DatabaseMetadata(**msgspec.structs.asdict(found))


class Database:
    """Reads only what is asked for; safe for several threads. Whatever is damaged raises DatabaseCorrupt."""

    def __init__(self, pages: Pages, metadata: DatabaseMetadata) -> None:
        self.metadata = metadata
        self._bolt = Bolt(pages)
        self._platform = lru_cache(512)(self._read_platform)
        self._vulnerabilities = self._bolt.root.bucket(_VULNERABILITIES)
        self._sources = self._bolt.root.bucket(_SOURCES)

    @classmethod
    def open(cls, folder: Path) -> Database:
        """folder: holds `trivy.db` and `metadata.json`."""
        try:
            metadata = read_metadata((folder / METADATA_FILE).read_bytes())
            return cls(MappedPages(folder / DATABASE_FILE), metadata)
        except FileNotFoundError as error:
            raise DatabaseCorrupt(f"there is no {Path(error.filename).name} in the database's folder") from error

    def advisories(self, platform: str, package: str) -> Mapping[str, Advisory]:
        """By vulnerability id (Red Hat: by id of its advisory); empty for a platform or package that nobody knows."""
        bucket, source = self._platform(platform)
        packages = bucket.bucket(package.encode()) if bucket and package else None
        if packages is None:
            return {}
        where = f"{platform} / {package}"
        return {_text(key): read_advisory(value, source, where) for key, value in packages.values() if value}

    def platforms(self, prefix: str) -> Sequence[str]:
        """Names that begin so, in order: `pip::` has several."""
        start = prefix.encode()
        names = []
        for key, _ in self._bolt.root.buckets(start):
            if not key.startswith(start):
                break
            if key not in _OTHERS:
                names.append(_text(key))
        return names

    def knows(self, platform: str) -> bool:
        return self._platform(platform)[0] is not None

    def source(self, platform: str) -> DataSource:
        return self._platform(platform)[1]

    def products(self, kind: str, name: str) -> Sequence[int]:
        """Red Hat's, by number. kind: `repository` or `nvr`."""
        of_kind = self._platform(PRODUCTS)[0]
        names = of_kind.bucket(kind.encode()) if of_kind and name else None
        found = names.get(name.encode()) if names and name else None
        try:
            return msgspec.json.decode(found, type=tuple[int, ...] | None) or () if found else ()
        except UNREADABLE as error:
            raise DatabaseCorrupt(f"the products of {name} cannot be read: {error}") from error

    def vulnerability(self, vulnerability_id: str) -> Vulnerability | None:
        content = self._vulnerabilities.get(vulnerability_id.encode()) if self._vulnerabilities else None
        return read_vulnerability(content, vulnerability_id) if content else None

    def describe(self, ids: Iterable[str]) -> dict[str, Description]:
        """Of those that it knows."""
        found = ((vulnerability_id, self.vulnerability(vulnerability_id)) for vulnerability_id in set(ids))
        return {vulnerability_id: describe(vulnerability_id, one) for vulnerability_id, one in found if one}

    def rows(self) -> Iterator[Row]:
        """Platform, package, and a digest over all that findings about it are made of: advisories, source, severities,
        titles and scores. What is equal in two databases makes equal findings with both. Before a platform's packages
        comes a row without one, which says that there is such a platform.

        Reads all of it: seconds, and about 60 MB while it lasts.
        """
        said = self._digests_of_vulnerabilities()
        for key, bucket in self._bolt.root.buckets():
            if key not in _OTHERS:
                source = (self._sources.get(key) if self._sources else None) or b""
                yield _text(key), "", _digest([source])
                yield from _rows(_text(key), bucket, source, said)
        products = self._bolt.root.bucket(PRODUCTS.encode())
        if products:
            pairs = (pair for _, names in products.buckets() for pair in names.values())
            yield PRODUCTS, "", _digest(part for pair in pairs for part in pair)

    def _digests_of_vulnerabilities(self) -> dict[bytes, bytes]:
        """Without texts and references, which are joined when somebody reads them."""
        found = self._vulnerabilities.values() if self._vulnerabilities else ()
        return {key: _said(value, key) for key, value in found}

    def _read_platform(self, platform: str) -> tuple[Bucket | None, DataSource]:
        bucket = self._bolt.root.bucket(platform.encode()) if platform else None
        if bucket is None or self._sources is None:
            return bucket, NO_SOURCE
        return bucket, read_source(self._sources.get(platform.encode()), platform)


def _text(key: bytes) -> str:
    """A key that is no text is damaged, and equal to no name that anybody looks up."""
    return key.decode("utf-8", "replace")


def _rows(platform: str, bucket: Bucket, source: bytes, said: Mapping[bytes, bytes]) -> Iterator[Row]:
    for package, advisories in bucket.buckets():
        parts = [source]
        for _, key, value in advisories.elements():
            parts += (key, value, said.get(key, b""))
            if platform == RED_HAT:
                parts += (said.get(vulnerability, b"") for vulnerability in _concerned(key, value))
        yield platform, _text(package), _digest(parts)


def _concerned(key: bytes, value: bytes) -> Sequence[bytes]:
    """Ids of vulnerabilities that an advisory of Red Hat's names; one without a fix lies under that id itself."""
    if key.startswith(b"CVE-"):
        return ()
    found = read_advisory(value, NO_SOURCE, _text(key))
    return [one.id.encode() for entry in found.entries or () for one in entry.concerned or ()]


def _said(content: bytes, key: bytes) -> bytes:
    try:
        found = _decode_said(content)
    except UNREADABLE as error:
        raise DatabaseCorrupt(f"the vulnerability {_text(key)} cannot be read: {error}") from error
    return blake2b(b"\0".join(map(bytes, msgspec.structs.astuple(found))), digest_size=8).digest()


def _digest(parts: Iterable[bytes]) -> bytes:
    """Texts hold no zero byte; what was digested before is of one length."""
    return blake2b(b"\0".join(parts), digest_size=_DIGEST).digest()
