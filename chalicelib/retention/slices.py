"""One slice of a repository's tags, newest push first, and what is decided of it.

The index that has them in that order may be stale, so each tag is read again by itself. What the index shows where it
does not stand any more was deleted, or pushed meanwhile: the one is left out, the other stays. What the index lacks
still is newer than the run or as good as new, and is not asked about.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, Field

from chalicelib.immutability.service import Immutability
from chalicelib.instances.models import Instance
from chalicelib.kernel.modelling import KEPT
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item
from chalicelib.registry.companions import companions_of
from chalicelib.registry.consequences import consequences
from chalicelib.registry.models import TagRecord
from chalicelib.repositories.models import Repository

from .carrying_out import Going, GoingTag
from .models import RetentionRule, Run, Verdict
from .rules import decide, follow, originals, root

# Behind every name of a tag.
_LAST_NAME: Final = "~"


class Place(BaseModel):
    """Amid a repository.

    after       where the slice before ended, in the order of pushes
    seen        rule id → matching tags so far
    followers   some tags follow others: they come the second time
    second      it is walked for those
    """

    model_config = KEPT

    repository_id: str
    repository: str
    after: str
    seen: Mapping[str, int] = Field(default_factory=dict)
    followers: bool = False
    second: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """verdicts: each with the tag as it stands; companions: that go along with their originals, by the names of these;
    freed: bytes that go with all that go; place: where to go on, None at the end; rows: that were looked at."""

    repository: Repository
    verdicts: Sequence[tuple[Verdict, Item]]
    companions: Mapping[TagName, TagRecord]
    freed: int
    place: Place | None
    rows: int

    @property
    def going(self) -> Going:
        tags = tuple(
            GoingTag(
                name=tag["name"],
                digest=tag["digest"],
                push=tag["push"],
                reason=verdict.reason,
                rule_id=verdict.rule_id,
                companion=self.companions[verdict.tag].digest if verdict.tag in self.companions else "",
            )
            for verdict, tag in self.verdicts
            if verdict.verdict == "deleted"
        )
        repository = self.repository
        return Going(repository_id=repository.id, repository=repository.name, tags=tags, bytes=self.freed)


class Slices:
    def __init__(
        self,
        stack: Stack,
        instance: Instance,
        run: Run,
        repository: Repository,
        rules: Sequence[RetentionRule],
        told: Mapping[str, Verdict],
    ) -> None:
        """told: item → verdict, of this step: its items are not written yet. It may grow while slices are decided."""
        self._stack = stack
        self._table = stack.table
        self._instance = instance
        self._run = run
        self._rules = rules
        self._repository = repository
        self._told = told

    @property
    def beginning(self) -> Place:
        """Behind all that was pushed since the run began."""
        return Place(repository_id=self._repository.id, repository=self._repository.name, after=self._newest)

    @property
    def _newest(self) -> str:
        return f"{to_text(self._run.created_at)}#{_LAST_NAME}"

    def decide(self, place: Place, limit: int) -> Slice:
        """Of up to so many tags. Changes nothing."""
        page = self._table.query(
            keys.pushed_order(self._repository.id), index="i1", after=place.after, limit=limit, descending=True
        )
        standing, moved = self._read_again(page.items)
        decided, place = self._second(standing, place) if place.second else self._first(standing, place)
        verdicts = [(verdict, standing[verdict.tag]) for verdict in decided]
        verdicts += [(Verdict(tag, "skipped", "pushed_meanwhile"), row) for tag, row in moved.items()]
        going = [TagRecord.model_validate(row) for verdict, row in verdicts if verdict.verdict == "deleted"]
        companions = self._companions(going)
        together = [*going, *companions.values()]
        told = consequences(self._stack, self._instance.id, self._repository.id, together) if going else None
        following: Place | None = place
        if page.next is not None:
            following = place.model_copy(update={"after": page.items[-1]["i1sk"]})
        elif place.followers and not place.second:
            following = place.model_copy(update={"second": True, "after": self._newest, "seen": {}})
        else:
            following = None
        freed = told.bytes if told else 0
        return Slice(self._repository, verdicts, companions, freed, following, len(page.items))

    def _companions(self, going: Sequence[TagRecord]) -> dict[TagName, TagRecord]:
        """That are deleted with their originals. A dry run, which deletes nothing, meets them the second time."""
        if self._run.dry_run or not going:
            return {}
        found = companions_of(self._table, self._repository.id, going)
        names = {tag.name for tag in going}
        return {original: companion for original, companion in found.items() if companion.name not in names}

    def _read_again(self, rows: Sequence[Item]) -> tuple[dict[TagName, Item], dict[TagName, Item]]:
        """Those that stand where the index shows them, and those that were pushed since and not told of yet."""
        found = {TagName(row["name"]): row for row in self._rows([row["name"] for row in rows])}
        shown = {TagName(row["name"]): row["push"] for row in rows}
        standing = {tag: found[tag] for tag in shown if tag in found and found[tag]["push"] == shown[tag]}
        moved = {tag: found[tag] for tag in shown if tag in found and tag not in standing}
        # Pushed after the run began they were not shown before; pushed before it, the index has them in two places.
        doubled = [tag for tag, row in moved.items() if row["pushed_at"] <= to_text(self._run.created_at)]
        told = self._verdicts(doubled)
        return standing, {tag: row for tag, row in moved.items() if tag not in told}

    def _first(self, standing: Mapping[TagName, Item], place: Place) -> tuple[list[Verdict], Place]:
        followers = self._followers(standing)
        ordinary = [tag for tag in standing if tag not in followers]
        verdicts, seen = decide(ordinary, self._rules, self._immutable(ordinary), place.seen)
        return verdicts, place.model_copy(update={"seen": seen, "followers": place.followers or bool(followers)})

    def _second(self, standing: Mapping[TagName, Item], place: Place) -> tuple[list[Verdict], Place]:
        wanted = [tag for tag in standing if tag.original != tag]
        above = list({original for tag in wanted for original in originals(tag)})
        decided = self._verdicts([*wanted, *above])
        there = {*decided, *(TagName(row["name"]) for row in self._rows(above))}
        followers = [tag for tag in wanted if _follows(tag, decided.get(tag), there)]
        immutable = self._immutable(followers)
        return [follow(tag, immutable[tag], decided.get(root(tag, there))) for tag in followers], place

    def _followers(self, standing: Mapping[TagName, Item]) -> set[TagName]:
        """Those whose original is there, or was when this run decided of it."""
        wanted = [tag for tag in standing if tag.original != tag]
        if not wanted:
            return set()
        above = [tag.original for tag in wanted]
        there = {*self._verdicts(above), *(row["name"] for row in self._rows(above))}
        return {tag for tag in wanted if tag.original in there}

    def _rows(self, tags: Sequence[str]) -> list[Item]:
        return list(self._table.get_many([keys.tag(self._repository.id, tag) for tag in tags]).values())

    def _verdicts(self, tags: Sequence[TagName]) -> dict[TagName, Verdict]:
        """What this run has decided of them, in this step or in one before."""
        ids = {tag: item_id(self._repository.id, tag) for tag in tags}
        earlier = [keys.task_item(self._run.task_id, ids[tag]) for tag in tags if ids[tag] not in self._told]
        rows = self._table.get_many(earlier).values() if earlier else ()
        verdicts = [Verdict(TagName(row["tag"]), row["verdict"], row["reason"], row["rule_id"]) for row in rows]
        verdicts += [self._told[item] for item in ids.values() if item in self._told]
        return {verdict.tag: verdict for verdict in verdicts}

    def _immutable(self, tags: Sequence[TagName]) -> dict[TagName, str]:
        if not tags:
            return {}
        repository = self._repository
        judged = Immutability(self._stack).judge(repository.namespace_id, repository.id, repository.name, tags)
        return {tag: judged.rule_over(tag) for tag in tags}


def _follows(tag: TagName, decided: Verdict | None, there: Collection[TagName]) -> bool:
    """Whether the second walk is to decide of it. decided: by the first, or by this step when it was begun before."""
    if decided is None or decided.reason == "follows_original":
        return True
    return decided.reason == "immutable" and root(tag, there) != tag


def item_id(repository_id: str, tag: str) -> str:
    """Of what a run tells of a tag."""
    return f"{repository_id}/{tag}"
