"""Which images of an instance have a vulnerability, or a vulnerable package, and which tags lead to them.

One pass over the rows of findings, at most 5 000 a page; then for the page's images alone: their records and their
repositories in batches, and their tags by what holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, Field

from chalicelib.advisories.models import Severity
from chalicelib.edge.answers import SearchQuery
from chalicelib.findings.models import Found, ScanRecord
from chalicelib.findings.service import Findings
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import DigestInvalid, Invalid
from chalicelib.kernel.modelling import MADE
from chalicelib.kernel.moment import from_text
from chalicelib.kernel.names import Digest
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

MOST_FINDINGS: Final = 100
MOST_REPOSITORIES: Final = 5
MOST_TAGS: Final = 20
# Of an image, the newest indexes that list it: their tags lead to it as well.
_MOST_INDEXES: Final = 2


class VulnerableQuery(SearchQuery):
    """search: begins the vulnerability's id, one of its vendor's ids or the package's name, in any case; severity:
    only findings of this one; fixable: whether some version has it no more; silenced: whether a document silences it.
    """

    limit: Annotated[int, Field(ge=1, le=50)] = 20
    severity: Severity | None = None
    fixable: bool | None = None
    silenced: bool | None = None


class View(BaseModel):
    model_config = MADE


class FoundView(View):
    """fixed: versions that have it no more, "" for none yet; silenced_until: null where it counts or is silenced for
    ever."""

    id: str
    severity: Severity
    package: str
    type: str
    installed: str
    fixed: str
    silenced: bool
    silenced_until: str | None


class Whereabouts(View):
    """A repository that holds the image. tags: that point to it, or to an index that lists it; none where it lies there
    by its digest alone, or in the recycle bin."""

    repository_id: str
    repository: str
    tags: tuple[str, ...]
    more_tags: bool


class VulnerableImage(View):
    """
    findings      of it that were asked for, the gravest first, at most 100; count: how many those are
    repositories  at most five; more_repositories: there are others
    """

    digest: str
    system: str
    scanned_at: str
    findings: tuple[FoundView, ...]
    count: int
    repositories: tuple[Whereabouts, ...]
    more_repositories: bool


class VulnerableImages:
    def __init__(self, stack: Stack, instance: Instance) -> None:
        self._stack = stack
        self._instance = instance
        self._findings = Findings(stack)

    def page(self, query: VulnerableQuery) -> Page[VulnerableImage]:
        """In the order of digests. Raises Invalid naming `cursor`."""
        _require_digest(query.cursor)
        word, now = query.search.strip().lower(), self._stack.clock.now()
        found = self._findings.holding(self._instance.id, word, _wanted(query, word, now), query.cursor, query.limit)
        records = self._findings.several(self._instance.id, [digest for digest, _ in found.items])
        homes = self._homes(records.values())
        views = (
            self._view(records[digest], matching, homes[digest], now)
            for digest, matching in found.items
            if digest in records
        )
        # What no repository holds any more is about to go, and nobody can pull it.
        return Page(tuple(view for view in views if view.repositories), found.next)

    def _homes(self, records: Collection[ScanRecord]) -> dict[str, list[Repository]]:
        """Digest → repositories that hold the image, the last that it was scanned in first."""
        wanted = dict.fromkeys(one for record in records for one in record.repositories)
        found = Repositories(self._stack).of_ids(self._instance.id, list(wanted)) if wanted else []
        there = {repository.id: repository for repository in found}
        manifests = {
            keys.manifest(one, record.digest): (record.digest, there[one])
            for record in records
            for one in reversed(record.repositories)
            if one in there
        }
        rows = self._stack.table.get_many(list(manifests)) if manifests else {}
        homes: dict[str, list[Repository]] = {record.digest: [] for record in records}
        for key, (digest, repository) in manifests.items():
            if key in rows and rows[key]["state"] == "live":
                homes[digest].append(repository)
        return homes

    def _view(
        self, record: ScanRecord, matching: Sequence[Found], there: Sequence[Repository], now: datetime
    ) -> VulnerableImage:
        digests = (record.digest, *record.parents[-_MOST_INDEXES:])
        return VulnerableImage(
            digest=record.digest,
            system=record.system,
            scanned_at=record.scanned_at,
            findings=tuple(_shown(one, now) for one in matching[:MOST_FINDINGS]),
            count=len(matching),
            repositories=tuple(self._whereabouts(one, digests) for one in there[:MOST_REPOSITORIES]),
            more_repositories=len(there) > MOST_REPOSITORIES,
        )

    def _whereabouts(self, repository: Repository, digests: Sequence[str]) -> Whereabouts:
        tags: dict[str, None] = {}
        for digest in digests:
            prefix = keys.hold_prefix(digest, "TAG")
            page = self._stack.table.query(keys.repository_partition(repository.id), prefix=prefix, limit=MOST_TAGS + 1)
            tags.update(dict.fromkeys(str(hold["owner"]) for hold in page.items))
        return Whereabouts(
            repository_id=repository.id,
            repository=repository.name,
            tags=tuple(tags)[:MOST_TAGS],
            more_tags=len(tags) > MOST_TAGS,
        )


def _wanted(query: VulnerableQuery, word: str, now: datetime) -> Callable[[Found], bool]:
    def wanted(found: Found) -> bool:
        names = (found.id, found.package, *found.vendor_ids)
        return (
            any(name.lower().startswith(word) for name in names)
            and query.severity in (None, found.severity)
            and query.fixable in (None, bool(found.fixed))
            and query.silenced in (None, _silenced(found, now))
        )

    return wanted


def _silenced(found: Found, now: datetime) -> bool:
    until = found.silenced_until
    return until is not None and (not until or from_text(until) > now)


def _shown(found: Found, now: datetime) -> FoundView:
    silenced = _silenced(found, now)
    return FoundView(
        id=found.id,
        severity=found.severity,
        package=found.package,
        type=found.type,
        installed=found.installed,
        fixed=found.fixed,
        silenced=silenced,
        silenced_until=(found.silenced_until or None) if silenced else None,
    )


def _require_digest(cursor: str | None) -> None:
    try:
        if cursor is not None:
            Digest.parse(cursor)
    except DigestInvalid:
        raise Invalid("cursor", "is not `next` of a page of this list") from None
