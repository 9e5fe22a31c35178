"""Copies on the server: a tag in another place of the same instance, moving no bytes.

    children ─► their blobs mounted ─► pushed by digest ─► the manifest's own blobs ─► pushed under the tag ─► referrers

Each step is what a client would do that mounts every blob: the same rights, leases, edges, quotas and events. A copy
that breaks off leaves what a broken push leaves, and is finished by repeating it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chalicelib.kernel.errors import Conflict, ManifestBlobUnknown, ManifestUnknown, NotFound
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository

from . import store
from .bodies import Bodies
from .models import Caller, ManifestRecord
from .pull_gate import PullGate
from .service import Registry

# What one request carries, within the half minute that API Gateway gives it; larger ones are copied by a client.
MOST_MANIFESTS: Final = 100
MOST_BLOBS: Final = 2000


@dataclass(frozen=True, slots=True)
class Copy:
    """referrers: signatures, SBOMs and other artifacts about the content go along."""

    caller: Caller
    source: Repository
    digest: Digest
    target: RepositoryName
    tag: TagName
    referrers: bool


class Copies:
    def __init__(self, stack: Stack) -> None:
        self._table = stack.table
        self._bodies = Bodies(stack)
        self._registry = Registry(stack)
        self._gate = PullGate(stack)

    def copy(self, copy: Copy) -> None:
        """Raises what a push raises; PullBlocked where the source's policy keeps it back; Conflict if the content is
        not whole here, or too much for one request."""
        records = self._needed(copy)
        if len(records) > MOST_MANIFESTS or sum(len(record.held) for record in records) > MOST_BLOBS:
            raise Conflict(f"more than {MOST_MANIFESTS} manifests or {MOST_BLOBS} layers: copy it with a client")
        if copy.target != copy.source.name and (policy := self._gate.policy(copy.source)) is not None:
            self._gate.require_records(policy, copy.source, records)
        mounted: set[str] = set()
        for record in records:
            self._carry(copy, record, mounted)

    def _needed(self, copy: Copy) -> list[ManifestRecord]:
        """Every manifest to be pushed, each after what it needs and before what refers to it."""
        root = self._live(copy.source, copy.digest)
        if root is None:
            raise NotFound("there is no such tag")
        found: dict[str, ManifestRecord] = {}
        self._gather(copy, root, found, set())
        return list(found.values())

    def _gather(self, copy: Copy, record: ManifestRecord, found: dict[str, ManifestRecord], begun: set[str]) -> None:
        """begun: those that were come to, no more than are carried: so towers of indexes go no deeper either."""
        if record.digest in begun or len(begun) > MOST_MANIFESTS:
            return
        begun.add(record.digest)
        for child in record.children:
            held = self._live(copy.source, child) if len(begun) <= MOST_MANIFESTS else None
            if held is not None:
                self._gather(copy, held, found, begun)
        found[record.digest] = record
        if copy.referrers:
            for referrer in self._referrers(copy.source, record.digest):
                self._gather(copy, referrer, found, begun)

    def _referrers(self, source: Repository, subject: str) -> Iterator[ManifestRecord]:
        page = self._table.query(
            keys.repository_partition(source.id), prefix=keys.referrer_prefix(subject), limit=MOST_MANIFESTS + 1
        )
        for item in page.items:
            record = self._live(source, item["digest"])
            if record is not None:
                yield record

    def _live(self, source: Repository, digest: str) -> ManifestRecord | None:
        record = store.manifest(self._table, source.id, digest)
        return record if record is not None and record.state == "live" else None

    def _carry(self, copy: Copy, record: ManifestRecord, mounted: set[str]) -> None:
        if copy.target != copy.source.name:
            for digest in record.held:
                # A large manifest is itself among its blobs, and is brought by its push.
                if digest != record.digest and digest not in mounted:
                    self._registry.mount(copy.caller, copy.target, Digest(digest), copy.source.name)
                    mounted.add(digest)
        tags: Sequence[TagName] = [copy.tag] if record.digest == copy.digest else []
        if not tags and copy.target == copy.source.name:
            return
        try:
            body = self._bodies.of(copy.caller.instance.id, record)
            self._registry.push(copy.caller, copy.target, record.digest, tags, body, record.media_type, how="copy")
        except (ManifestUnknown, ManifestBlobUnknown):
            raise Conflict("the image is not whole here, or went meanwhile; look at it again") from None
