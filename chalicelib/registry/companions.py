"""The companion of a tag: the accelerated version that the service keeps beside it (A1).

    v1               the original; its row bears the mark: how far the conversion of this very push has come
    v1-accelerated   the companion, pushed by one transaction with the mark that names its digest

A name that ends so belongs to the service while acceleration is switched on or a companion stands there. A tag that
somebody had there before is nobody's companion, and stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from chalicelib.kernel.errors import Conflict, TagReserved
from chalicelib.kernel.names import TagName
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, Key, Table
from chalicelib.repositories.models import Repository

from .models import Acceleration, BinEntry, TagRecord

# Who pushes companions. No login has a name with a colon.
BY: Final = "system:acceleration"
# On manifests and indexes of companions: the digest that they were converted from.
SOURCE: Final = "crs.accelerated.source"
# Entries of the recycle bin that hold one converted image, looked through for the newest of a tag.
_MOST_ENTRIES: Final = 100


class CompanionNameTaken(Conflict):
    """A tag that somebody else pushed has the name that the companion would have."""

    def __init__(self, repository: str, tag: str) -> None:
        super().__init__(
            f"tag {tag} of {repository} was not made by acceleration; delete it, or use another tag for its original",
            repository=repository,
            tag=tag,
        )


class OriginalMoved(Conflict):
    """The tag that was converted is gone, or was pushed meanwhile."""

    def __init__(self, repository: str, tag: str) -> None:
        super().__init__(f"tag {tag} of {repository} was pushed or deleted meanwhile", repository=repository, tag=tag)


class OriginalAway(Conflict):
    """A companion comes back with its original, and not without it."""

    def __init__(self, repository: str, tag: TagName) -> None:
        super().__init__(
            f"tag {tag} of {repository} is the accelerated version of {tag.original}, and comes back only with the "
            f"version that it was made of; restore {tag.original}, or restore this one under another name",
            repository=repository,
            tag=tag,
        )


def is_companion(tag: TagRecord) -> bool:
    return tag.pushed_by == BY and tag.name.original != tag.name


# Beside originals


def companion_keys(repository_id: str, originals: Iterable[TagName]) -> dict[TagName, Key]:
    """Where the companion of each would stand; nothing of those whose names are too long for any."""
    names = {original: original.accelerated for original in originals}
    return {original: keys.tag(repository_id, name) for original, name in names.items() if TagName.fits(name)}


def beside(found: Mapping[Key, Item], wanted: Mapping[TagName, Key]) -> dict[TagName, TagRecord]:
    """Whatever stands where companions would, by the name of their originals. wanted: as `companion_keys` has them;
    found: what was read of these."""
    return {original: TagRecord.model_validate(found[key]) for original, key in wanted.items() if key in found}


def companions_in(found: Mapping[Key, Item], wanted: Mapping[TagName, Key]) -> dict[TagName, TagRecord]:
    """Those of `beside` that are companions."""
    return {original: row for original, row in beside(found, wanted).items() if is_companion(row)}


def companions_of(table: Table, repository_id: str, tags: Iterable[TagRecord]) -> dict[TagName, TagRecord]:
    """By the name of their originals, in one batch of reads."""
    wanted = companion_keys(repository_id, [tag.name for tag in tags])
    return companions_in(table.get_many(list(wanted.values())), wanted)


def names(original: TagRecord | None, companion: str) -> bool:
    """Whether the original's mark speaks of a companion of this digest: of the very push that it stands at, though it
    may be under conversion once more."""
    mark = original.acceleration if original else None
    return mark is not None and mark.digest == companion


def shown(mark: Acceleration | None, companion: TagRecord | None) -> Acceleration | None:
    """What is true of the mark now: it succeeded only as long as its companion stands."""
    if mark is None or mark.state != "succeeded":
        return mark
    return mark if companion is not None and companion.digest == mark.digest else None


# In the recycle bin


def kept(tag: TagRecord) -> dict[str, str | int]:
    """What an entry keeps of a tag: also which companion was its."""
    told: dict[str, str | int] = {"name": tag.name, "pushed_at": tag.pushed_at, "pushed_by": tag.pushed_by}
    mark = tag.acceleration
    if mark is None or not mark.digest:
        return told
    return {**told, "accelerated": mark.digest, "accelerated_size": mark.size}


def mark_of(tag: Mapping[str, str | int]) -> Acceleration | None:
    """Of a tag as an entry kept it."""
    digest = tag.get("accelerated")
    if not digest:
        return None
    return Acceleration(state="succeeded", digest=str(digest), size=int(tag.get("accelerated_size", 0)))


def kept_companion(tag: Mapping[str, str | int]) -> bool:
    """Whether a tag that an entry kept was a companion."""
    name = TagName(str(tag["name"]))
    return tag["pushed_by"] == BY and name.original != name


def entries_of_companions(
    table: Table, instance_id: str, repository_id: str, tags: Sequence[Mapping[str, str | int]]
) -> list[BinEntry]:
    """The entries of the companions that tags had when they were deleted, the newest of each."""
    wanted = {TagName(str(tag["name"])).accelerated: str(tag["accelerated"]) for tag in tags if mark_of(tag)}
    partition = keys.repository_partition(repository_id)
    owners: list[str] = []
    for digest in dict.fromkeys(wanted.values()):
        prefix = keys.hold_prefix(digest, "BIN")
        page = table.query(partition, prefix=prefix, limit=_MOST_ENTRIES, descending=True)
        owners += [hold["owner"] for hold in page.items]
    rows = table.get_many([keys.bin_entry(instance_id, owner) for owner in owners]).values() if owners else ()
    newest: dict[str, BinEntry] = {}
    for entry in sorted((BinEntry.model_validate(row) for row in rows), key=lambda one: one.id):
        was_companion = entry.kind == "tag" and any(kept_companion(tag) for tag in entry.tags)
        if was_companion and wanted.get(TagName(entry.name)) == entry.digest:
            newest[entry.name] = entry
    return list(newest.values())


# Their names


class CompanionNames:
    """Who may push a tag whose name a companion has, or may have. Other names cost nothing."""

    def __init__(self, stack: Stack) -> None:
        self._namespaces = Namespaces(stack)

    def require_pushable(
        self, repository: Repository, names: Iterable[TagName], standing: Mapping[str, TagRecord], by: str
    ) -> None:
        """standing: what the transaction that pushes meets there, or fails.

        Raises TagReserved, CompanionNameTaken for the conversion itself.
        """
        for name in self.reserved(repository, names, standing, by):
            if by == BY:
                raise CompanionNameTaken(repository.name, name)
            raise TagReserved(repository.name, name, name.original)

    def reserved(
        self, repository: Repository, names: Iterable[TagName], standing: Mapping[str, TagRecord], by: str
    ) -> list[TagName]:
        """Those that may not be pushed by this one."""
        like_companions = [name for name in names if name.original != name]
        if not like_companions:
            return []
        companions = {name for name in like_companions if name in standing and is_companion(standing[name])}
        if by == BY:
            return [name for name in like_companions if name in standing and name not in companions]
        switched_on = self._switched_on(repository)
        return [name for name in like_companions if switched_on or name in companions]

    def _switched_on(self, repository: Repository) -> bool:
        """For the repository, which was read for this push, or for its whole namespace."""
        if repository.acceleration:
            return True
        return self._namespaces.get(repository.instance_id, repository.name.namespace, fresh=True).acceleration
