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
from chalicelib.registry.consequences import consequences
from chalicelib.registry.models import TagRecord
from chalicelib.registry.retirement import Deletion, Retirement
from chalicelib.repositories.models import Repository

from .models import Reason, Verdict


class GoingTag(BaseModel):
    """push: the one that was decided of."""

    model_config = KEPT

    name: TagName
    digest: str
    push: str
    reason: Reason
    rule_id: str

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
    """What became of each, with its digest, and the bytes that go with those that went. Safe to repeat.

    repository   None: it went, and its tags with it
    """
    if repository is None:
        return [(Verdict(tag.name, "skipped", "repository_gone"), tag.digest) for tag in going.tags], 0
    found = stack.table.get_many([keys.tag(repository.id, tag.name) for tag in going.tags])
    standing = {TagName(row["name"]): TagRecord.model_validate(row) for row in found.values()}
    wanted = {tag.name: tag for tag in going.tags}
    as_decided = [record for name, record in standing.items() if record.push == wanted[name].push]
    # Companions are decided of too, once it is told what became of their originals.
    deletion = Deletion(instance, repository, by, quiet=True, alone=True)
    outcomes = Retirement(stack).delete_tags(deletion, as_decided) if as_decided else {}
    told = list(_told(going.tags, standing, outcomes))
    gone = {verdict.tag for verdict, _ in told if verdict.verdict == "deleted"}
    if len(gone) == len(going.tags):
        return told, going.bytes
    return told, _freed(stack, instance, repository, [tag for tag in going.tags if tag.name in gone])


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


def _freed(stack: Stack, instance: Instance, repository: Repository, gone: Sequence[GoingTag]) -> int:
    """Asked after they went: what lies in the bin holds nothing for good."""
    records = [tag.record(repository.id) for tag in gone]
    return consequences(stack, instance.id, repository.id, records).bytes if records else 0
