"""Documents made of reports, for other programs: bills of materials, and findings as SARIF or CSV."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from chalicelib.edge.answers import Text
from chalicelib.edge.spreadsheets import csv_row
from chalicelib.findings.service import Findings
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, Invalid, NotFound
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository
from chalicelib.surveys.models import ImageRefused
from chalicelib.surveys.service import Surveys

from .bills import Bill, bill_of, moment_of
from .listing import FindingLists
from .reports import Reports
from .views import VulnerabilityQuery, VulnerabilityView

BillFormat = Literal["cyclonedx", "spdx"]
CSV: Final = "text/csv"
# An answer of Lambda has 6 MB at most, in which each quote and backslash takes two bytes.
_MOST_BYTES: Final = 5_500_000
_COLUMNS: Final = (
    "id",
    "severity",
    "score",
    "package",
    "installed",
    "fixed",
    "status",
    "type",
    "purl",
    "path",
    "layer",
    "platforms",
    "silenced",
    "title",
    "link",
)


class Documents:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._surveys = Surveys(stack)
        self._findings = Findings(stack)
        self._reports = Reports(stack)

    # Bills of materials

    def bill(self, instance: Instance, repository: Repository, digest: str, platform: str = "") -> Bill:
        """Of an image, or of the image of an index that is for this platform.

        Raises ManifestUnknown, NotFound where it was not scanned yet, Conflict where that came to nothing or an index
        has several, Invalid for the platform.
        """
        image = self._image(instance, repository, digest, platform)
        record = self._findings.of(instance.id, image)
        if record is None or (not record.report and record.state in ("none", "queued", "running")):
            under_way = record is not None and record.state in ("queued", "running")
            advice = "its scan is under way; try again when it is done" if under_way else "scan a tag of it first"
            raise NotFound(f"nobody knows yet what is in {image}: {advice}", digest=image)
        if not record.report:
            raise Conflict(f"what is in {image} could not be found out: {record.message}", reason=record.reason)
        report = self._reports.read(instance, record)
        if platform and report.platform != platform:
            raise Invalid("platform", f"the image is for {report.platform or 'no platform that it names'}")
        return bill_of(report, repository.name, self._built_at(instance, repository, image))

    def _image(self, instance: Instance, repository: Repository, digest: str, platform: str) -> str:
        try:
            images = self._surveys.images_of(instance, repository.id, digest)
        except ImageRefused as refused:
            raise Conflict(f"{digest} has no bill of materials: {refused.message}") from refused
        if images is None:
            return digest
        fitting = [one for one, known in images.items() if platform in ("", known)]
        if len(fitting) == 1:
            return fitting[0]
        told = ", ".join(dict.fromkeys(known for known in images.values() if known)) or "none that it names"
        if platform:
            raise Invalid("platform", f"the index lists images for {told}")
        raise Conflict(f"this is an index; ask for one of its platforms ({told}), or for an image by its own digest")

    def _built_at(self, instance: Instance, repository: Repository, image: str) -> datetime | None:
        try:
            return moment_of(self._surveys.layers_of(instance, repository.id, image).config.get("created"))
        except ImageRefused:
            return None

    # Files

    def download_bill(self, bill: Bill, form: BillFormat) -> Text:
        """Raises Conflict for one that is too large for an answer."""
        media_type, body = written(bill, form)
        return _download(
            media_type, body, file_name(bill.name, form), "pull it from the registry, where it is attached"
        )

    def download_findings(
        self, instance: Instance, repository: Repository, digest: str, query: VulnerabilityQuery
    ) -> Text:
        """Raises what `FindingLists.page` raises, Conflict for what is too large for an answer."""
        found, texts = FindingLists(self._stack).whole(instance, digest, query)
        name = f"{repository.name.short.replace('/', '-')}.{query.format}"
        media_type, body = CSV, _table(found)
        if query.format == "sarif":
            from . import sarif

            media_type, body = sarif.MEDIA_TYPE, sarif.document(repository.name, digest, found, texts)
        return _download(media_type, body, name, "ask for one severity or platform at a time")


def written(bill: Bill, form: BillFormat) -> tuple[str, str]:
    """Media type and content."""
    if form == "spdx":
        from . import spdx

        return spdx.MEDIA_TYPE, spdx.document(bill)
    from . import cyclonedx

    return cyclonedx.MEDIA_TYPE, cyclonedx.document(bill)


def file_name(repository: str, form: BillFormat) -> str:
    return f"{repository.partition('/')[2].replace('/', '-')}.{'spdx' if form == 'spdx' else 'cdx'}.json"


def _download(media_type: str, body: str, name: str, advice: str) -> Text:
    size = len(body.encode()) + body.count('"') + body.count("\\")
    if size > _MOST_BYTES:
        raise Conflict(f"the document has {size} bytes as it is sent, more than one answer carries; {advice}")
    return Text(media_type, body, {"Content-Disposition": f'attachment; filename="{name}"'})


def _table(found: tuple[VulnerabilityView, ...]) -> str:
    return csv_row(_COLUMNS) + "".join(csv_row(_cells(one)) for one in found)


def _cells(one: VulnerabilityView) -> list[str]:
    told: Mapping[str, object] = {
        **dict(one),
        "score": "" if one.score is None else one.score,
        "layer": one.layer.digest,
        "platforms": " ".join(one.platforms),
        "silenced": one.silenced.reason if one.silenced else "",
    }
    return [str(told[name]) for name in _COLUMNS]
