"""The door of the room: lists of charts, one chart with its versions, one version with what it holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import ManifestUnknown, NotFound
from chalicelib.kernel.moment import from_text
from chalicelib.kernel.names import Digest, TagName
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item
from chalicelib.registry.annotation import Annotations, kind_of
from chalicelib.registry.bodies import Bodies
from chalicelib.registry.chart_facts import chart_facts
from chalicelib.registry.description import document
from chalicelib.registry.models import ManifestRecord
from chalicelib.repositories.models import Repository, RepositoryQuery
from chalicelib.repositories.service import Repositories

from .archive import MOST_ARCHIVE_BYTES, Contents, read_archive
from .commands import commands
from .models import ChartContent, ChartDetail, ChartQuery, ChartSummary, Dependency, Maintainer, VersionRow
from .parts import Part, archive_in, provenance_in
from .shelf import Shelf, Shelved
from .versions import is_early, newest_first, tag_of, version_of

# Of the tags pushed last so many are looked at to find a chart's newest version.
MOST_SUMMED: Final = 100
# Tags may be named like versions and be none: of the highest so many are tried.
_TRIED: Final = 3
MOST_VERSIONS: Final = 200
# Of Chart.yaml in detail; on rows it is shorter.
_FACTS_BYTES: Final = 128 * 1024


class Charts:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)
        self._repositories = Repositories(stack)
        self._annotations = Annotations(stack)
        self._bodies = Bodies(stack)
        self._shelf = Shelf(stack)

    def page(self, instance: Instance, query: ChartQuery) -> Page[ChartSummary]:
        """In name order. One query for the page, one more for each chart on it, and a batch read for all of them."""
        asked = RepositoryQuery(
            kind="chart", search=query.search, sort=query.sort, limit=query.limit, cursor=query.cursor
        )
        page = self._repositories.search(instance.id, query.namespace or "", asked)
        tags = list(self._shelf.of_each(lambda one: self._shelf.tags(one, MOST_SUMMED), page.items))
        tried = [tag for some in tags for tag in _highest(some.items)]
        newest: dict[str, Shelved] = {}
        for version in self._shelf.versions(instance.id, tried):
            newest.setdefault(version.tag["repository_id"], version)
        address = self._instances.public_address(instance)
        shown = [
            _summary(repository, f"{address}/{repository.name}", some, newest.get(repository.id))
            for repository, some in zip(page.items, tags, strict=True)
        ]
        return Page(tuple(shown), page.next)

    def detail(self, instance: Instance, repository: Repository, version: str) -> ChartDetail:
        """version: "" for the newest. Raises NotFound, also where the repository holds no chart."""
        page = self._shelf.tags(repository, MOST_VERSIONS)
        found = self._shelf.versions(instance.id, page.items)
        versions = sorted(found, key=lambda one: newest_first(one.version), reverse=True)
        chosen = _chosen(versions, version) or self._named(instance, repository, version)
        row = ManifestRecord.model_validate(chosen.row)
        content = self._content(instance, row)
        address = self._instances.public_address(instance)
        plain_http, signed = self._stack.settings.plain_http, bool(content.provenance)
        return ChartDetail(
            **content.model_dump(),
            repository=repository.id,
            namespace=repository.name.namespace,
            full_name=repository.name,
            address=f"{address}/{repository.name}",
            tag=chosen.tag["name"],
            pushed_at=from_text(chosen.tag["pushed_at"]),
            versions=tuple(self._row(instance, one) for one in versions),
            more_versions=page.next is not None,
            commands=commands(instance, address, repository.name, chosen.version, plain_http=plain_http, signed=signed),
        )

    def version(self, instance: Instance, repository: Repository, digest: Digest) -> ChartContent:
        """Raises NotFound for what is not there, or no chart."""
        item = self._stack.table.get(keys.manifest(repository.id, digest))
        record = ManifestRecord.model_validate(item) if item is not None else None
        if record is None or record.state != "live" or kind_of(record) != "chart":
            raise NotFound("there is no such chart")
        return self._content(instance, record)

    def _named(self, instance: Instance, repository: Repository, version: str) -> Shelved:
        """One that was pushed long ago. Raises NotFound."""
        tag = tag_of(version)
        item = self._stack.table.get(keys.tag(repository.id, tag)) if TagName.fits(tag) else None
        found = self._shelf.versions(instance.id, [item] if item is not None else [])
        if not found:
            raise NotFound("there is no such chart, or no such version of it")
        return found[0]

    def _row(self, instance: Instance, one: Shelved) -> VersionRow:
        manifest = self._manifest(instance, ManifestRecord.model_validate(one.row))
        return VersionRow(
            version=one.version,
            tag=one.tag["name"],
            app_version=one.facts.get("appVersion", ""),
            description=one.facts.get("description", ""),
            digest=one.tag["digest"],
            size=one.tag["size"],
            pushed_at=from_text(one.tag["pushed_at"]),
            deprecated=one.facts.get("deprecated", False),
            provenance=provenance_in(manifest) is not None,
        )

    def _manifest(self, instance: Instance, record: ManifestRecord) -> dict[str, Any]:
        try:
            return document(self._bodies.of(instance.id, record))
        except ManifestUnknown:
            return {}

    def _content(self, instance: Instance, record: ManifestRecord) -> ChartContent:
        manifest = self._manifest(instance, record)
        config = self._annotations.config(instance.id, record) if manifest else None
        facts: dict[str, Any] = json.loads(chart_facts(config or b"", _FACTS_BYTES) or "{}")
        archive, provenance = archive_in(manifest), provenance_in(manifest)
        contents = self._contents(instance, archive)
        return ChartContent(
            name=facts.get("name", ""),
            version=facts.get("version", ""),
            app_version=facts.get("appVersion", ""),
            description=facts.get("description", ""),
            type=facts.get("type", "") or "application",
            deprecated=facts.get("deprecated", False),
            api_version=facts.get("apiVersion", ""),
            kube_version=facts.get("kubeVersion", ""),
            home=facts.get("home", ""),
            icon=facts.get("icon", ""),
            keywords=tuple(facts.get("keywords", ())),
            sources=tuple(facts.get("sources", ())),
            maintainers=tuple(Maintainer(**one) for one in facts.get("maintainers", ())),
            dependencies=tuple(Dependency(**one) for one in facts.get("dependencies", ())),
            annotations=facts.get("annotations", {}),
            digest=record.digest,
            archive=archive.digest if archive else "",
            archive_size=archive.size if archive else 0,
            archive_state=contents.state,
            provenance=provenance.digest if provenance else "",
            readme=contents.readme,
            values=contents.values,
            values_schema=contents.values_schema,
            templates=tuple(contents.templates),
            more_templates=contents.more_templates,
            cut=tuple(contents.cut),
        )

    def _contents(self, instance: Instance, archive: Part | None) -> Contents:
        """Read each time that somebody looks: a chart of 100 KB takes a few milliseconds."""
        if archive is not None and archive.size > MOST_ARCHIVE_BYTES:
            return Contents("too_large")
        reading = self._bodies.reading(instance.id, archive.digest) if archive is not None else None
        if reading is None:
            return Contents("missing")
        try:
            return read_archive(reading.chunks())
        finally:
            reading.close()


def _highest(tags: Sequence[Item]) -> list[Item]:
    """Those of a repository that are tried, the likeliest newest version first."""
    wanted = sorted(tags, key=lambda tag: newest_first(version_of(tag["name"])), reverse=True)
    released = [tag for tag in wanted if not is_early(version_of(tag["name"]))]
    return (released or wanted)[:_TRIED]


def _chosen(versions: Sequence[Shelved], version: str) -> Shelved | None:
    """version: by its own words or those of its tag; "" for the newest release."""
    if version:
        wanted = [one for one in versions if version in (one.version, one.tag["name"])]
    else:
        wanted = [one for one in versions if not is_early(one.version)] or list(versions)
    return wanted[0] if wanted else None


def _summary(repository: Repository, address: str, tags: Page[Item], newest: Shelved | None) -> ChartSummary:
    facts = newest.facts if newest else {}
    return ChartSummary(
        repository=repository.id,
        name=repository.name.short,
        namespace=repository.name.namespace,
        full_name=repository.name,
        address=address,
        version=facts.get("version", ""),
        app_version=facts.get("appVersion", ""),
        description=facts.get("description", ""),
        icon=facts.get("icon", ""),
        type=facts.get("type", "") or "application",
        deprecated=facts.get("deprecated", False),
        pushed_at=from_text(newest.tag["pushed_at"]) if newest else None,
        versions=len(tags.items),
        more_versions=tags.next is not None,
    )
