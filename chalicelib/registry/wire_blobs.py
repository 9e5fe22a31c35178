"""Blobs on the wire: heads, whole and ranged downloads, redirects, deletion."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from chalicelib.edge.asgi import Answer, Body, Headers, Receive, Send, Visit
from chalicelib.kernel.errors import BlobUnknown, RangeInvalid
from chalicelib.kernel.names import Digest
from chalicelib.ports.objects import ObjectMissing, Reading

from .callers import Admitted
from .models import Caller, StoredBlob
from .routes import Route
from .wire import Wire, may_push

SENDFILE: Final = "crs.sendfile"
# A link need only live until the client has followed it.
LINK_TTL_S: Final = 60
_RANGE: Final = re.compile(r"(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))", re.ASCII)
# Several ranges that lie together as close as this are answered by one around them. Who loads an image lazily asks for
# what it lacks of two megabytes, and would be sent a whole layer otherwise.
TOGETHER_BYTES: Final = 4 * 1024 * 1024
_MOST_RANGES: Final = 100


@dataclass(frozen=True, slots=True)
class BlobAnswer(Answer):
    """The head of a blob's answer, and where its bytes are."""

    blob: StoredBlob | None = None


class CutOff(Exception):
    """An answer broke off after its head was sent: no other answer can follow, and the client sees it short."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes start..end of a blob, end exclusive."""

    start: int
    end: int


def find_blob(wire: Wire, caller: Caller, route: Route, visit: Visit) -> BlobAnswer:
    """Whoever may push and asks whether a blob is here goes on to build on it, so it is kept for a while."""
    digest = Digest.parse(route.reference)
    pushes = visit.method == "HEAD" and may_push(caller, route.name)
    blob = wire.registry.blob(caller, route.name, digest, judged=not pushes)
    if pushes:
        wire.registry.renew(caller, route.name, digest)
    text = digest.encode()
    headers: Headers = (
        (b"content-type", b"application/octet-stream"),
        (b"content-length", b"%d" % blob.size),
        (b"docker-content-digest", text),
        (b"etag", b'"' + text + b'"'),
        (b"accept-ranges", b"bytes"),
    )
    return BlobAnswer(200, headers, b"", blob, fleeting=blob.judged)


async def delete_blob(wire: Wire, visit: Visit, route: Route, body: Body) -> Answer:
    def delete() -> None:
        caller = wire.callers.fresh(visit).caller
        wire.registry.delete_blob(caller, route.name, Digest.parse(route.reference))

    await wire.stack.write(delete)
    return Answer(202, ((b"content-length", b"0"),))


def span(visit: Visit, size: int, etag: bytes) -> Span | None:
    """The range that is asked for, None for the whole.

    Several ranges that lie together get one around them. Several that do not, or of which one is wrong, other units,
    and an `If-Range` about something else get the whole. Raises RangeInvalid.
    Source: RFC 9110, section 14.
    """
    text = visit.text(b"range").strip().lower()
    if not text.startswith("bytes=") or visit.headers.get(b"if-range", etag) != etag:
        return None
    asked = text.removeprefix("bytes=").replace(" ", "").split(",", _MOST_RANGES)
    if len(asked) == 1:
        return _span(asked[0], size)
    try:
        spans = [_span(one, size) for one in asked]
    except RangeInvalid:
        return None
    around = Span(min(one.start for one in spans), max(one.end for one in spans))
    return around if around.end - around.start <= TOGETHER_BYTES else None


def _span(asked: str, size: int) -> Span:
    matched = _RANGE.fullmatch(asked)
    if matched is None:
        raise RangeInvalid("the Range header is malformed", size)
    first, last, suffix = matched.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= end:
        raise RangeInvalid(f"the content has {size} bytes", size)
    return Span(start, end)


async def send_blob(
    wire: Wire, visit: Visit, admitted: Admitted, found: BlobAnswer, receive: Receive, send: Send, extra: Headers
) -> None:
    """Sends the bytes, or the link that leads to them."""
    blob = found.blob
    assert blob is not None  # noqa: S101 - BlobAnswers of `find_blob` have one
    etag = b'"' + blob.digest.encode() + b'"'
    part = span(visit, blob.size, etag)
    wanted = part or Span(0, blob.size)

    def open_blob() -> Reading | str:
        if wire.callers.may_redirect(admitted):
            ttl_s = min(wire.stack.settings.redirect_ttl_s or LINK_TTL_S, LINK_TTL_S)
            link = wire.registry.presign_blob(blob, ttl_s)
            if link is not None:
                return link
        try:
            return wire.registry.read_blob(blob, wanted.start, wanted.end)
        except ObjectMissing as gone:
            raise BlobUnknown(blob.digest) from gone

    opened = await wire.stack.read(open_blob)
    if isinstance(opened, str):
        await _send_link(send, opened, found, extra)
        return
    try:
        await send(_start(found, part, blob.size, extra))
        extensions = visit.scope.get("extensions") or {}
        if SENDFILE in extensions and opened.descriptor is not None:
            count = wanted.end - wanted.start
            await send({"type": SENDFILE, "descriptor": opened.descriptor, "offset": wanted.start, "count": count})
        else:
            await _send_chunks(wire, opened, receive, send)
    except Exception as error:
        raise CutOff from error
    finally:
        opened.close()


def _start(found: Answer, part: Span | None, size: int, extra: Headers) -> dict[str, object]:
    if part is None:
        return {"type": "http.response.start", "status": 200, "headers": (*found.headers, *extra)}
    headers = (
        *((name, value) for name, value in found.headers if name != b"content-length"),
        (b"content-length", b"%d" % (part.end - part.start)),
        (b"content-range", b"bytes %d-%d/%d" % (part.start, part.end - 1, size)),
        *extra,
    )
    return {"type": "http.response.start", "status": 206, "headers": headers}


async def _send_chunks(wire: Wire, reading: Reading, receive: Receive, send: Send) -> None:
    """One chunk at a time, read in a thread; stops when the client is gone."""
    chunks = reading.chunks()
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        while (chunk := await wire.stack.write(next, chunks, b"")) and not gone.done():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if not gone.done():
            await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_link(send: Send, link: str, found: Answer, extra: Headers) -> None:
    digest = next(header for header in found.headers if header[0] == b"docker-content-digest")
    headers: Headers = (
        (b"location", link.encode()),
        digest,
        (b"cache-control", b"no-store"),
        (b"content-length", b"0"),
        *extra,
    )
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
