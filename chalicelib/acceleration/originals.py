"""The tags that a task converts for: whether they still are what it is about, and what it says of them.

Each is the original of one companion. A mark on its row says how far the conversion has come; it is written only at the
push that the task is about, and goes with the next one.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from chalicelib.edge.log import logger
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.companions import companion_keys, companions_of, is_companion
from chalicelib.registry.models import Acceleration, TagRecord
from chalicelib.registry.service import Registry
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories
from chalicelib.tasks.models import Step, Task, TaskItem

from . import switches
from .models import Work

_MOVED = "it was pushed or deleted meanwhile"
_CAME = "it has its accelerated image by now"
_AWAY = "its repository was deleted meanwhile"
_SUPERSEDED = "another task converts it"
_SWITCHED_OFF = "acceleration was switched off meanwhile"


class Originals:
    def __init__(self, stack: Stack, instance: Instance, task: Task, work: Work) -> None:
        self._stack = stack
        self._registry = Registry(stack)
        self._instance = instance
        self._task = task
        self._work = work
        self._repository: Repository | None = None
        self._left: dict[TagName, TagRecord] = {}
        self._items: dict[TagName, TaskItem] = {}
        self._why = work.why

    # Looking

    def look(self) -> bool:
        """Whether any tag is left that wants what the task makes. Those that do not are skipped."""
        switched_off = self._work.pushed and not self._wanted()
        names = {wanted.name: keys.tag(self._work.repository_id, wanted.name) for wanted in self._work.tags}
        found = self._stack.table.get_many(list(names.values()))
        self._left = {}
        for wanted in self._work.tags:
            row = found.get(names[wanted.name])
            tag = TagRecord.model_validate(row) if row else None
            if wanted.name in self._items or wanted.name in self._work.settled:
                continue
            if tag is None or tag.push != wanted.push:
                self.skip(wanted.name, _MOVED)
            elif self._find_repository() is None:
                # It comes back with its repository, should that be restored.
                self.mark_failed(tag, "interrupted", _AWAY)
                self.skip(wanted.name, _AWAY)
            elif self._work.phase != "plan" and self._taken(tag):
                self.skip(wanted.name, _SUPERSEDED)
            elif switched_off:
                self._unmark(tag)
                self.skip(wanted.name, _SWITCHED_OFF)
            elif self._work.phase == "plan" and self._work.pushed and self._came(tag):
                self.skip(wanted.name, _CAME)
            else:
                self._left[wanted.name] = self._resumed(tag)
        return bool(self._left)

    def _resumed(self, tag: TagRecord) -> TagRecord:
        """A task that was cancelled, or failed, and goes on, says so."""
        mark = tag.acceleration
        if self._work.phase == "plan" or (mark is not None and mark.state in ("running", "succeeded")):
            return tag
        running = marked(tag, "running", task=self._task.id)
        self._registry.mark_tag(tag, running)
        return tag.model_copy(update={"acceleration": running})

    def _unmark(self, tag: TagRecord) -> None:
        """Of its own mark alone: somebody may have asked for what the switch no longer does."""
        mark = tag.acceleration
        if mark is not None and mark.task == self._task.id:
            self._registry.mark_tag(tag, None)

    def _taken(self, tag: TagRecord) -> bool:
        """By another task, which began later and knows more: a list that was told since, perhaps."""
        mark = tag.acceleration
        return mark is not None and mark.task not in ("", self._task.id)

    def _came(self, tag: TagRecord) -> bool:
        """With the image itself, from where it was converted."""
        mark = tag.acceleration
        if mark is None or mark.state != "succeeded":
            return False
        beside = companions_of(self._stack.table, self._work.repository_id, [tag]).get(tag.name)
        return beside is not None and beside.digest == mark.digest

    def _wanted(self) -> bool:
        repository = self._find_repository()
        return repository is not None and switches.are_on(self._stack, self._instance, repository)

    def _find_repository(self) -> Repository | None:
        """The one that was pushed to; None where it went, or another has its name."""
        if self._repository is None:
            try:
                found = Repositories(self._stack).get(self._instance.id, self._work.repository, fresh=True)
            except NotFound:
                return None
            self._repository = found if found.id == self._work.repository_id else None
        return self._repository

    def left(self) -> list[TagRecord]:
        return list(self._left.values())

    # Marks

    def take(self) -> bool:
        """They are converted by this task from now on. Whether any is left that can have a companion."""
        wanted = companion_keys(self._work.repository_id, self._left)
        there = self._stack.table.get_many(list(wanted.values()))
        for tag in self.left():
            standing = there.get(wanted[tag.name]) if tag.name in wanted else None
            if tag.name not in wanted:
                self.fail_one(tag, "name_too_long", switches.too_long(tag.name))
            elif standing is not None and not is_companion(TagRecord.model_validate(standing)):
                self.fail_one(tag, "name_taken", switches.taken(tag.name))
            elif not self._registry.mark_tag(tag, marked(tag, "running", task=self._task.id)):
                self.skip(tag.name, _MOVED)
        return bool(self._left)

    def stands(self, tag: TagRecord, digest: Digest) -> bool:
        """Whether this very companion is there, and the mark says so: a step is done again that did not tell."""
        mark, beside = tag.acceleration, companions_of(self._stack.table, self._work.repository_id, [tag])
        told = mark is not None and mark.state == "succeeded" and mark.digest == digest
        return told and tag.name in beside and beside[tag.name].digest == digest

    def succeed(self, tag: TagRecord, digest: Digest) -> None:
        """Its companion stands, and the mark with it."""
        self._tell(tag.name, "accelerated", "", digest)

    def fail(self, reason: str, message: str) -> None:
        for tag in self.left():
            self.fail_one(tag, reason, message)

    def fail_one(self, tag: TagRecord, reason: str, message: str) -> None:
        self.mark_failed(tag, reason, message)
        self._why = f"{reason}: {message}"
        self._tell(tag.name, "failed", self._why)

    def mark_failed(self, tag: TagRecord, reason: str, message: str) -> None:
        """What an earlier conversion of this very push made is as good as ever: then the task alone tells of this
        one."""
        before = tag.acceleration
        beside = companions_of(self._stack.table, tag.repository_id, [tag]).get(tag.name)
        if before is not None and beside is not None and before.digest == beside.digest:
            self._registry.mark_tag(tag, marked(tag, "succeeded"))
            return
        mark = Acceleration(state="failed", reason=reason, message=message)
        self._registry.mark_tag(tag, mark)

    def skip(self, name: TagName, why: str) -> None:
        self._tell(name, "skipped", why)

    def _tell(self, name: TagName, verdict: str, reason: str, digest: str = "") -> None:
        self._left.pop(name, None)
        self._items[name] = TaskItem(
            id=name,
            time=self._stack.clock.now(),
            repository=self._work.repository,
            tag=name,
            digest=digest or self._work.digest,
            verdict=verdict,
            reason=reason,
        )

    # The end

    def ended(self, **progress: Any) -> Step:
        """What the task came to."""
        self.retire_stale()
        logger.info("conversion ended", task_id=self._task.id, digest=self._work.digest, why=self._why)
        told: dict[str, Any] = {"items": self.items(), "counts": self.counts(), **progress}
        if not self._why:
            return Step(None, **told)
        work = self._work
        begin = Work(
            repository_id=work.repository_id,
            repository=work.repository,
            digest=work.digest,
            tags=work.tags,
            pushed=work.pushed,
        )
        return Step(begin.model_dump(mode="json"), failed=self._why, **told)

    def items(self) -> list[TaskItem]:
        """What became of tags in this step."""
        return list(self._items.values())

    def counts(self) -> Counter[str]:
        return Counter(item.verdict for item in self._items.values())

    def settled(self) -> dict[str, Any]:
        """For the work of the next step: of which tags nothing more is to be done, and why one of them failed."""
        return {"settled": (*self._work.settled, *self._items), "why": self._why}

    def retire_stale(self) -> None:
        """Companions that their originals know nothing of go: an original may have gone in the moment that its
        companion came. Of one that was pushed meanwhile, the event of that push sees to it."""
        repository = self._find_repository()
        if repository is None:
            return
        names = {wanted.name: keys.tag(repository.id, wanted.name) for wanted in self._work.tags}
        found = self._stack.table.get_many(list(names.values()))
        for wanted in self._work.tags:
            row = found.get(names[wanted.name])
            tag = TagRecord.model_validate(row) if row else None
            under_way = tag is not None and tag.acceleration is not None and tag.acceleration.task != ""
            if tag is None or (tag.push == wanted.push and not under_way):
                self._registry.retire_companion(self._instance, repository, wanted.name)


def marked(tag: TagRecord, state: Any, *, task: str = "", reason: str = "", message: str = "") -> Acceleration:
    """What is converted already of this very push stays, whatever becomes of another conversion of it."""
    before = tag.acceleration or Acceleration(state="queued")
    return Acceleration(state=state, reason=reason, message=message, task=task, digest=before.digest, size=before.size)
