"""Which rules want what was pushed, and the task of each.

A push that synchronisation made is wanted by none: so nothing goes in circles, whatever rules other services have. A
referrer, which has no tag, goes to where the image is that it is about. What acceleration made goes to where its
original is by then, as that is brought by its own push, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from chalicelib.copying.callers import SYNC
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import ManifestUnknown
from chalicelib.kernel.ids import LEAST_TAIL, id_at, moment_of
from chalicelib.kernel.messages import ImagePushed
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import TransactionCancelled
from chalicelib.registry.companions import BY as ACCELERATION
from chalicelib.surveys.service import Surveys
from chalicelib.tasks.models import Task
from chalicelib.tasks.service import Tasks

from .models import Rule, Wanted, Work
from .rules import content_of, matches_repository, matches_tag
from .service import Sync

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Pushes:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._tasks = Tasks(stack)

    def sync_push(self, instance: Instance, pushed: ImagePushed) -> list[Task]:
        """The task of each rule that wants it, however often the push is told of."""
        if pushed.how == "sync" or instance.edition != "enterprise":
            return []
        rules = [rule for rule in Sync(self._stack).rules_of(instance) if _may_want(rule, pushed)]
        if not rules:
            return []
        try:
            record = Surveys(self._stack).manifest_of(pushed.repository_id, pushed.digest)
        except ManifestUnknown:
            return []  # Deleted meanwhile.
        content, begun, tags = content_of(record.artifact_type), list[Task](), self._tags(pushed)
        for rule in rules:
            wanted = _tagged(rule, pushed, tags) if content in rule.content else []
            if not wanted and record.subject:
                wanted = [Wanted(repository=pushed.repository, digest=pushed.digest, subject=record.subject)]
            if wanted:
                begun.append(self._begin(instance, rule, pushed, wanted))
        return begun

    def _tags(self, pushed: ImagePushed) -> dict[str, str]:
        """What is to be brought, with the id of its own push. Companions go by their originals' tags, unless those are
        gone, or were synchronised themselves."""
        if pushed.pushed_by != ACCELERATION:
            return dict.fromkeys(pushed.tags, pushed.incarnation)
        wanted = [keys.tag(pushed.repository_id, TagName(tag).original) for tag in pushed.tags]
        rows = self._stack.table.get_many(wanted).values()
        return {row["name"]: row["push"] for row in rows if row["pushed_by"] != SYNC}

    def _begin(self, instance: Instance, rule: Rule, pushed: ImagePushed, wanted: list[Wanted]) -> Task:
        name = RepositoryName(pushed.repository)
        work = Work(rule_id=rule.id, push=pushed.incarnation, wanted=tuple(wanted))
        subject = {
            "namespace": name.namespace,
            "repository": name,
            "tag": wanted[0].tag,
            "digest": pushed.digest,
            "rule": rule.id,
            "target_instance": rule.target_id,
            "target_namespace": rule.target_namespace,
        }
        task, creation = self._tasks.create(
            instance.id,
            "sync",
            subject,
            rule.created_by,
            work=work.model_dump(mode="json"),
            trigger="rule",
            total=len(wanted),
            task_id=_task_of(rule, pushed.incarnation),
        )
        try:
            self._stack.table.transact([creation])
        except TransactionCancelled:
            # The push was told of before.
            return self._tasks.get(instance.id, task.id)
        self._tasks.start(task)
        return task


def _may_want(rule: Rule, pushed: ImagePushed) -> bool:
    later = pushed.incarnation > rule.since
    return rule.enabled and later and matches_repository(rule, pushed.repository)


def _tagged(rule: Rule, pushed: ImagePushed, tags: Mapping[str, str]) -> list[Wanted]:
    fitting = [tag for tag, push in tags.items() if push > rule.since and matches_tag(rule, tag)]
    beside = pushed.pushed_by == ACCELERATION
    return [Wanted(repository=pushed.repository, tag=tag, beside=beside) for tag in fitting]


def _task_of(rule: Rule, incarnation: str) -> str:
    hashed = blake2b(f"sync {rule.id} {incarnation}".encode(), digest_size=len(LEAST_TAIL)).digest()
    return id_at(moment_of(incarnation), "".join(_ALPHABET[byte % 32] for byte in hashed))
