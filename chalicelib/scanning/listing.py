"""Findings of an image or an index, a page at a time, joined with what the database tells people of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.advisories.models import SEVERITIES, Description
from chalicelib.edge.answers import Listing
from chalicelib.findings.models import ScanRecord
from chalicelib.findings.service import Findings
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, Invalid, NotFound
from chalicelib.ports.stack import Stack

from . import rules
from .models import ReportedFinding
from .reports import Reports
from .views import FindingLayer, SilencedView, VulnerabilityQuery, VulnerabilityView

_MOST_DIGITS: Final = 9


@dataclass(frozen=True)
class Listed:
    """A finding with the platforms that have it, and the command of its layer."""

    finding: ReportedFinding
    platforms: tuple[str, ...]
    command: str


class FindingLists:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._findings = Findings(stack)
        self._reports = Reports(stack)

    def page(self, instance: Instance, digest: str, query: VulnerabilityQuery) -> Listing[VulnerabilityView]:
        """Raises NotFound where nobody scanned it, Conflict where nothing could be examined, Invalid for the cursor."""
        start = _start(query.cursor)
        found = self._chosen(instance, digest, query)
        items = found[start : start + query.limit]
        following = str(start + query.limit) if start + query.limit < len(found) else None
        return Listing(items=self._views(items)[0], next=following, total=len(found))

    def whole(
        self, instance: Instance, digest: str, query: VulnerabilityQuery
    ) -> tuple[tuple[VulnerabilityView, ...], Mapping[str, Description]]:
        """Every finding that the filters let through, with what is known of each, by id. Raises as `page`."""
        return self._views(self._chosen(instance, digest, query))

    def _chosen(self, instance: Instance, digest: str, query: VulnerabilityQuery) -> list[Listed]:
        found = [one for one in self.all(instance, digest) if self._wanted(one, query)]
        found.sort(key=_ORDERS[query.sort.removeprefix("-")], reverse=query.sort.startswith("-"))
        return found

    def _views(self, items: list[Listed]) -> tuple[tuple[VulnerabilityView, ...], Mapping[str, Description]]:
        texts = self._texts({one.finding.id for one in items})
        return tuple(self._view(one, texts.get(one.finding.id)) for one in items), texts

    def all(self, instance: Instance, digest: str) -> list[Listed]:
        """Every finding, also those that are silenced; of an index each once, with its platforms. Raises as `page`."""
        record = self._findings.of(instance.id, digest)
        if record is None or record.state in ("none", "queued", "running"):
            raise NotFound(f"{digest} was not scanned yet", digest=digest)
        if not record.examined:
            raise Conflict(f"nothing is known of its vulnerabilities: {record.message}", reason=record.reason)
        if not record.children:
            return self._of_image(instance, record)
        children = self._findings.several(instance.id, record.children)
        examined = [children[child] for child in record.children if child in children and children[child].examined]
        return _union(one for child in examined for one in self._of_image(instance, child))

    def _of_image(self, instance: Instance, record: ScanRecord) -> list[Listed]:
        report = self._reports.read(instance, record)
        commands = {layer.ref.digest: layer.command for layer in report.layers}
        platforms = (report.platform,) if report.platform else ()
        return [Listed(one, platforms, commands.get(one.layer.digest, "")) for one in report.findings]

    def _wanted(self, one: Listed, query: VulnerabilityQuery) -> bool:
        finding = one.finding
        silenced = not finding.counts(self._stack.clock.now())
        return (
            query.search.lower() in f"{finding.id}\n{finding.package}".lower()
            and query.severity in (None, finding.severity)
            and query.fixable in (None, bool(finding.fixed))
            and query.silenced in (None, silenced)
            and (not query.platform or query.platform in one.platforms)
        )

    def _texts(self, ids: Iterable[str]) -> Mapping[str, Description]:
        from . import databases  # Only for whoever shows findings.

        return databases.texts(self._stack).describe(ids)

    def _view(self, one: Listed, text: Description | None) -> VulnerabilityView:
        finding, silenced = one.finding, None
        if finding.silenced is not None and not finding.counts(self._stack.clock.now()):
            told = finding.silenced
            silenced = SilencedView(reason=told.reason, expires_at=told.expires_at or None, document=told.document)
        layer = FindingLayer(digest=finding.layer.digest, diff_id=finding.layer.diff_id, command=one.command)
        told_as: dict[str, Any] = {**dict(finding), "silenced": silenced, "layer": layer, "platforms": one.platforms}
        described: dict[str, Any] = {"title": "", "link": "", "score": None}
        if text is not None:
            described = {"title": text.title, "link": text.url, "score": text.score}
        return VulnerabilityView(**told_as, **described)


def _union(found: Iterable[Listed]) -> list[Listed]:
    union: dict[tuple[str, ...], Listed] = {}
    for one in found:
        seen = union.setdefault(rules.identity(one.finding), one)
        if seen is not one:
            platforms = tuple(dict.fromkeys((*seen.platforms, *one.platforms)))
            # One that counts on any of them counts.
            finding = seen.finding if seen.finding.silenced is None else one.finding
            union[rules.identity(one.finding)] = Listed(finding, platforms, seen.command)
    return list(union.values())


def _by_id(one: Listed) -> tuple[Any, ...]:
    return (*rules.identity(one.finding),)


def _by_severity(one: Listed) -> tuple[Any, ...]:
    return -SEVERITIES.index(one.finding.severity), *_by_id(one)


def _by_package(one: Listed) -> tuple[Any, ...]:
    return one.finding.package, *_by_id(one)


_ORDERS: Final[Mapping[str, Callable[[Listed], tuple[Any, ...]]]] = {
    "id": _by_id,
    "severity": _by_severity,
    "package": _by_package,
}


def _start(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MOST_DIGITS):
        raise Invalid("cursor", "is not one of this list's")
    return int(cursor)
