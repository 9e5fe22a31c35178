"""What rooms refuse, in the words of the distribution specification: status, code and JSON body.

The specification has 14 codes; `detail.reason` carries our own, finer one, so that people and programs learn which of
several causes it was.
"""

from __future__ import annotations

import json
from typing import Final

from chalicelib.kernel import errors

from .asgi import Answer, Headers
from .metrics import count

# The first class that matches wins: narrow ones stand before wide ones.
_CODES: Final[tuple[tuple[type[errors.Refused], str], ...]] = (
    (errors.NameInvalid, "NAME_INVALID"),
    (errors.DigestInvalid, "DIGEST_INVALID"),
    (errors.SizeInvalid, "SIZE_INVALID"),
    (errors.TooLarge, "SIZE_INVALID"),
    (errors.RangeInvalid, "BLOB_UPLOAD_INVALID"),
    (errors.ManifestInvalid, "MANIFEST_INVALID"),
    (errors.Invalid, "UNSUPPORTED"),
    (errors.Unauthenticated, "UNAUTHORIZED"),
    (errors.Denied, "DENIED"),
    (errors.ManifestUnknown, "MANIFEST_UNKNOWN"),
    (errors.ManifestBlobUnknown, "MANIFEST_BLOB_UNKNOWN"),
    (errors.BlobUnknown, "BLOB_UNKNOWN"),
    (errors.UploadUnknown, "BLOB_UPLOAD_UNKNOWN"),
    (errors.NotFound, "NAME_UNKNOWN"),
    (errors.Conflict, "DENIED"),
    (errors.Throttled, "TOOMANYREQUESTS"),
)
_JSON: Final = (b"content-type", b"application/json")


def refusal(refused: errors.Refused, *, status: int | None = None, code: str | None = None) -> Answer:
    """The answer to a request that is not carried out."""
    count("refusals", reason=refused.code)
    if code is None:
        code = next((code for kind, code in _CODES if isinstance(refused, kind)), "UNSUPPORTED")
        if refused.status >= 500:
            code = "UNAVAILABLE"
    detail = {"reason": refused.code, **refused.detail}
    if refused.fields:
        detail["fields"] = [{"field": field, "message": message} for field, message in refused.fields]
    extra: Headers = ()
    if isinstance(refused, errors.Throttled | errors.Unavailable):
        extra = ((b"retry-after", b"%d" % max(1, refused.retry_after_s)),)
    return error(status or refused.status, code, refused.message, detail, extra)


def error(status: int, code: str, message: str, detail: object = None, extra: Headers = ()) -> Answer:
    entry: dict[str, object] = {"code": code, "message": message}
    if detail is not None:
        entry["detail"] = detail
    body = json.dumps({"errors": [entry]}, separators=(",", ":"), default=str).encode()
    return Answer(status, (_JSON, (b"content-length", b"%d" % len(body)), *extra), body)
