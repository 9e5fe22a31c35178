"""Deleting many tags of a repository: those named, or all that match; at once where they are few, else as a task."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, Field, model_validator

from chalicelib.immutability.service import Immutability
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, ManifestUnknown, Refused, TagImmutable
from chalicelib.kernel.modelling import GIVEN, MADE
from chalicelib.kernel.moment import Moment, to_text
from chalicelib.kernel.names import TagName
from chalicelib.kernel.paging import bounded_pass
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories
from chalicelib.tasks.models import Step, Task, TaskItem
from chalicelib.tasks.service import Tasks

from .bin_entries import Deletion
from .companions import companions_of
from .consequences import Consequences, consequences
from .models import TagRecord
from .retirement import Retirement

# Deleted while the caller waits.
MOST_AT_ONCE: Final = 100
# Named in one request; together they stay far below what an item may hold.
MOST_NAMED: Final = 1000
TAGS_A_STEP: Final = 50
_PAGE: Final = 500


GONE: Final = "it is gone"
MOVED: Final = "it was pushed meanwhile"
IMMUTABLE: Final = "it is immutable"

Outcomes = dict[TagName, Refused | None]


class MatchesChanged(Conflict):
    """Something else matches than what was seen."""

    def __init__(self) -> None:
        super().__init__("what matches has changed since it was looked at; nothing was deleted, look at it again")


class Matching(BaseModel):
    """prefix: tags whose name begins so; search: whose name holds this text. Together: both. Empty: every tag."""

    model_config = GIVEN

    prefix: Annotated[str, Field(max_length=128)] = ""
    search: Annotated[str, Field(max_length=128)] = ""


class TagDeletionOrder(BaseModel):
    """tags: by name; all_matching: all that match and were not pushed after this was asked; one of the two.
    dry_run: only tell what would go. seen: of all_matching, what a dry run answered; where something else would be
    deleted by now, nothing is (409)."""

    model_config = GIVEN

    tags: Annotated[tuple[TagName, ...], Field(min_length=1, max_length=MOST_NAMED)] | None = None
    all_matching: Matching | None = None
    dry_run: bool = False
    seen: Annotated[str, Field(max_length=64)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.tags is None) == (self.all_matching is None):
            raise ValueError("give either tags or all_matching")
        if self.seen is not None and self.all_matching is None:
            raise ValueError("seen is of all_matching")
        return self


class DeletedTag(BaseModel):
    model_config = MADE

    tag: str
    digest: str


class KeptTag(BaseModel):
    """rule_id: of the immutability rule that keeps it, "" where it stays for another reason."""

    model_config = MADE

    tag: str
    digest: str
    reason: str
    rule_id: str


class TagDeletion(Consequences):
    """
    tags     that were deleted, or would be; accelerated versions go along with theirs
    kept     those asked for that stay; missing: those named that there are none of
    seen     stands for the tags asked for that would go, by name and digest: the first 1000 of those that match
    restorable_until   until when the recycle bin can give them back; null where nothing was deleted
    """

    dry_run: bool
    tags: tuple[DeletedTag, ...]
    kept: tuple[KeptTag, ...]
    missing: tuple[str, ...]
    seen: str
    restorable_until: Moment | None


class TagDeletions:
    def __init__(self, stack: Stack, instance: Instance, repository: Repository, by: str) -> None:
        self._stack = stack
        self._table = stack.table
        self._instance = instance
        self._repository = repository
        self._by = by

    def delete(self, tags: Sequence[TagName], *, dry_run: bool = False) -> TagDeletion:
        """Those named, up to MOST_AT_ONCE of them; of a dry run up to MOST_NAMED."""
        wanted = list(dict.fromkeys(tags))
        found = self._table.get_many([keys.tag(self._repository.id, name) for name in wanted])
        return self._answer([TagRecord.model_validate(row) for row in found.values()], wanted, dry_run, complete=True)

    def order(self, order: TagDeletionOrder) -> TagDeletion | Task:
        """A task for more than MOST_AT_ONCE; the first MOST_NAMED of what a dry run would delete.

        Raises MatchesChanged.
        """
        if order.tags is not None:
            if order.dry_run or len(order.tags) <= MOST_AT_ONCE:
                return self.delete(order.tags, dry_run=order.dry_run)
            return self._task(list(dict.fromkeys(order.tags)), Matching())
        matching = order.all_matching or Matching()
        # Held against what a dry run saw, it looks as far as that did.
        most = MOST_AT_ONCE if order.seen is None and not order.dry_run else MOST_NAMED
        tags, complete = self._matching(matching, most)
        if order.dry_run or (complete and len(tags) <= MOST_AT_ONCE):
            return self._answer(tags, [], order.dry_run, complete=complete, expected=order.seen)
        if order.seen is not None:
            rules = self._rules_over(tags)
            _require(order.seen, _seen([tag for tag in tags if not rules[tag.name]], complete=complete))
        # What was seen whole is named: whatever comes to match meanwhile stays.
        return self._task([tag.name for tag in tags], Matching()) if complete else self._task([], matching)

    def _matching(self, matching: Matching, most: int) -> tuple[list[TagRecord], bool]:
        """Up to so many of them, and whether those are all, by a bounded pass (`kernel.paging`)."""
        first = keys.tag(self._repository.id, matching.prefix)
        found = bounded_pass(
            lambda cursor, rows: self._table.query(first.pk, prefix=first.sk, cursor=cursor, limit=rows),
            lambda row: matching.search in row["name"],
            lambda row: str(row["name"]),
            most + 1,
        )
        all_of_them = found.next is None and len(found.items) <= most
        return [TagRecord.model_validate(row) for row in found.items[:most]], all_of_them

    def _answer(
        self,
        tags: Sequence[TagRecord],
        wanted: Sequence[str],
        dry_run: bool,
        *,
        complete: bool,
        expected: str | None = None,
    ) -> TagDeletion:
        """expected: what was seen before; None for nothing. Raises MatchesChanged."""
        rules = self._rules_over(tags)
        going = [tag for tag in tags if not rules[tag.name]]
        seen = _seen(going, complete=complete)
        if not dry_run:
            _require(expected, seen)
        companions = self._companions(going)
        told = consequences(self._stack, self._instance.id, self._repository.id, [*going, *companions])
        outcomes: Outcomes = {} if dry_run else self._retire(going, quiet=False)
        along = [companion for companion in companions if dry_run or companion.name in outcomes]
        deleted = [tag for tag in [*going, *along] if outcomes.get(tag.name) is None]
        gone = {tag.name for tag in deleted}
        stayed = [self._kept(tag, rules[tag.name], outcomes.get(tag.name)) for tag in tags if tag.name not in gone]
        kept = [one for one in stayed if one is not None]
        ends = self._stack.clock.now() + timedelta(seconds=self._stack.settings.grace_s)
        names = {*gone, *(one.tag for one in kept)}
        return TagDeletion(
            **{**told.model_dump(), "complete": told.complete and complete},
            dry_run=dry_run,
            tags=tuple(DeletedTag(tag=tag.name, digest=tag.digest) for tag in deleted),
            kept=tuple(kept),
            missing=tuple(name for name in wanted if name not in names),
            seen=seen,
            restorable_until=ends if deleted and not dry_run else None,
        )

    def _companions(self, tags: Sequence[TagRecord]) -> list[TagRecord]:
        """That go along with tags, and are not among them."""
        found = companions_of(self._table, self._repository.id, tags)
        names = {tag.name for tag in tags}
        return [companion for companion in found.values() if companion.name not in names]

    def _rules_over(self, tags: Sequence[TagRecord]) -> dict[TagName, str]:
        """The rule that keeps each, "" for none."""
        kept_by = Immutability(self._stack).told(self._repository.namespace_id, self._repository.name)
        return {tag.name: kept_by(tag.name) for tag in tags}

    def _retire(self, tags: Sequence[TagRecord], *, quiet: bool) -> Outcomes:
        deletion = Deletion(self._instance, self._repository, self._by, quiet)
        return Retirement(self._stack).delete_tags(deletion, tags)

    def _kept(self, tag: TagRecord, rule: str, outcome: Refused | None) -> KeptTag | None:
        """None for one that is gone."""
        if isinstance(outcome, ManifestUnknown):
            return None
        reason, rule_id = why_left(outcome) if outcome is not None else (IMMUTABLE, rule)
        return KeptTag(tag=tag.name, digest=tag.digest, reason=reason, rule_id=rule_id)

    # As a task

    def _task(self, tags: list[TagName], matching: Matching) -> Task:
        subject = {"namespace": str(self._repository.name.namespace), "repository": str(self._repository.name)}
        work = {
            "what": "tags",
            "repository_id": self._repository.id,
            "tags": [str(tag) for tag in tags],
            "prefix": matching.prefix,
            "search": matching.search,
            "after": "",
        }
        tasks = Tasks(self._stack)
        task, write = tasks.create(self._instance.id, "deletion", subject, self._by, work=work, total=len(tags) or None)
        self._table.transact([write])
        tasks.start(task)
        return task

    def step(self, task: Task) -> Step:
        """Deletes the next tags of the task, unless they were pushed after it was asked for, with what follows them."""
        tags, missing, work = self._next(task)
        asked_at = to_text(task.created_at)
        older = [tag for tag in tags if tag.pushed_at <= asked_at]
        rules = self._rules_over(older)
        going = [tag for tag in older if not rules[tag.name]]
        kept = [tag for tag in older if rules[tag.name]]
        companions = self._companions(going)
        told = consequences(self._stack, self._instance.id, self._repository.id, [*going, *companions])
        outcomes = self._retire(going, quiet=True)
        along = [companion for companion in companions if companion.name in outcomes]
        newer = [tag for tag in tags if tag.pushed_at > asked_at and tag.name not in outcomes]
        rest = self._without(work, along)
        unasked = len(along) - (len(_names_in(work)) - len(_names_in(rest)))
        items = [
            *(self._item(name, "", GONE) for name in missing),
            *(self._item(tag.name, tag.digest, MOVED) for tag in newer),
            *(self._item(tag.name, tag.digest, IMMUTABLE, rules[tag.name]) for tag in kept),
            *(self._item(tag.name, tag.digest, *why_left(outcomes[tag.name])) for tag in [*going, *along]),
        ]
        counts = Counter(item.verdict for item in items)
        return Step(rest, done=len(items) - unasked, bytes=told.bytes, counts=counts, items=items)

    def _without(self, work: dict[str, Any] | None, gone: Sequence[TagRecord]) -> dict[str, Any] | None:
        """What is left to do when some of the tags that were named went along with others."""
        names = {tag.name for tag in gone}
        if work is None or names.isdisjoint(_names_in(work)):
            return work
        left = [name for name in _names_in(work) if name not in names]
        # Without names a task is one of all that match.
        return {**work, "tags": left} if left else None

    def _item(self, tag: str, digest: str, reason: str, rule_id: str = "") -> TaskItem:
        """reason: why it was left alone; "" for one that was deleted."""
        return TaskItem(
            rule_id=rule_id,
            id=tag,
            time=self._stack.clock.now(),
            repository=str(self._repository.name),
            tag=tag,
            digest=digest,
            verdict="skipped" if reason else "deleted",
            reason=reason,
        )

    def _next(self, task: Task) -> tuple[list[TagRecord], list[str], dict[str, Any] | None]:
        """The tags of this step, those named that there are none of, and the work that is left after it."""
        work = dict(task.work)
        if work["tags"]:
            names, rest = work["tags"][:TAGS_A_STEP], work["tags"][TAGS_A_STEP:]
            found = self._table.get_many([keys.tag(self._repository.id, name) for name in names])
            tags = [TagRecord.model_validate(row) for row in found.values()]
            missing = sorted(set(names) - {tag.name for tag in tags})
            return tags, missing, {**work, "tags": rest} if rest else None
        first = keys.tag(self._repository.id, work["prefix"])
        matching = bounded_pass(
            lambda cursor, rows: self._table.query(
                first.pk,
                prefix=first.sk,
                after=keys.tag("", work["after"]).sk if work["after"] and cursor is None else None,
                cursor=cursor,
                limit=rows if work["search"] else TAGS_A_STEP + 1,
            ),
            lambda row: work["search"] in row["name"],
            lambda row: str(row["name"]),
            TAGS_A_STEP,
            _PAGE,
        )
        tags = [TagRecord.model_validate(row) for row in matching.items]
        return tags, [], {**work, "after": matching.next} if matching.next is not None else None


def _seen(going: Sequence[TagRecord], *, complete: bool) -> str:
    """The same for the same tags, pointing to the same, of which there are the same more or none."""
    told = sorted((tag.name, tag.digest) for tag in going)
    return hashlib.sha256(json.dumps([complete, told]).encode()).hexdigest()


def _require(expected: str | None, seen: str) -> None:
    """Raises MatchesChanged. expected: None where nobody looked before."""
    if expected not in (None, seen):
        raise MatchesChanged


def _names_in(work: dict[str, Any] | None) -> list[str]:
    return list(work["tags"]) if work else []


def why_left(outcome: Refused | None) -> tuple[str, str]:
    """Why `Retirement.delete_tags` left a tag alone, and the rule that keeps it; ("", "") for one that it deleted."""
    if outcome is None:
        return "", ""
    if isinstance(outcome, TagImmutable):
        return IMMUTABLE, str(outcome.detail["rule"])
    return (GONE if isinstance(outcome, ManifestUnknown) else MOVED), ""


def carry_out(stack: Stack, task: Task) -> Step:
    """One step of a task of this kind. Raises NotFound where the repository went meanwhile."""
    instance = Instances(stack).load(task.instance_id)
    repository = Repositories(stack).of_namespace(instance, task.subject["namespace"], task.work["repository_id"])
    return TagDeletions(stack, instance, repository, task.created_by).step(task)
