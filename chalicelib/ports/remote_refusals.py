"""What a foreign registry refuses, as our own tree has it (`kernel/errors.py`), with the words that it gave.

status                   ─► the class
`errors[0]` of the body  ─► the message, and for a registry like this one the finer class: `detail.reason`

What it says is a stranger's: bounded, printable, and never more than a sentence.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import (
    Conflict,
    Denied,
    DigestInvalid,
    Invalid,
    ManifestInvalid,
    NameInvalid,
    NotFound,
    PullBlocked,
    QuotaExceeded,
    RangeInvalid,
    Refused,
    SizeInvalid,
    TagImmutable,
    TagReserved,
    TooLarge,
    Unavailable,
    UploadUnknown,
)

# Of a body that says why: read, and shown.
REASON_BYTES: Final = 16 * 1024
_SHOWN: Final = 300
# A registry that asks to be left alone for longer is asked again after that.
_LONGEST_RETRY_S: Final = 24 * 3600


class TooManyThere(TooLarge):
    """A list without end."""

    def __init__(self, field: str, message: str) -> None:
        Invalid.__init__(self, field, message)


class TooLargeThere(TooLarge):
    def __init__(self, message: str, host: str) -> None:
        Invalid.__init__(self, "size", message, host=host)


class QuotaExceededThere(QuotaExceeded):
    def __init__(self, message: str, host: str) -> None:
        Denied.__init__(self, message, host=host)


class PullBlockedThere(PullBlocked):
    def __init__(self, message: str, host: str) -> None:
        Denied.__init__(self, message, host=host)


class TagImmutableThere(TagImmutable):
    def __init__(self, message: str, host: str) -> None:
        Conflict.__init__(self, message, host=host)


class TagReservedThere(TagReserved):
    def __init__(self, message: str, host: str) -> None:
        Conflict.__init__(self, message, host=host)


class UploadUnknownThere(UploadUnknown):
    def __init__(self, message: str, host: str) -> None:
        NotFound.__init__(self, message, host=host)


def refusal(host: str, what: str, status: int, headers: Mapping[str, str], body: bytes) -> Refused:
    """what: was asked for, like `the tags of a/b`; it stands in the message. body: its beginning."""
    code, reason, said = _told(body)
    if status == 404:
        message = f"{host} does not know {what}" + (f": {said}" if said else "")
    else:
        message = f"{host} refuses {what}: {said or f'status {status}'}"
    if status == 429 or status >= 500:
        busy = f"{host} is asked too often" if status == 429 else f"{host} answers with status {status}"
        return Unavailable(busy + (f": {said}" if said else ""), retry_after_s=asked_pause_s(headers) or 60)
    if reason == "SCAN_POLICY":
        return PullBlockedThere(message, host)
    if "QUOTA" in reason or "QUOTA" in code:
        return QuotaExceededThere(message, host)
    if reason == "TAG_IMMUTABLE":
        return TagImmutableThere(message, host)
    if reason == "TAG_RESERVED":
        return TagReservedThere(message, host)
    if status in (401, 403):
        return Denied(message, host=host)
    if status == 404:
        if code == "BLOB_UPLOAD_UNKNOWN":
            return UploadUnknownThere(message, host)
        return NotFound(message, host=host)
    if status == 409:
        return Conflict(message, host=host)
    return _malformed(host, message, status, code, headers)


def _malformed(host: str, message: str, status: int, code: str, headers: Mapping[str, str]) -> Refused:
    if status == 416:
        return RangeInvalid(message, held_bytes(headers))
    if status == 413:
        return TooLargeThere(message, host)
    if code == "DIGEST_INVALID":
        return DigestInvalid(message, host=host)
    if code == "SIZE_INVALID":
        return SizeInvalid(message, host=host)
    if code == "NAME_INVALID":
        return NameInvalid("name", message, host=host)
    if code.startswith("MANIFEST"):
        return ManifestInvalid(message, host=host)
    return Invalid("registry", message, host=host)


def held_bytes(headers: Mapping[str, str]) -> int:
    """How much of an upload its registry holds, by the `Range` of an answer; 0 where it does not say.

    `0-0` is nothing: registries say it of one byte too, and that one may be sent again.
    """
    _, _, last = headers.get("range", "").removeprefix("bytes=").partition("-")
    if not (last.isascii() and last.isdigit() and len(last) < 19):
        return 0
    return int(last) + 1 if int(last) else 0


def asked_pause_s(headers: Mapping[str, str]) -> int:
    """What `Retry-After` asks for, in whole seconds; 0 where it asks for nothing."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), _LONGEST_RETRY_S)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0
    return max(0, min(int(moment - time.time()), _LONGEST_RETRY_S))


def _told(body: bytes) -> tuple[str, str, str]:
    """Code, finer reason and message of the first error; "" for what is not told."""
    try:
        document: Any = strict_json.parse(body, "errors")
    except Invalid:
        return "", "", ""
    errors = document.get("errors") if isinstance(document, dict) else None
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    detail = first.get("detail")
    reason = detail.get("reason") if isinstance(detail, dict) else ""
    return _word(first.get("code")), _word(reason), printable(first.get("message"))


def _word(value: object) -> str:
    return value[:64].upper() if isinstance(value, str) else ""


def printable(value: object) -> str:
    """A stranger's text on one line."""
    text = value[: 4 * _SHOWN] if isinstance(value, str) else ""
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
