"""What manifests from upstreams named and is not here yet: so that a digest alone opens nothing.

manifest served from the upstream ─► a lease for each blob it names ─► pulls of those go through
HEAD of a tag answered from there  ─► a lease for the manifest, with the tag: who asks so pulls by digest next
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from chalicelib.kernel.names import Digest
from chalicelib.ports import cache_keys as keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Item, Key, Update, present
from chalicelib.repositories.models import Repository

from . import store
from .models import Lease

# A client that pulled a manifest has asked for all it wants of it by then.
LEASE_S: Final = 6 * 3600
# Longer than any blob may take (`ports.remote_reading.BLOB_S`).
FILLING_S: Final = 960


class Leases:
    def __init__(self, stack: Stack) -> None:
        self._table = stack.table
        self._clock = stack.clock

    @property
    def now(self) -> int:
        return int(self._clock.now().timestamp())

    def grant(self, repository: Repository, manifest: Digest, blobs: Mapping[str, int], *, runs: bool) -> None:
        """blobs: digest → size in bytes. runs: as of `Lease`."""
        expires = self.now + LEASE_S
        granted = [
            Lease(digest=digest, size=size, manifest=manifest, runs=runs, expires=expires)
            for digest, size in blobs.items()
        ]
        if granted:
            self._table.put_many([self._item(repository, lease) for lease in granted], relaxed=True)

    def remember_tag(self, repository: Repository, manifest: Digest, tag: str) -> None:
        lease = Lease(digest=manifest, tag=tag, expires=self.now + LEASE_S)
        self._table.put(self._item(repository, lease), relaxed=True)

    def find(self, repository: Repository, digest: str) -> Lease | None:
        """None where there is none, or no more."""
        found = self._table.get(self._key(repository, digest))
        lease = None if found is None else Lease.model_validate(found)
        return lease if lease is not None and lease.expires > self.now else None

    def several(self, repository: Repository, digests: Mapping[str, int]) -> list[Lease]:
        """Those that stand."""
        found = self._table.get_many([self._key(repository, digest) for digest in digests])
        return [lease for lease in map(Lease.model_validate, found.values()) if lease.expires > self.now]

    def begin(self, repository: Repository, digest: str) -> None:
        """Somebody brings the blob; others need not."""
        self._mark(repository, digest, self.now + FILLING_S)

    def end(self, repository: Repository, digest: str) -> None:
        self._mark(repository, digest, 0)

    def _mark(self, repository: Repository, digest: str, until: int) -> None:
        change = Update(self._key(repository, digest), set={"filling_until": until}, when=present())
        with suppress(ConditionFailed):
            self._table.update(change, relaxed=True)

    def _item(self, repository: Repository, lease: Lease) -> Item:
        return store.lease_item(repository.instance_id, repository.namespace_id, repository.name, lease)

    def _key(self, repository: Repository, digest: str) -> Key:
        return keys.lease(repository.instance_id, repository.namespace_id, repository.name, digest)
