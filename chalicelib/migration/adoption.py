"""What another registry has stored becomes this one's: blobs by the store's own copy, and by no network.

a tag ─► its manifests, from the storage ─► blobs verified once, then linked or copied by the store ─► pushed
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from chalicelib.copying.callers import MIGRATION, bringer
from chalicelib.copying.ends import Source
from chalicelib.copying.local import LocalRepository
from chalicelib.copying.models import Effort, Interrupted, Outcome
from chalicelib.copying.service import Copier
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, NameInvalid, Refused
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.namespaces.models import NewNamespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import Caller

from .storage import Storage, StoredRepository, repositories


@dataclass(frozen=True, slots=True)
class Manner:
    """
    namespaces   first part of a name there → the namespace here
    home         namespace of repositories whose name has one part
    trusting     blobs are taken for what they are called
    untagged     manifests that no tag leads to go along
    """

    namespaces: Mapping[str, str] = field(default_factory=dict)
    home: str = "library"
    trusting: bool = False
    untagged: bool = False

    def name(self, there: str) -> RepositoryName:
        """Raises NameInvalid."""
        first, slash, rest = there.partition("/")
        if not slash:
            return RepositoryName.parse(f"{self.home}/{there}")
        return RepositoryName.parse(f"{self.namespaces.get(first, first)}/{rest}")


@dataclass(frozen=True, slots=True)
class Adopted:
    """source, target: names with a tag or digest."""

    source: str
    target: str
    outcome: Outcome


class Adoption:
    def __init__(self, stack: Stack, instance: Instance, storage: Storage, manner: Manner) -> None:
        self._stack = stack
        self._instance = instance
        self._storage = storage
        self._manner = manner
        self._verified: set[Digest] = set()

    def planned(self) -> Iterator[tuple[str, str]]:
        """What `run` would bring, by its names there and here."""
        for repository in repositories(self._storage):
            for reference, _ in self._wanted(repository):
                yield _joined(repository.name, reference), _joined(self._name(repository.name), reference)

    def run(self) -> Iterator[Adopted]:
        """What became of each. Whatever is refused stops nothing."""
        for repository in repositories(self._storage):
            for reference, tag in self._wanted(repository):
                outcome = self._adopt(repository, reference, tag)
                target = _joined(self._name(repository.name), reference)
                yield Adopted(_joined(repository.name, reference), target, outcome)

    def make_namespaces(self) -> None:
        """Those that are missing, private, making no repositories on push. Raises QuotaExceeded."""
        for repository in repositories(self._storage):
            with suppress(NameInvalid, Conflict):
                name = self._manner.name(repository.name).namespace
                Namespaces(self._stack).create(self._instance, NewNamespace(name=name))

    def _wanted(self, repository: StoredRepository) -> Iterator[tuple[str, str]]:
        yield from ((tag, tag) for tag in repository.tags())
        if self._manner.untagged:
            yield from ((digest, "") for digest in repository.revisions)

    def _name(self, there: str) -> str:
        try:
            return self._manner.name(there)
        except Refused:
            return "?"

    def _adopt(self, repository: StoredRepository, reference: str, tag: str) -> Outcome:
        try:
            name = self._manner.name(repository.name)
            caller = bringer(self._instance, name, MIGRATION)
            target = _Adopting(self._stack, caller, name, self._verify)
            return Copier(repository, target, Effort(until=float("inf"))).copy(reference, tag, override=True)
        except Interrupted as interrupted:
            return Outcome("failed", reason="unavailable", message=interrupted.message)
        except Refused as refused:
            return Outcome("failed", reason=refused.code.lower(), message=refused.message)

    def _verify(self, source: StoredRepository, digest: Digest, size: int) -> None:
        """Raises DigestInvalid, SizeInvalid, BlobUnknown."""
        if digest not in self._verified:
            source.verify(digest, size, trusting=self._manner.trusting)
            self._verified.add(digest)


class _Adopting(LocalRepository):
    def __init__(
        self,
        stack: Stack,
        caller: Caller,
        name: RepositoryName,
        verify: Callable[[StoredRepository, Digest, int], None],
    ) -> None:
        super().__init__(stack, caller, name, how="migration")
        self._verify = verify

    def take(self, source: Source, digest: Digest, size: int) -> bool:
        if not isinstance(source, StoredRepository):
            return super().take(source, digest, size)
        self._verify(source, digest, size)
        self._registry.take(self._caller, self.name, digest, source.stored(digest, size))
        return True


def _joined(name: str, reference: str) -> str:
    return f"{name}@{reference}" if ":" in reference else f"{name}:{reference}"
