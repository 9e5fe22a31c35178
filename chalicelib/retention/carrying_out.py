"""Deleting what a run decided of: each tag only where the push put it that was decided of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import ManifestUnknown, Refused, TagImmutable
from chalicelib.kernel.modelling import KEPT
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.companions import companion_keys, companions_in
from chalicelib.registry.consequences import consequences
from chalicelib.registry.models import TagRecord
from chalicelib.registry.retirement import Deletion, Retirement
from chalicelib.repositories.models import Repository

from .models import Reason, Verdict


class GoingTag(BaseModel):
    """push: the one that was decided of. companion: digest of the accelerated version beside it, "" for none."""

    model_config = KEPT

    name: TagName
    digest: str
    push: str
    reason: Reason
    rule_id: str
    companion: str = ""

    def record(self, repository_id: str) -> TagRecord:
        """As far as it is known here, for whoever asks about name and digest."""
        return TagRecord(
            repository_id=repository_id,
            name=self.name,
            digest=Digest(self.digest),
            push=self.push,
            media_type="",
            size=0,
            pushed_at="",
            pushed_by="",
        )


class Going(BaseModel):
    """bytes: that all of them free together."""

    model_config = KEPT

    repository_id: str
    repository: str
    tags: tuple[GoingTag, ...]
    bytes: int


def carry_out(
    stack: Stack, instance: Instance, repository: Repository | None, going: Going, by: str
) -> tuple[list[tuple[Verdict, str]], int]:
    """What became of each and of the companions that went along, with their digests; and the bytes that go with those
    that went. Safe to repeat.

    repository   None: it went, and its tags with it
    """
    if repository is None:
        return [(Verdict(tag.name, "skipped", "repository_gone"), tag.digest) for tag in going.tags], 0
    places = {tag.name: keys.tag(repository.id, tag.name) for tag in going.tags}
    beside = companion_keys(repository.id, places)
    found = stack.table.get_many([*places.values(), *beside.values()])
    standing = {name: TagRecord.model_validate(found[place]) for name, place in places.items() if place in found}
    wanted = {tag.name: tag for tag in going.tags}
    as_decided = [record for name, record in standing.items() if record.push == wanted[name].push]
    deletion = Deletion(instance, repository, by, quiet=True)
    outcomes = Retirement(stack).delete_tags(deletion, as_decided) if as_decided else {}
    told = list(_told(going.tags, standing, outcomes))
    gone = [tag for tag, (verdict, _) in zip(going.tags, told, strict=True) if verdict.verdict == "deleted"]
    companions = companions_in(found, beside)
    unasked = {original: one for original, one in companions.items() if one.name not in wanted}
    along = _along(gone, standing, unasked, outcomes)
    told += [(verdict, tag.digest) for verdict, tag in along]
    as_planned = [tag.digest for _, tag in along] == [tag.companion for tag in gone if tag.companion]
    if len(gone) == len(going.tags) and as_planned:
        return told, going.bytes
    return told, _freed(stack, instance, repository, [*gone, *(tag for _, tag in along)])


def _told(
    tags: Sequence[GoingTag], standing: Mapping[TagName, TagRecord], outcomes: Mapping[TagName, Refused | None]
) -> Iterator[tuple[Verdict, str]]:
    for tag in tags:
        refused = outcomes.get(tag.name)
        if tag.name not in standing or (tag.name in outcomes and refused is None):
            # What is gone went in an earlier try of this step.
            verdict = Verdict(tag.name, "deleted", tag.reason, tag.rule_id)
        elif isinstance(refused, TagImmutable):
            verdict = Verdict(tag.name, "kept", "immutable", str(refused.detail["rule"]))
        elif isinstance(refused, ManifestUnknown):
            verdict = Verdict(tag.name, "skipped", "gone")
        else:
            verdict = Verdict(tag.name, "skipped", "pushed_meanwhile")
        yield verdict, tag.digest


def _along(
    gone: Sequence[GoingTag],
    standing: Mapping[TagName, TagRecord],
    companions: Mapping[TagName, TagRecord],
    outcomes: Mapping[TagName, Refused | None],
) -> list[tuple[Verdict, GoingTag]]:
    """The companions that went with tags that went. standing, companions: as they were before this try."""
    along = []
    for tag in gone:
        companion = companions.get(tag.name)
        if companion is not None:
            went = companion.name in outcomes and outcomes[companion.name] is None
            digest = companion.digest if went else ""
        else:
            # What is gone with its tag went in an earlier try of this step.
            digest = "" if tag.name in standing else tag.companion
        if digest:
            name = tag.name.accelerated
            verdict = Verdict(name, "deleted", "follows_original", tag.rule_id)
            follower = GoingTag(name=name, digest=digest, push="", reason="follows_original", rule_id=tag.rule_id)
            along.append((verdict, follower))
    return along


def _freed(stack: Stack, instance: Instance, repository: Repository, gone: Sequence[GoingTag]) -> int:
    """Asked after they went: what lies in the bin holds nothing for good."""
    records = [tag.record(repository.id) for tag in gone]
    return consequences(stack, instance.id, repository.id, records).bytes if records else 0
