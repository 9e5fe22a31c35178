"""Versions of a service: each names a tag of the repository that the service is bound to (B3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chalicelib.kernel.errors import Conflict, NotFound, QuotaExceeded, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.paging import Page
from chalicelib.ports import binding_keys, keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, TransactionCancelled
from chalicelib.registry.models import TagRecord
from chalicelib.registry.service import Registry
from chalicelib.repositories.models import Repository

from . import store
from .models import Service, Version
from .names import VersionName
from .shapes import NamedQuery, NewVersion

# They are deleted with their service while its caller waits.
MOST_VERSIONS: Final = 500
_ATTEMPTS: Final = 5


class Versions:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table

    def create(self, of: Service, repository: Repository, new: NewVersion, by: str) -> Version:
        """The tag is there at that moment, with the digest that the version keeps.

        Raises NotFound without the tag or the service, Conflict if the name is taken or the tag is being deleted,
        QuotaExceeded.
        """
        for _ in range(_ATTEMPTS):
            made = self._new(of, Registry(self._stack).tag(repository, new.tag), new, by)
            now = to_text(self._stack.clock.now())
            writes = store.version_creation(of, repository, made, MOST_VERSIONS, now)
            try:
                self._table.transact(writes)
            except TransactionCancelled as cancelled:
                if refused := self._why(of, new, cancelled):
                    raise refused from cancelled
                continue
            except OutcomeUnknown:
                standing = store.version(self._table, of, new.name)
                if standing is None or standing.life != made.life:
                    raise
            return made
        raise Unavailable

    def _new(self, of: Service, tag: TagRecord, new: NewVersion, by: str) -> Version:
        return Version(
            account_id=of.account_id,
            environment=of.environment,
            service=of.name,
            name=new.name,
            life=new_id(),
            repository_id=of.repository_id,
            tag=tag.name,
            digest=tag.digest,
            created_at=self._stack.clock.now(),
            created_by=by,
        )

    def _why(self, of: Service, new: NewVersion, cancelled: TransactionCancelled) -> Exception | None:
        """None: something moved, look again."""
        if 1 in cancelled.failed:
            return Conflict.on("name", f"service {of.name} has a version named {new.name} already")
        if 0 in cancelled.failed:
            row = cancelled.failed[0]
            if row is None or row["life"] != of.life:
                return NotFound("there is no such service")
            if row["deleting"]:
                return Conflict(f"service {of.name} is being deleted")
            return QuotaExceeded("versions of a service", MOST_VERSIONS)
        if 2 in cancelled.failed:
            return Conflict(f"tag {new.tag} is being deleted")
        if 4 in cancelled.failed:
            return NotFound("the repository was deleted meanwhile")
        return None

    def get(self, of: Service, name: str) -> Version:
        """Raises NotFound."""
        found = store.version(self._table, of, name) if VersionName.fits(name) else None
        if found is None:
            raise _missing()
        return found

    def page(self, of: Service, query: NamedQuery) -> Page[Version]:
        """In name order. Raises Invalid naming `cursor`."""
        first = binding_keys.version(of.account_id, of.environment, of.name, "")
        return store.page(self._table, first, Version, VersionName, query)

    def digests(self, of: Service, versions: Sequence[Version]) -> dict[str, str]:
        """What the tags point to now that versions of one service name; one batch read. Those that are gone are not
        among them."""
        places = {version.tag: keys.tag(of.repository_id, version.tag) for version in versions}
        rows = self._table.get_many(list(places.values()))
        return {tag: str(rows[place]["digest"]) for tag, place in places.items() if place in rows}

    def delete(self, of: Service, seen: Version) -> None:
        """The image stays. Raises NotFound."""
        try:
            self._table.transact(store.version_deletion(of, seen))
        except TransactionCancelled as cancelled:
            raise _missing() from cancelled


def _missing() -> NotFound:
    return NotFound("there is no such version")
