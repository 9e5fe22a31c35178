"""Uploads on the wire: POST starts one (or mounts, or brings the whole blob), PATCH adds, PUT ends it.

A body of up to 64 KiB is taken before anything else, so that the rest of the request is one call in a thread; a larger
one is poured into the upload as it arrives, after the credentials were checked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from chalicelib.edge.asgi import SMALL_BYTES, Answer, Body, Headers, Visit
from chalicelib.kernel.errors import Conflict, DigestInvalid, Invalid, NotFound, RangeInvalid, SizeInvalid, Unavailable
from chalicelib.kernel.names import Digest, RepositoryName

from .models import Caller, StoredBlob, UploadRecord
from .routes import Route
from .transfers import append_all, pour
from .wire import Wire

if TYPE_CHECKING:
    from .service import UploadWriter

T = TypeVar("T")
R = TypeVar("R")
# What ends a request: takes the last pieces, not yet appended.
Ending = Callable[["UploadWriter", list[bytes]], T]

# How often, and after how many seconds, a session that another request writes to is asked for again.
BUSY_LOOKS: Final = 20
BUSY_PAUSE_S: Final = 0.05
ALGORITHMS: Final = ("sha256", "sha512")
_CONTENT_RANGE: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)


class UploadBusy(Conflict):
    """Another request writes to the upload."""

    code = "UPLOAD_BUSY"


class UploadInvalid(Invalid):
    """A request about an upload that cannot be understood."""

    code = "UPLOAD_INVALID"


async def start_upload(wire: Wire, visit: Visit, route: Route, body: Body) -> Answer:
    query = {name: values[-1] for name, values in visit.query().items()}
    if "mount" in query:
        return await _mount(wire, visit, route, Digest.parse(query["mount"]), query.get("from", ""))
    if "digest" in query:
        return await _upload_whole(wire, visit, route, body, Digest.parse(query["digest"]))
    algorithm = query.get("digest-algorithm", "sha256")
    if algorithm not in ALGORITHMS:
        raise DigestInvalid(f"digest-algorithm must be one of {', '.join(ALGORITHMS)}")

    def start() -> tuple[UploadRecord, int]:
        caller = wire.callers.fresh(visit).caller
        return wire.registry.start_upload(caller, route.name, algorithm), _part_min_bytes(wire, caller)

    return _started(route, *await wire.stack.write(start))


async def add_chunk(wire: Wire, visit: Visit, route: Route, body: Body) -> Answer:
    def keep(writer: UploadWriter, rest: list[bytes]) -> UploadRecord:
        append_all(writer, rest)
        return writer.keep()

    record = await _with_writer(wire, visit, route, body, keep)
    return Answer(202, _session(route, record.id, record.offset))


async def finish_upload(wire: Wire, visit: Visit, route: Route, body: Body) -> Answer:
    digest = Digest.parse(visit.query().get("digest", [""])[-1])

    def finish(writer: UploadWriter, rest: list[bytes]) -> StoredBlob:
        append_all(writer, rest)
        return writer.finish(digest)

    blob = await _with_writer(wire, visit, route, body, finish)
    return _created(route, blob.digest)


def show_upload(wire: Wire, caller: Caller, route: Route, visit: Visit) -> Answer:
    record = wire.registry.upload(caller, route.name, route.reference)
    session = _session(route, record.id, record.offset)
    return Answer(204, tuple(header for header in session if header[0] != b"content-length"))


async def cancel_upload(wire: Wire, visit: Visit, route: Route, body: Body) -> Answer:
    def cancel() -> None:
        wire.registry.cancel_upload(wire.callers.fresh(visit).caller, route.name, route.reference)

    await wire.stack.write(cancel)
    return Answer(204)


def refused_range(route: Route, refused: RangeInvalid) -> Headers:
    """What a 416 says besides: where the upload stands, so that the client can go on from there."""
    session = _session(route, route.reference, refused.offset)
    return tuple(header for header in session if header[0] != b"content-length")


async def _with_writer(wire: Wire, visit: Visit, route: Route, body: Body, end: Ending[T]) -> T:
    """Opens the session for writing, takes the body into it, and ends the request with `end`."""
    offset, expected_bytes = _content_range(visit, body)

    def resume() -> UploadWriter:
        caller = wire.callers.fresh(visit).caller
        try:
            return wire.registry.resume(caller, route.name, route.reference, offset)
        except Conflict as busy:
            raise UploadBusy(busy.message) from busy

    if body.is_small:
        data = await body.read(SMALL_BYTES, "body")
        return await _when_free(lambda: wire.stack.write(_at_once, resume, [data] if data else [], end))
    writer = await _when_free(lambda: wire.stack.write(resume))
    try:
        rest = await pour(wire.stack, body, writer, expected_bytes)
        return await wire.stack.write(end, writer, rest)
    finally:
        await asyncio.shield(wire.stack.write(writer.close))


async def _when_free(call: Callable[[], Awaitable[R]]) -> R:
    """Waits a little for the request before, whose client may have gone only a moment ago to come back in this one."""
    for _ in range(BUSY_LOOKS):
        try:
            return await call()
        except UploadBusy:
            await asyncio.sleep(BUSY_PAUSE_S)
    return await call()


def _at_once(resume: Callable[[], UploadWriter], pieces: list[bytes], end: Ending[T]) -> T:
    writer = resume()
    try:
        return end(writer, pieces)
    finally:
        writer.close()


async def _upload_whole(wire: Wire, visit: Visit, route: Route, body: Body, digest: Digest) -> Answer:
    """One request brings the whole blob. The client knows of no session, so that none is left if it fails."""

    def start() -> tuple[Caller, UploadWriter]:
        caller = wire.callers.fresh(visit).caller
        record = wire.registry.start_upload(caller, route.name, digest.algorithm)
        return caller, wire.registry.resume(caller, route.name, record.id, 0)

    def finish(writer: UploadWriter, rest: list[bytes]) -> StoredBlob:
        append_all(writer, rest)
        return writer.finish(digest)

    def whole(data: bytes) -> StoredBlob:
        caller, writer = start()
        with _nothing_left(wire, caller, route, writer):
            return finish(writer, [data] if data else [])

    async def poured() -> StoredBlob:
        caller, writer = await wire.stack.write(start)
        try:
            rest = await pour(wire.stack, body, writer, None)
            return await wire.stack.write(finish, writer, rest)
        except BaseException:
            await asyncio.shield(wire.stack.write(_abandon, wire, caller, route, writer))
            raise
        finally:
            await asyncio.shield(wire.stack.write(writer.close))

    if body.is_small:
        blob = await wire.stack.write(whole, await body.read(SMALL_BYTES, "body"))
    else:
        blob = await poured()
    return _created(route, blob.digest)


@contextmanager
def _nothing_left(wire: Wire, caller: Caller, route: Route, writer: UploadWriter) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _abandon(wire, caller, route, writer)
        raise
    finally:
        writer.close()


def _abandon(wire: Wire, caller: Caller, route: Route, writer: UploadWriter) -> None:
    """Sweepers end what cannot be ended now."""
    writer.close()
    with suppress(NotFound, Unavailable):
        wire.registry.cancel_upload(caller, route.name, writer.record.id)


async def _mount(wire: Wire, visit: Visit, route: Route, digest: Digest, source: str) -> Answer:
    """A blob that cannot be mounted is uploaded instead: then the answer is a session."""
    origin = RepositoryName.parse(source) if source else None

    def mount() -> Answer:
        caller = wire.callers.fresh(visit).caller
        if wire.registry.mount(caller, route.name, digest, origin):
            return _created(route, digest)
        record = wire.registry.start_upload(caller, route.name, digest.algorithm)
        return _started(route, record, _part_min_bytes(wire, caller))

    return await wire.stack.write(mount)


def _content_range(visit: Visit, body: Body) -> tuple[int | None, int | None]:
    """Where the chunk begins and how many bytes it has, both None without the header.

    Raises Invalid, and SizeInvalid if Content-Length says something else.
    """
    text = visit.text(b"content-range")
    if not text:
        return None, None
    matched = _CONTENT_RANGE.fullmatch(text)
    if matched is None or int(matched[1]) > int(matched[2]):
        raise UploadInvalid("content-range", "Content-Range must be <first byte>-<last byte>")
    expected_bytes = int(matched[2]) - int(matched[1]) + 1
    if body.declared_bytes is not None and body.declared_bytes != expected_bytes:
        raise SizeInvalid(f"Content-Range has {expected_bytes} bytes, Content-Length says {body.declared_bytes}")
    return int(matched[1]), expected_bytes


def _part_min_bytes(wire: Wire, caller: Caller) -> int:
    return wire.stack.objects(caller.instance.bucket).part_min_bytes


def _started(route: Route, record: UploadRecord, part_min_bytes: int) -> Answer:
    """Chunks smaller than the store's parts are taken too; the header says what is cheapest."""
    extra: Headers = ((b"oci-chunk-min-length", b"%d" % part_min_bytes),) if part_min_bytes > 1 else ()
    return Answer(202, (*_session(route, record.id, record.offset), *extra))


def _created(route: Route, digest: Digest) -> Answer:
    headers: Headers = (
        (b"location", f"/v2/{route.name}/blobs/{digest}".encode()),
        (b"docker-content-digest", digest.encode()),
        (b"content-length", b"0"),
    )
    return Answer(201, headers)


def _session(route: Route, upload_id: str, offset: int) -> Headers:
    """`Range` says 0-0 for an empty upload too, as clients expect it."""
    return (
        (b"location", f"/v2/{route.name}/blobs/uploads/{upload_id}".encode()),
        (b"range", b"0-%d" % max(0, offset - 1)),
        (b"docker-upload-uuid", upload_id.encode()),
        (b"content-length", b"0"),
    )
