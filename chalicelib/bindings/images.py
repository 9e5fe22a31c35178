"""The images of a service's repository, and which versions of which services use them (B3).

delete   a mark: no version may name the tag from now on ─► who names it ─► confirmed: the tag goes ─► the mark goes
         └─ a mark whose deletion broke off counts for nothing after a while
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import ConfirmationRequired, Conflict, InUse, TagImmutable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import TagName
from chalicelib.kernel.paging import Page
from chalicelib.ports import binding_keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, absent, any_of, at_most, equals
from chalicelib.registry.listing import TagLists, TagsAsked
from chalicelib.registry.tag_deletions import TagDeletions
from chalicelib.registry.tag_views import TagView, TagViews
from chalicelib.repositories.models import Repository

from . import store
from .models import Use
from .shapes import LONGEST_CONFIRMATION, ImageDeletion, ImageQuery, ServiceImageView, UseView

# Longer than a deletion takes.
_MARK_LASTS: Final = timedelta(minutes=2)
# Shown with each image; how many more there are is counted.
MOST_SHOWN: Final = 100


class Images:
    def __init__(self, stack: Stack, instance: Instance, repository: Repository) -> None:
        self._stack = stack
        self._instance = instance
        self._repository = repository

    def page(self, query: ImageQuery) -> Page[ServiceImageView]:
        """What the list of the repository's tags shows, with who uses each. Raises Invalid naming `cursor`."""
        asked = TagsAsked(self._repository.id, query.sort, query.prefix, query.search, query.limit)
        page = TagLists(self._stack.table).page(asked, query.cursor)
        rows = TagViews(self._stack).rows(self._instance, self._repository, page.items)
        uses = store.uses_between(self._stack.table, self._repository.id, [row.tag for row in rows])
        return Page(tuple(_view(row, uses[row.tag]) for row in rows), page.next)

    def delete(self, tag: TagName, confirm: str, by: str) -> ImageDeletion:
        """Into the recycle bin. confirm: as `BreakingConfirmation` has it.

        Raises ConfirmationRequired unless it names the versions that would break, InUse where they are too many to
        name, TagImmutable, Conflict if the tag was pushed meanwhile, or somebody else deletes it.
        """
        with self._going(tag):
            uses = store.uses_of(self._stack.table, self._repository.id, tag)
            _require_confirmed(tag, uses, confirm)
            deleted = TagDeletions(self._stack, self._instance, self._repository, by).delete([tag])
        for kept in deleted.kept:
            if kept.rule_id:
                raise TagImmutable(self._repository.name, tag, kept.rule_id)
        if not deleted.tags:
            raise Conflict(f"tag {tag} was pushed or deleted meanwhile; look at it again", tag=tag)
        return ImageDeletion(**deleted.model_dump(), broken=tuple(UseView.of(use) for use in uses))

    @contextmanager
    def _going(self, tag: TagName) -> Iterator[None]:
        """One deletion at a time: the mark of another would go with the first of both. Raises Conflict."""
        key, now, mark = binding_keys.going(self._repository.id, tag), self._stack.clock.now(), new_id()
        ends = now + _MARK_LASTS
        item = {**key._asdict(), "mark": mark, "until": to_text(ends), "expires": int(ends.timestamp())}
        try:
            self._stack.table.put(item, any_of(absent(), at_most("until", to_text(now))))
        except ConditionFailed as marked:
            if marked.item is None or marked.item.get("mark") != mark:
                raise Conflict(f"tag {tag} is being deleted", tag=tag) from marked
        try:
            yield
        finally:
            with suppress(ConditionFailed):
                self._stack.table.delete(key, equals("mark", mark), relaxed=True)


def _view(row: TagView, uses: Sequence[Use]) -> ServiceImageView:
    shown = tuple(UseView.of(use) for use in uses[:MOST_SHOWN])
    return ServiceImageView(**row.model_dump(), used_by=shown, uses=len(uses))


def _require_confirmed(tag: str, uses: Sequence[Use], confirm: str) -> None:
    named = sorted(str(use) for use in uses)
    if {part.strip() for part in confirm.split(",") if part.strip()} >= set(named):
        return
    wanted = ",".join(named)
    if len(wanted) > LONGEST_CONFIRMATION:
        message = f"tag {tag} is used by {len(named)} versions, {', '.join(named[:5])} and more; delete versions first"
        raise InUse(message, named[0])
    raise ConfirmationRequired(
        f"deleting tag {tag} breaks what uses it: {', '.join(named)}; confirm with ?confirm={wanted}", versions=named
    )
