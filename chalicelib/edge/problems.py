"""What rooms refuse, as `application/problem+json` of the management API. Source: RFC 9457, and docs/api.md."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import ValidationError

from chalicelib.kernel import errors

from .metrics import count

MEDIA_TYPE: Final = "application/problem+json"
# As many as one request may name tags. A body of 1 MiB has room for a million; its answer would be 65 times as long.
_MOST_FINDINGS: Final = 1000
# So many of them stand in the one sentence that people see first; `errors` has all.
_MOST_NAMED: Final = 5
# One title a status: the code says which of its causes it is.
_TITLES: Final = {
    400: "The request is not valid",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "This path does not know the method",
    409: "In conflict with what stands",
    413: "Too large",
    415: "Unsupported media type",
    416: "Out of range",
    428: "Confirmation required",
    429: "Too many requests",
    500: "Something went wrong here",
    503: "Not available at the moment",
}


def problem(refused: errors.Refused, request_id: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body."""
    count("refusals", reason=refused.code)
    document: dict[str, Any] = {
        "code": refused.code,
        "title": _TITLES.get(refused.status, "Refused"),
        "detail": _detail(refused),
        "status": refused.status,
        "errors": [{"field": field, "message": message} for field, message in refused.fields],
        "request_id": request_id,
    }
    if refused.detail:
        document["context"] = refused.detail
    headers = {"Content-Type": MEDIA_TYPE, "X-Request-Id": request_id, "Cache-Control": "no-store"}
    if isinstance(refused, errors.Throttled | errors.Unavailable):
        headers["Retry-After"] = str(max(1, refused.retry_after_s))
    if isinstance(refused, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="crs"'
    return refused.status, headers, json.dumps(document, ensure_ascii=False, default=str)


def _detail(refused: errors.Refused) -> str:
    """For who reads nothing else: a finding about a field says which."""
    if not isinstance(refused, errors.Invalid) or not refused.fields:
        return refused.message
    named = "; ".join(f"{field}: {message}" for field, message in refused.fields[:_MOST_NAMED])
    further = len(refused.fields) - _MOST_NAMED
    return f"{named}; and {further} more" if further > 0 else named


def invalid(error: ValidationError, where: str = "") -> errors.Invalid:
    """pydantic's findings, each under its field's own name; `where` for what has none, and for more than are named."""
    if error.error_count() > _MOST_FINDINGS:
        return errors.Invalid(where, f"has more than {_MOST_FINDINGS} mistakes, too many to name")
    findings = error.errors(include_url=False, include_context=False, include_input=False)
    return errors.Invalid.many([(".".join(str(part) for part in one["loc"]) or where, _words(one)) for one in findings])


def _words(finding: Any) -> str:
    if finding["type"] == "extra_forbidden":
        return "there is no such field"
    return str(finding["msg"]).removeprefix("Value error, ")
