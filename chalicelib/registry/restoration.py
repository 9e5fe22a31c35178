"""How tags and manifests come back from the recycle bin: each page of tags is one transaction, and a push.

    entry and its HOLD gone, or the entry with what is left to do
    TAG put if absent · HOLD · HISTORY  for each tag                     ─┐   links · children · companions, in the same
    MANIFEST live, at the version seen · version + 1 · REFERRER          ─┼─► way · push object (the event)
    REPO#<id> live · OUTBOX · of a companion, its original as seen       ─┘

Restoring never moves a tag: one that points elsewhere by now is refused, or left as it is. The manifest's version is
read before the entry, and whatever changes a manifest's entry raises that version: so the entry is as it was seen too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, NotFound, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    Check,
    OutcomeUnknown,
    Put,
    TransactionCancelled,
    Update,
    Write,
    absent,
    all_of,
    present,
)
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from . import store
from .bin_entries import BinEntries, size_of
from .blobs import ATTEMPTS
from .companions import BY
from .free_names import free_name
from .manifests import Manifests
from .models import BinEntry, ManifestRecord, TagRecord
from .outbox import PATIENCE, Outbox
from .returning import Returning, Returns
from .revival import Revival

# Three writes a tag, its original checked, and room for the entry, the manifest and the event within the 100 of a
# transaction.
TAGS_A_PAGE: Final = 22
# Taken tags that a refusal names.
MOST_NAMED: Final = 100
_LONGEST_NAME: Final = 128


@dataclass(frozen=True, slots=True)
class Restored:
    """tags: that point to the digest again, and companions that came back with them; left: those that point elsewhere
    by now and stay there, and those whose names are not to be had."""

    repository: Repository
    digest: Digest
    tags: tuple[TagName, ...]
    left: tuple[TagName, ...]


@dataclass(frozen=True, slots=True)
class _Page:
    """What one transaction does: the tags to put, those that were left alone, and those that are left to do.
    returning: what else is to be heeded of them."""

    manifest: ManifestRecord
    entry: BinEntry
    repository: Repository
    push: str
    tags: tuple[TagName, ...]
    left: tuple[TagName, ...]
    rest: tuple[Mapping[str, str | int], ...]
    returning: Returning


class Restoration:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._instances = Instances(stack)
        self._namespaces = Namespaces(stack)
        self._repositories = Repositories(stack)
        self._entries = BinEntries(stack)
        self._manifests = Manifests(stack)
        self._revival = Revival(stack)
        self._returns = Returns(stack)
        self._outbox = Outbox(stack)

    def restore(
        self, instance: Instance, entry: BinEntry, by: str, *, name: TagName | None = None, leave_taken: bool = False
    ) -> Restored:
        """A tag, or a manifest with the tags that named it. Safe to repeat and to interrupt: what is done stays done.

        name         for a tag: another name to come back under
        leave_taken  tags that point elsewhere by now stay there, and the others come back
        Raises NotFound where the entry is gone, InstanceFrozen, and Conflict where its repository is gone too, a tag
        points elsewhere by now, or a name belongs to an accelerated version; OriginalAway for one of these alone.
        """
        self._instances.require_running(instance)
        repository, sparse = self._home(instance, entry)
        if not leave_taken:
            # All of them before anything is done, and not only those of the first page.
            wanted = _names(entry.tags) if name is None else (name,)
            self._refuse_taken(repository, entry.digest, wanted, renamed=entry.kind == "tag")
            for refused in self._returning(repository, entry, entry.tags, name, by).refused.values():
                raise refused
        tags: list[TagName] = []
        left: list[TagName] = []
        while True:
            page, companions = self._restore_page(instance, entry, by, name, leave_taken, sparse)
            tags, left = [*tags, *page.tags, *companions], [*left, *page.left]
            if not page.rest:
                return Restored(page.repository, page.manifest.digest, tuple(tags), tuple(left))

    def _home(self, instance: Instance, entry: BinEntry) -> tuple[Repository, bool]:
        """Its repository, whatever it is called now; whether indexes may name what is not there. Raises Conflict."""
        pointer = self._table.get(keys.repository_by_id(entry.repository_id))
        state = "purging" if pointer is None else pointer.get("state", "live")
        if pointer is None or state == "purging":
            raise Conflict(f"repository {entry.repository} is gone for good, and with it what was in it")
        name = RepositoryName(pointer["name"])
        if state == "binned":
            raise Conflict(f"repository {name} is in the recycle bin itself; restore it first", repository=name)
        try:
            namespace = self._namespaces.get(instance.id, name.namespace, fresh=True)
            return self._repositories.get(instance.id, name, fresh=True), namespace.allow_sparse_indexes
        except NotFound as missing:
            raise Conflict(f"namespace {name.namespace} is being deleted or restored") from missing

    def _manifest(self, entry: BinEntry) -> ManifestRecord:
        manifest = store.manifest(self._table, entry.repository_id, entry.digest)
        if manifest is None:
            raise _gone()
        return manifest

    def _refuse_taken(self, repository: Repository, digest: str, tags: Sequence[TagName], *, renamed: bool) -> None:
        """renamed: another name may be asked for."""
        taken = self._pointing_elsewhere(repository.id, digest, tags)
        if not taken:
            return
        names, detail = ", ".join(taken[:MOST_NAMED]), {"tags": list(taken[:MOST_NAMED])}
        if renamed:
            free = free_name(self._table, taken[0], _LONGEST_NAME, lambda one: keys.tag(repository.id, one))
            raise Conflict(
                f"tag {names} of {repository.name} points elsewhere by now; restore it under another name, "
                f"such as {free}",
                **detail,
                free_name=free,
            )
        raise Conflict(
            f"tags of {repository.name} point elsewhere by now: {names}; delete them first, or restore with "
            "leave_taken to leave them as they are",
            **detail,
        )

    def _returning(
        self,
        repository: Repository,
        entry: BinEntry,
        tags: Sequence[Mapping[str, str | int]],
        name: TagName | None,
        by: str,
    ) -> Returning:
        if name is None or (entry.kind == "tag" and name == entry.name):
            return self._returns.of(repository, entry, tags, by)
        return Returning(self._returns.reserved(repository, [name], by))

    def _pointing_elsewhere(self, repository: str, digest: str, tags: Iterable[TagName]) -> list[TagName]:
        found = self._table.get_many([keys.tag(repository, name) for name in tags])
        return sorted(TagName(item["name"]) for item in found.values() if item["digest"] != digest)

    # One page

    def _restore_page(
        self, instance: Instance, entry: BinEntry, by: str, name: TagName | None, leave_taken: bool, sparse: bool
    ) -> tuple[_Page, list[TagName]]:
        """And the companions that came back with it."""
        for _ in range(ATTEMPTS):
            page = self._plan(instance, entry, by, name, leave_taken)
            if self._commit(instance, page, by, sparse):
                return page, self._follow_up(instance, page, by, sparse)
        raise Unavailable

    def _plan(self, instance: Instance, entry: BinEntry, by: str, name: TagName | None, leave_taken: bool) -> _Page:
        manifest = self._manifest(entry)
        standing = store.read(self._table, keys.bin_entry(entry.instance_id, entry.id), BinEntry)
        if standing is None:
            raise _gone()
        repository, _ = self._home(instance, entry)
        names = _names(standing.tags[:TAGS_A_PAGE]) if name is None else (name,)
        left = self._pointing_elsewhere(repository.id, entry.digest, names)
        if left and not leave_taken:
            self._refuse_taken(repository, entry.digest, names, renamed=entry.kind == "tag")
        returning = self._returning(repository, standing, standing.tags[:TAGS_A_PAGE], name, by)
        if not leave_taken:
            for refused in returning.refused.values():
                raise refused
        here = self._table.get_many([keys.tag(repository.id, one) for one in names])
        absent_ones = [one for one in names if keys.tag(repository.id, one) not in here]
        tags = tuple(one for one in absent_ones if one not in returning.refused)
        left += [one for one in absent_ones if one in returning.refused]
        rest = standing.tags[TAGS_A_PAGE:]
        return _Page(manifest, standing, repository, new_id(), tags, tuple(left), rest, returning)

    def _commit(self, instance: Instance, page: _Page, by: str, sparse: bool) -> bool:
        """Whether it took effect; False: look again."""
        now = to_text(self._stack.clock.now())
        stands = all_of(present(), absent("state"))
        put = {keys.tag(page.repository.id, name) for name in page.tags}
        event = self._event(instance, page, by, now, sparse)
        writes = [
            *self._entry_writes(page),
            *self._revival.revived(instance.id, page.manifest, **self._kept(instance, page)),
            Check(keys.repository_by_id(page.repository.id), stands),
            *(check for check in page.returning.checks if check.key not in put),
            *(write for name in page.tags for write in self._tag_writes(page, name, by, now)),
            Put(store.outbox_item(event, to_text(self._stack.clock.now() + PATIENCE)), when=absent()),
        ]
        try:
            self._table.transact(writes)
        except TransactionCancelled:
            return False
        except OutcomeUnknown:
            return self._table.get(keys.outbox(page.push)) is not None
        return True

    def _entry_writes(self, page: _Page) -> list[Write]:
        if not page.rest:
            return self._entries.goes([page.entry])
        rest = [dict(tag) for tag in page.rest]
        return [Update(keys.bin_entry(page.entry.instance_id, page.entry.id), set={"tags": rest}, when=present())]

    def _kept(self, instance: Instance, page: _Page) -> dict[str, Any]:
        """What holds it from now on: its tags, or for want of any a grace period that begins now."""
        if page.tags:
            return {"mortal": True}
        until = to_text(self._stack.clock.now() + timedelta(seconds=self._stack.settings.grace_s))
        due = store.manifest_due(page.manifest.digest, page.repository.id, until)
        return {"held_until": until, "held_still_s": instance.stood_still_s, **due}

    def _tag_writes(self, page: _Page, name: TagName, by: str, now: str) -> list[Write]:
        manifest = page.manifest
        record = TagRecord(
            repository_id=page.repository.id,
            name=name,
            digest=manifest.digest,
            push=page.push,
            media_type=manifest.media_type,
            size=size_of(manifest),
            pushed_at=now,
            pushed_by=BY if name in page.returning.companions else by,
            acceleration=page.returning.marks.get(name),
        )
        return [
            Put(store.tag_item(record), when=absent()),
            Put(store.hold_item(page.repository.id, manifest.digest, "TAG", name)),
            Put(store.history_item(record, "", "restore")),
        ]

    def _event(self, instance: Instance, page: _Page, by: str, now: str, sparse: bool) -> dict[str, Any]:
        """That of a push. restored: its children have to be revived; following: entries of companions that come too.
        The sweep does both if this process dies."""
        return {
            "incarnation": page.push,
            "instance_id": instance.id,
            "bucket": instance.bucket,
            "repository_id": page.repository.id,
            "repository": page.repository.name,
            "digest": page.manifest.digest,
            "tags": list(page.tags),
            "pushed_at": now,
            "pushed_by": BY if page.tags and page.returning.companions.issuperset(page.tags) else by,
            "source_ip": "",
            "request_id": "",
            "restored": not sparse,
            "following": [entry.id for entry in page.returning.following],
        }

    def _follow_up(self, instance: Instance, page: _Page, by: str, sparse: bool) -> list[TagName]:
        """The event comes last: who handles it ends what the sweep would repair, and finds the companions there."""
        self._manifests.relink(instance.id, page.manifest)
        if not sparse:
            self._revival.revive_children(instance.id, page.manifest)
        companions = [name for entry in page.returning.following for name in self.follow(instance, entry, by, sparse)]
        self._outbox.announce(instance, page.repository, page.push)
        return companions

    def follow(self, instance: Instance, entry: BinEntry, by: str, sparse: bool) -> Sequence[TagName]:
        """The companion of a tag that is back comes too. Safe to repeat. Where the tag was pushed or deleted this
        moment, or the companion's entry freed, there is nothing to bring back any more."""
        try:
            page, further = self._restore_page(instance, entry, by, None, False, sparse)
        except (NotFound, Conflict):
            return ()
        return (*page.tags, *further)


def _names(tags: Iterable[Mapping[str, str | int]]) -> tuple[TagName, ...]:
    return tuple(TagName(str(tag["name"])) for tag in tags)


def _gone() -> NotFound:
    return NotFound("there is no such entry in the recycle bin")
