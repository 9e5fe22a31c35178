"""What goes along when tags go: the manifests that held them, and their companions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chalicelib.kernel.names import TagName
from chalicelib.ports import keys
from chalicelib.ports.table import Check, Delete, Table, Write, absent, all_of

from . import store
from .companions import beside, companion_keys, is_companion, names
from .models import ManifestRecord, TagRecord

# Two writes, two for its entry, one for its manifest.
WRITES_A_COMPANION: Final = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """Some tags as they stand, each with the mark that its companion came with; manifests by digest; what stands where
    companions would, by the names of the tags."""

    tags: Sequence[TagRecord]
    manifests: Mapping[str, ManifestRecord]
    beside: Mapping[TagName, TagRecord]

    @property
    def companions(self) -> dict[TagName, TagRecord]:
        return {original: row for original, row in self.beside.items() if is_companion(row)}

    def going(self, left: Collection[TagName] = ()) -> list[tuple[TagRecord, ManifestRecord]]:
        """The tags but those that are left, as far as their manifests live, and their companions, each once."""
        there, companions = [tag for tag in self.tags if tag.name not in left and self._live(tag)], self.companions
        following = [companions[tag.name] for tag in there if tag.name in companions]
        each = {tag.name: tag for tag in [*there, *following] if self._live(tag)}
        return [(tag, self.manifests[tag.digest]) for tag in each.values()]

    def unchanged(self, going: Sequence[TagRecord]) -> list[Check]:
        """That no companion came meanwhile to those that go without one. It comes only where somebody asked for it, and
        so with a mark: a tag without one goes on condition that it has none still (`untag`)."""
        with_them = {tag.name for tag in going}
        alone = [tag for tag in going if tag.acceleration and tag.name.accelerated not in with_them]
        places = companion_keys(alone[0].repository_id, [tag.name for tag in alone]) if alone else {}
        rows = {original: self.beside.get(original) for original in places}
        return [Check(places[name], store.as_seen(row) if row else absent()) for name, row in rows.items()]

    def _live(self, tag: TagRecord) -> bool:
        manifest = self.manifests.get(tag.digest)
        return manifest is not None and manifest.state == "live"


def see(table: Table, repository_id: str, tags: Sequence[TagRecord]) -> Seen:
    """In one batch of reads, and another where companions stand."""
    wanted = companion_keys(repository_id, [tag.name for tag in tags])
    places = {tag.digest: keys.manifest(repository_id, tag.digest) for tag in tags}
    found = table.get_many([*places.values(), *wanted.values()])
    rows = {digest: found[place] for digest, place in places.items() if place in found}
    manifests: dict[str, ManifestRecord] = {digest: ManifestRecord.model_validate(row) for digest, row in rows.items()}
    seen = Seen(tags, manifests, beside(found, wanted))
    unread = {row.digest for row in seen.companions.values()} - places.keys()
    return Seen(
        marked(table, tags, seen.companions), manifests | manifests_of(table, repository_id, unread), seen.beside
    )


def marked(table: Table, tags: Sequence[TagRecord], companions: Mapping[TagName, TagRecord]) -> Sequence[TagRecord]:
    """A tag that was read before its companion came does not name it yet: it is read once more."""
    unsure = [tag for tag in tags if tag.name in companions and not names(tag, companions[tag.name].digest)]
    if not unsure:
        return tags
    found = table.get_many([keys.tag(tag.repository_id, tag.name) for tag in unsure])
    again = {row["name"]: TagRecord.model_validate(row) for row in found.values()}
    return [again[tag.name] if tag.name in again and again[tag.name].push == tag.push else tag for tag in tags]


def untag(tags: Iterable[TagRecord]) -> list[Write]:
    """They go as they were seen."""
    writes: list[Write] = []
    for tag in tags:
        unmarked = [] if tag.acceleration else [absent("acceleration")]
        writes.append(Delete(keys.tag(tag.repository_id, tag.name), when=all_of(store.as_seen(tag), *unmarked)))
        writes.append(Delete(keys.hold(tag.repository_id, tag.digest, "TAG", tag.name)))
    return writes


def manifests_of(table: Table, repository_id: str, digests: Collection[str]) -> dict[str, ManifestRecord]:
    if not digests:
        return {}
    found = table.get_many([keys.manifest(repository_id, digest) for digest in digests])
    return {row["digest"]: ManifestRecord.model_validate(row) for row in found.values()}


def first(seen: Seen, *, room: int, a_tag: int) -> Seen:
    """As many of the tags as there is room for with their companions; one at least. a_tag: what each writes. One that
    has a mark and no companion takes a check that none came."""
    companions, taken = seen.companions, set[TagName]()
    for place, tag in enumerate(seen.tags):
        companion = companions.get(tag.name)
        room -= 0 if tag.name in taken else a_tag
        if companion is None:
            room -= 1 if tag.acceleration else 0
        elif companion.name not in taken:
            room -= WRITES_A_COMPANION
        if room < 0 and place:
            return replace(seen, tags=seen.tags[:place])
        taken |= {tag.name} if companion is None else {tag.name, companion.name}
    return seen
