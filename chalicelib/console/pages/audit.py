"""Who did what (G1): in an instance, and in the account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.responses import Response, StreamingResponse

from chalicelib.audit.api import (
    export_account_audit_events,
    export_audit_events,
    list_account_audit_events,
    list_audit_events,
)
from chalicelib.edge.answers import Text
from chalicelib.kernel.moment import to_text

from ..forms import Form
from ..visit import Visit
from . import Pages

pages = Pages()

_OF_INSTANCE: Final = "/instances/{instance}/audit"
_OF_ACCOUNT: Final = "/account-audit"
_SPANS: Final = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}


@pages.get(_OF_INSTANCE)
def of_instance(visit: Visit) -> Response:
    return _list(visit, "audit/instance.html", list_audit_events)


@pages.get(_OF_INSTANCE + "/export")
def export_instance(visit: Visit) -> Response:
    return _export(visit, export_audit_events, visit.instance.name)


@pages.get(_OF_ACCOUNT)
def of_account(visit: Visit) -> Response:
    return _list(visit, "audit/account.html", list_account_audit_events)


@pages.get(_OF_ACCOUNT + "/export")
def export_account(visit: Visit) -> Response:
    return _export(visit, export_account_audit_events, visit.me.account)


def _list(visit: Visit, template: str, endpoint: Callable[..., Any]) -> Response:
    page = visit.ask(endpoint, query={**_filter(visit), **visit.asked("cursor")})
    asked = {name: visit.query.get(name, "") for name in ("keyword", "object_type", "last", "from", "to")}
    return visit.show(template, page=page, asked=asked)


def _filter(visit: Visit) -> dict[str, object]:
    """As the API takes it. Times that were typed go before a span; a beginning after the end is taken for the end."""
    times = Form({name: [visit.query.get(name, "")] for name in ("from", "to")})
    since, until = times.moment("from"), times.moment("to")
    span = _SPANS.get(visit.query.get("last", ""))
    if since is None and until is None and span is not None:
        since = to_text(visit.stack.clock.now() - span)
    if since is not None and until is not None and since > until:
        since, until = until, since
    return {**visit.asked("keyword", "object_type"), "from": since, "to": until}


def _export(visit: Visit, endpoint: Callable[..., Text], name: str) -> Response:
    """All that the filter lets through in one file; each piece is asked for when the one before has left."""
    format_ = "csv" if visit.query.get("format") == "csv" else "jsonl"
    asked = {**_filter(visit), "format": format_}
    first = visit.ask(endpoint, query=asked)

    def pieces() -> Iterator[str]:
        piece = first
        while True:
            yield piece.body
            following = piece.headers.get("Next-Cursor")
            if following is None:
                return
            piece = visit.ask(endpoint, query={**asked, "cursor": following})

    file = f"audit-{name}-{_day(visit.stack.clock.now())}.{format_}"
    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    return StreamingResponse(pieces(), headers=headers, media_type=first.media_type)


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
