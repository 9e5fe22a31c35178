"""What goes along when tags go: the manifests that held them, and their companions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chalicelib.kernel.names import TagName
from chalicelib.ports import keys
from chalicelib.ports.table import Table

from .companions import companion_keys, companions_in
from .models import ManifestRecord, TagRecord

# Two writes, two for its entry, one for its manifest.
WRITES_A_COMPANION: Final = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """Around some tags: manifests by digest, companions by the names of their originals."""

    manifests: Mapping[str, ManifestRecord]
    companions: Mapping[TagName, TagRecord]

    def with_companions(self, tags: Sequence[TagRecord]) -> list[tuple[TagRecord, ManifestRecord]]:
        """Those whose manifests live, and their companions, each once."""
        there = [tag for tag in tags if self._live(tag)]
        following = [self.companions[tag.name] for tag in there if tag.name in self.companions]
        each = {tag.name: tag for tag in [*there, *following] if self._live(tag)}
        return [(tag, self.manifests[tag.digest]) for tag in each.values()]

    def _live(self, tag: TagRecord) -> bool:
        manifest = self.manifests.get(tag.digest)
        return manifest is not None and manifest.state == "live"


def see(table: Table, repository_id: str, tags: Sequence[TagRecord]) -> Seen:
    """In one batch of reads, and another where companions stand."""
    wanted = companion_keys(repository_id, [tag.name for tag in tags])
    places = {tag.digest: keys.manifest(repository_id, tag.digest) for tag in tags}
    found = table.get_many([*places.values(), *wanted.values()])
    rows = {digest: found[place] for digest, place in places.items() if place in found}
    manifests = {digest: ManifestRecord.model_validate(row) for digest, row in rows.items()}
    companions = companions_in(found, wanted)
    unread = {companion.digest for companion in companions.values()} - places.keys()
    return Seen(manifests | manifests_of(table, repository_id, unread), companions)


def manifests_of(table: Table, repository_id: str, digests: Collection[str]) -> dict[str, ManifestRecord]:
    if not digests:
        return {}
    found = table.get_many([keys.manifest(repository_id, digest) for digest in digests])
    return {row["digest"]: ManifestRecord.model_validate(row) for row in found.values()}


def first(
    tags: Sequence[TagRecord], companions: Mapping[TagName, TagRecord], *, room: int, a_tag: int
) -> list[TagRecord]:
    """Of these tags as many as there is room for with their companions; one at least. a_tag: what each writes."""
    taken: set[TagName] = set()
    for place, tag in enumerate(tags):
        companion = companions.get(tag.name)
        room -= 0 if tag.name in taken else a_tag
        room -= 0 if companion is None or companion.name in taken else WRITES_A_COMPANION
        if room < 0 and place:
            return list(tags[:place])
        taken |= {tag.name} if companion is None else {tag.name, companion.name}
    return list(tags)
