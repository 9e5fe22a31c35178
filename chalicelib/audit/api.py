"""Who did what, through the management API (G1). There is no way to change or delete an entry."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from chalicelib.edge.answers import Listing, ListQuery, Text
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.modelling import GIVEN
from chalicelib.kernel.roles import Right

from .export import csv_head, csv_line, json_line
from .models import EventView, Filter
from .service import Audit

routes = Routes("audit")

_OF_INSTANCE: Final = "/instances/{instance}/audit-events"
# An answer of Lambda has 6 MB at most, in which each quote takes two bytes.
_EXPORT_LIMIT_BYTES: Final = 4 * 1024 * 1024
_YEARS: Final = range(1971, 9000)
JSON_LINES: Final = "application/jsonl"
CSV: Final = "text/csv"


def _in_reach(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        raise ValueError(f"the year is from {_YEARS.start} to {_YEARS.stop - 1}")
    return moment


Time = Annotated[AwareDatetime, AfterValidator(_in_reach)]
Text255 = Annotated[str, Field(max_length=255)]


class Filtering(BaseModel):
    """
    object_type   only entries about this type of object: namespace, repository, tag, allowlist …
    from, to      only deeds of this time, RFC 3339, both inclusive
    keyword       only entries whose user, namespace, repository, action or source IP holds this text, in any case
    """

    model_config = GIVEN

    object_type: Text255 = ""
    since: Annotated[Time | None, Field(alias="from")] = None
    to: Time | None = None
    keyword: Text255 = ""

    def filter(self) -> Filter:
        """Raises Invalid."""
        if self.since is not None and self.to is not None and self.since > self.to:
            raise Invalid("from", "is after `to`")
        return Filter(self.object_type, self.since, self.to, self.keyword)


class EventQuery(Filtering, ListQuery):
    pass


class ExportQuery(Filtering):
    """cursor: `Next-Cursor` of the answer before."""

    format: Literal["jsonl", "csv"] = "jsonl"
    cursor: Annotated[str, Field(max_length=4096)] | None = None


@routes.get(_OF_INSTANCE, needs=Right.READ_AUDIT, feature="audit", frozen_too=True)
def list_audit_events(call: Call, query: EventQuery) -> Listing[EventView]:
    """List what was done in an instance.

    Newest first: every change made through console, API or registry client, and every refusal of somebody known;
    refusals of strangers, throttled ones and those of addresses as counts per address and minute. By time and by type
    a page is one pass over the index; a keyword looks at 5 000 entries at most and then answers a cursor, also where
    it found none yet. What came late is listed where it was filed, with the time it was done.
    """
    return _listing(call, call.instance.id, query)


@routes.get("/audit-events", needs=Right.READ_AUDIT)
def list_account_audit_events(call: Call, query: EventQuery) -> Listing[EventView]:
    """List what was done in the account, outside its instances' content.

    Users, sessions, access keys, orders, and the opening, renewing and deleting of instances; in the same form as an
    instance's.
    """
    return _listing(call, call.principal.account_id, query)


@routes.get(f"{_OF_INSTANCE}/export", needs=Right.READ_AUDIT, feature="audit", frozen_too=True, media=(JSON_LINES, CSV))
def export_audit_events(call: Call, query: ExportQuery) -> Text:
    """Export what was done in an instance, as JSON Lines or CSV.

    The list's entries in the list's order, up to 4 MB or 50 000 entries looked at a call. Where there are more, the
    header `Next-Cursor` has the `cursor` of the call that goes on. CSV begins with the columns' names where no cursor
    is sent; cells that a spreadsheet would take for a formula begin with an apostrophe.
    """
    return _export(call, call.instance.id, query)


@routes.get("/audit-events/export", needs=Right.READ_AUDIT, media=(JSON_LINES, CSV))
def export_account_audit_events(call: Call, query: ExportQuery) -> Text:
    """Export what was done in the account, as JSON Lines or CSV, like an instance's."""
    return _export(call, call.principal.account_id, query)


def _export(call: Call, scope: str, query: ExportQuery) -> Text:
    line = csv_line if query.format == "csv" else json_line
    page = Audit(call.stack).export(scope, query.filter(), query.cursor, _EXPORT_LIMIT_BYTES, line)
    head = csv_head() if query.format == "csv" and query.cursor is None else ""
    headers = {"Content-Disposition": f'attachment; filename="audit-events.{query.format}"'}
    if page.next is not None:
        headers["Next-Cursor"] = page.next
    return Text(CSV if query.format == "csv" else JSON_LINES, head + "".join(page.items), headers)


def _listing(call: Call, scope: str, query: EventQuery) -> Listing[EventView]:
    page = Audit(call.stack).search(scope, query.filter(), query.cursor, query.limit)
    return Listing.of(page.map(EventView.of))
