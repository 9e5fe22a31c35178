"""The push of a manifest: the hardest write of the house.

    INTENT(OPEN) ── EDGE per blob ── HEAD and LINK read, rescued ── HOLD per child ── child bumped ──┐
                                                                                                     ▼
    one transaction:  INTENT gone if still OPEN · MANIFEST if absent · TAG at the version seen · HOLD per tag
                      · HISTORY · REFERRER · the rules that a moving tag was judged by · OUTBOX      │
                      · of a companion the mark on its original, if that was not pushed meanwhile    │
                                                                                                     ▼
    push object (the event) ── 201

A manifest that the repository holds already has its edges: the transaction checks its incarnation instead.
What keeps a manifest alive (tag, index, bin entry) is a HOLD row; every transaction that adds or removes one raises
the manifest's version, and a manifest is only ever deleted at the version that stood before its holds were looked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.immutability.service import Immutability
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, ManifestBlobUnknown, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    TRANSACTION_LIMIT_ITEMS,
    Check,
    ConditionFailed,
    Delete,
    Key,
    OutcomeUnknown,
    Put,
    TransactionCancelled,
    Update,
    Write,
    absent,
    equals,
    present,
)
from chalicelib.repositories.models import Repository

from . import rules, store
from .blobs import ATTEMPTS, Blobs
from .companions import CompanionNames, OriginalMoved
from .intents import Intents
from .models import Caller, How, ManifestRecord, TagRecord
from .outbox import PATIENCE, Outbox


class TagMoved(Conflict):
    """A tag is not where it had to be for this push."""

    code = "TAG_MOVED"

    def __init__(self, repository: str, tag: str) -> None:
        message = f"tag {tag} of {repository} was pushed or deleted meanwhile"
        super().__init__(message, repository=repository, tag=tag)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a push asks for besides.

    how      what the tags' history says of it
    beside   of a companion: its original as it was converted, with the mark that it gets by the same transaction
    at       the push that the tags have to be where they were put by, "" for none that stands; None: wherever they are
    """

    how: How = "push"
    beside: TagRecord | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """One push. record: the manifest as it would stand if it is new."""

    caller: Caller
    repository: Repository
    sparse: bool
    parsed: rules.Parsed
    record: ManifestRecord
    tags: tuple[TagName, ...]
    moment: datetime
    asked: Asked = Asked()

    @property
    def instance(self) -> Instance:
        return self.caller.instance


class Manifests:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._blobs = Blobs(stack)
        self._intents = Intents(stack)
        self._outbox = Outbox(stack)
        self._immutability = Immutability(stack)
        self._names = CompanionNames(stack)

    def push(self, push: Push) -> None:
        """On return the manifest and its tags are durable and pullable, and the event is under way.

        Raises ManifestBlobUnknown, SizeInvalid, TagImmutable, TagReserved, TagMoved, Unavailable; for a companion
        CompanionNameTaken and OriginalMoved.
        """
        claimed = False
        try:
            for _ in range(ATTEMPTS):
                held = store.manifest(self._table, push.repository.id, push.record.digest)
                if held is None and not claimed:
                    self._claim(push)
                    claimed = True
                done, ours = self._commit(push, held)
                if done:
                    if claimed and not ours:
                        self._intents.withdraw(push.instance.id, push.record)
                    claimed = False
                    if held is not None:
                        self.relink(push.instance.id, held)
                    self._outbox.announce(push.instance, push.repository, push.record.incarnation)
                    return
                if claimed and self._table.get(keys.intent(push.record.incarnation)) is None:
                    self._intents.withdraw(push.instance.id, push.record)
                    raise Unavailable("the push took too long and was given up; push again")
            raise Unavailable
        finally:
            if claimed:
                self._intents.abandon(push.record.incarnation)

    # Before the commit

    def _claim(self, push: Push) -> None:
        record = push.record
        deadline = to_text(push.moment + timedelta(seconds=self._stack.settings.intent_ttl_s))
        intent = store.intent_item(record.incarnation, push.instance.id, record, deadline)
        try:
            self._blobs.hold(intent, push.instance.id, record)
            needed = push.parsed.blobs if record.body is not None else push.parsed.blobs | {record.digest: record.size}
            self._blobs.require(push.instance.id, push.repository.id, needed, record.optional)
            self._hold_children(push)
        except BaseException:
            self._intents.withdraw(push.instance.id, record)
            raise

    def _hold_children(self, push: Push) -> None:
        """HOLD first, bump second: a sweeper that missed the HOLD finds the child's version changed."""
        repository, record = push.repository.id, push.record
        holds = [
            store.hold_item(repository, child, "INDEX", record.incarnation, record.digest) for child in record.children
        ]
        if holds:
            self._table.put_many(holds, relaxed=True)
        for child, size in push.parsed.children.items():
            bump = Update(
                keys.manifest(repository, child),
                add={"version": 1},
                when=equals("state", "live"),
            )
            try:
                standing = self._table.update(bump, relaxed=True)
            except ConditionFailed:
                if not push.sparse:
                    raise ManifestBlobUnknown(child) from None
            else:
                rules.refuse_wrong_size(child, size, standing["size"])

    # The commit

    def _commit(self, push: Push, held: ManifestRecord | None) -> tuple[bool, bool]:
        """(whether the transaction took effect, whether it consumed our intent)."""
        seen = self._seen_tags(push)
        _require_at(push, seen)
        self._names.require_pushable(push.repository, push.tags, seen, push.record.pushed_by)
        writes = [*self._tag_writes(push, seen), *self._rules_checks(push, seen), *self._mark(push, seen)]
        if push.record.subject:
            item = store.referrer_item(push.record, push.parsed.annotations, rules.ANNOTATIONS_LIMIT_BYTES)
            writes.append(Put(item))
        due = to_text(push.moment + PATIENCE)
        writes.append(Put(store.outbox_item(self._event(push), due), when=absent()))
        writes = [*self._manifest_writes(push, held, TRANSACTION_LIMIT_ITEMS - len(writes)), *writes]
        try:
            self._table.transact(writes)
        except TransactionCancelled:
            return False, False
        except OutcomeUnknown:
            committed = self._table.get(keys.outbox(push.record.incarnation)) is not None
            return committed, committed and held is None
        return True, held is None

    def _seen_tags(self, push: Push) -> dict[str, TagRecord]:
        names = push.tags if push.asked.beside is None else (*push.tags, push.asked.beside.name)
        found = self._table.get_many([keys.tag(push.repository.id, name) for name in names])
        return {item["name"]: TagRecord.model_validate(item) for item in found.values()}

    def _rules_checks(self, push: Push, seen: dict[str, TagRecord]) -> Sequence[Check]:
        """Judges the tags that would move, anew with every turn: an edit of the rules makes this turn fail.

        The same digest once more is no move, and a tag that is not there yet is anybody's. Raises TagImmutable.
        """
        moving = [name for name in push.tags if name in seen and seen[name].digest != push.record.digest]
        if not moving:
            return ()
        repository = push.repository
        judgement = self._immutability.judge(repository.namespace_id, repository.id, repository.name, moving)
        judgement.require_movable()
        return judgement.checks

    def _mark(self, push: Push, seen: dict[str, TagRecord]) -> list[Update]:
        """On the original of a companion. Raises OriginalMoved."""
        original = push.asked.beside
        if original is None or original.acceleration is None:
            return []
        if original.name not in seen or seen[original.name].push != original.push:
            raise OriginalMoved(push.repository.name, original.name)
        return [store.tag_mark(original, original.acceleration)]

    def _manifest_writes(self, push: Push, held: ManifestRecord | None, room: int) -> list[Write]:
        """room: how many writes the transaction still takes."""
        record = push.record
        if held is None:
            return [
                Delete(keys.intent(record.incarnation), when=equals("state", "OPEN")),
                Put(store.manifest_item(record), when=absent()),
            ]
        change: dict[str, Any] = {"state": "live", "mortal": bool(push.tags)}
        if not push.tags:
            # It may be due already, or lose what holds it any moment: a pusher who was told that it is here has as
            # long to name it in an index as for one that lost its last tag.
            change |= self._kept(push, record.digest)
        key = keys.manifest(record.repository_id, record.digest)
        revived = Update(key, set=change, add={"version": 1}, when=equals("incarnation", held.incarnation))
        return [revived, *self._children_checks(push, held, room - 1)]

    def _children_checks(self, push: Push, held: ManifestRecord, most: int) -> list[Write]:
        """An index that comes back from the bin needs its children live, each of which may have been deleted alone.

        Raises ManifestBlobUnknown, Conflict.
        """
        if held.state == "live" or push.sparse:
            return []
        if len(set(held.children)) > most:
            raise Conflict("an index of so many manifests is restored from the recycle bin, not pushed again")
        wanted = {keys.manifest(held.repository_id, child): child for child in held.children}
        found = self._table.get_many(list(wanted))
        for key, child in wanted.items():
            if key not in found or found[key]["state"] != "live":
                raise ManifestBlobUnknown(child)
        return [Check(key, equals("state", "live")) for key in wanted]

    def _tag_writes(self, push: Push, seen: dict[str, TagRecord]) -> list[Write]:
        writes: list[Write] = []
        left: dict[Key, Write] = {}
        for name in push.tags:
            before = seen.get(name)
            record = TagRecord(
                repository_id=push.repository.id,
                name=name,
                digest=push.record.digest,
                push=push.record.incarnation,
                version=before.version + 1 if before else 1,
                media_type=push.record.media_type,
                size=push.record.content_size,
                pushed_at=push.record.pushed_at,
                pushed_by=push.record.pushed_by,
            )
            writes.append(store.tag_move(record, before) if before else Put(store.tag_item(record), when=absent()))
            if before is not None and before.digest == record.digest:
                continue
            writes.append(Put(store.hold_item(push.repository.id, record.digest, "TAG", name)))
            writes.append(Put(store.history_item(record, before.digest if before else "", push.asked.how)))
            if before is not None:
                writes.append(Delete(keys.hold(push.repository.id, before.digest, "TAG", name)))
                key = keys.manifest(push.repository.id, before.digest)
                left[key] = self._leave(push, key, before.digest)
        return writes + list(left.values())

    def _leave(self, push: Push, key: Key, digest: str) -> Update:
        """A tag moves away: its manifest stays through the grace period, then goes if nothing else holds it."""
        change = {"mortal": True, **self._kept(push, digest)}
        return Update(key, set=change, add={"version": 1}, when=present())

    def _kept(self, push: Push, digest: str) -> dict[str, str | int]:
        """Through a grace period that begins now, and not when a slow push began."""
        until = to_text(self._stack.clock.now() + timedelta(seconds=self._stack.settings.grace_s))
        still_s = push.instance.stood_still_s
        due = store.manifest_due(digest, push.repository.id, until)
        return {"held_until": until, "held_still_s": still_s, **due}

    def _event(self, push: Push) -> dict[str, Any]:
        return {
            "incarnation": push.record.incarnation,
            "instance_id": push.instance.id,
            "bucket": push.instance.bucket,
            "repository_id": push.repository.id,
            "repository": push.repository.name,
            "digest": push.record.digest,
            "tags": list(push.tags),
            "pushed_at": push.record.pushed_at,
            "pushed_by": push.record.pushed_by,
            "how": push.asked.how,
            "source_ip": push.caller.address,
            "request_id": push.caller.request_id,
        }

    # After the commit of what was held already

    def relink(self, instance: str, held: ManifestRecord) -> None:
        """A manifest that came back from the bin may have lost the links of its blobs; its edges kept the bytes.

        After the commit, because only from then on does an unlinking see the manifest as live and refuse; and also
        for one that was live as it was read, since it may have been in the bin for a moment before the commit.
        """
        wanted = {digest: keys.link(held.repository_id, digest) for digest in held.held}
        found = self._table.get_many(list(wanted.values()))
        for digest, key in wanted.items():
            if key in found and found[key]["state"] == "L":
                continue
            if store.head(self._table, instance, digest) is not None:
                self._blobs.link(held.repository_id, digest, "")
                self._unlink_of_the_dead(instance, held, digest)

    def _unlink_of_the_dead(self, instance: str, held: ManifestRecord, digest: str) -> None:
        """Whoever buried the manifest meanwhile may have unlinked before we linked."""
        standing = store.manifest(self._table, held.repository_id, held.digest)
        if standing is None or standing.incarnation != held.incarnation:
            self._blobs.release(instance, held.repository_id, digest, self._stack.clock.now())


def _require_at(push: Push, seen: Mapping[str, TagRecord]) -> None:
    """What the tags' writes meet there, or fail. Raises TagMoved."""
    if push.asked.at is None:
        return
    for name in push.tags:
        if (seen[name].push if name in seen else "") != push.asked.at:
            raise TagMoved(push.repository.name, name)


def new_manifest(
    repository: str,
    digest: Digest,
    parsed: rules.Parsed,
    body: bytes,
    tags: Sequence[TagName],
    by: str,
    moment: datetime,
) -> ManifestRecord:
    """The manifest as it would stand if the repository does not hold it yet, under a fresh incarnation."""
    inline = len(body) <= rules.INLINE_LIMIT_BYTES
    blobs = tuple(parsed.blobs) if inline else (*parsed.blobs, digest)
    return ManifestRecord(
        repository_id=repository,
        digest=digest,
        incarnation=new_id(),
        mortal=bool(tags),
        media_type=parsed.media_type,
        artifact_type=parsed.artifact_type,
        size=len(body),
        content_size=parsed.content_size,
        body=body if inline else None,
        blobs=blobs,
        optional=tuple(sorted(parsed.optional)),
        children=tuple(parsed.children),
        subject=parsed.subject,
        pushed_at=to_text(moment),
        pushed_by=by,
    )
