"""Blobs that are not here: passed through from the upstream to whoever may pull them, and kept as they pass.

    no lease ─► 404: no manifest that was served names it
    whole    ─► the first who asks brings it; others wait a while for it to be here, then pull it through themselves
    a range  ─► passed through, and not kept
    HEAD     ─► asked there

Who brings a blob goes on when its client goes away: others may wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final

from chalicelib.edge.asgi import Answer, Headers, Receive, Send, Visit
from chalicelib.edge.log import logger
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import BlobUnknown, Invalid, NotFound, PullBlocked, QuotaExceeded
from chalicelib.kernel.names import Digest
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.stack import Stack
from chalicelib.registry.beyond import Flowing
from chalicelib.registry.callers import Admitted
from chalicelib.registry.pull_gate import PullGate
from chalicelib.registry.routes import Route
from chalicelib.registry.wire import Wire
from chalicelib.registry.wire_blobs import BlobAnswer, CutOff, Span, find_blob, send_blob, span

from .flights import WAIT_S, Flights
from .inflow import Inflow
from .leases import Leases
from .models import Lease
from .places import Place
from .upstreams import Upstreams, UpstreamUnusable


@dataclass(frozen=True, slots=True)
class _Asked:
    """One pull of one blob."""

    visit: Visit
    admitted: Admitted
    place: Place
    digest: Digest
    lease: Lease
    head: Headers

    @property
    def key(self) -> Hashable:
        return (self.place.known, self.digest)


# How long others wait for whoever brings it.
PATIENCE_S: Final = WAIT_S - 5


class Passing:
    """Used by one event loop."""

    def __init__(self, stack: Stack, wire: Wire, flights: Flights, patience_s: float = PATIENCE_S) -> None:
        self._stack = stack
        self._wire = wire
        self._flights = flights
        self._patience_s = patience_s
        self._leases = Leases(stack)
        self._gate = PullGate(stack)
        self._instances = Instances(stack)
        self._upstreams = Upstreams.of(stack)
        self._coming: dict[Hashable, asyncio.Event] = {}

    async def answer(self, visit: Visit, admitted: Admitted, place: Place, digest: Digest) -> Answer:
        """Raises BlobUnknown, PullBlocked, and what asking the upstream raises."""
        lease = await self._stack.read(self._leased, place, digest)
        text = digest.encode()
        head: Headers = (
            (b"content-type", b"application/octet-stream"),
            (b"content-length", b"%d" % lease.size),
            (b"docker-content-digest", text),
            (b"etag", b'"' + text + b'"'),
            (b"accept-ranges", b"bytes"),
        )
        if visit.method == "HEAD":
            with self._flights.seat(place):
                if not await self._flights.run(self._is_there, place, digest):
                    raise BlobUnknown(digest)
            return Answer(200, head, fleeting=True)
        asked = _Asked(visit, admitted, place, digest, lease, head)
        return Flowing(200, head, fleeting=True, flow=partial(self._flow, asked))

    def _leased(self, place: Place, digest: Digest) -> Lease:
        lease = self._leases.find(place.repository, digest)
        if lease is None or not lease.manifest:
            raise BlobUnknown(digest)
        policy = self._gate.policy(place.repository)
        if policy is not None and lease.runs:
            self._gate.require_image(policy, place.repository, Digest(lease.manifest))
        return lease

    def _is_there(self, place: Place, digest: Digest) -> bool:
        upstream, name = self._upstreams.reach(place.cache, place.name.short)
        return upstream.ask(lambda registry: registry.has_blob(name, digest))

    async def _flow(self, asked: _Asked, receive: Receive, send: Send, extra: Headers) -> None:
        part = span(asked.visit, asked.lease.size, b'"' + asked.digest.encode() + b'"')
        if part is not None:
            return await self._pass(asked, part, send, extra)
        coming = self._coming.get(asked.key)
        if coming is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s):
                    await coming.wait()
            here = await self._found(asked)
            if here is not None:
                return await send_blob(self._wire, asked.visit, asked.admitted, here, receive, send, extra)
            return await self._bring(asked, send, extra, keeps=False)
        if asked.lease.filling_until > self._leases.now or not asked.place.repository.id:
            return await self._bring(asked, send, extra, keeps=False)
        coming = self._coming[asked.key] = asyncio.Event()
        try:
            await self._bring(asked, send, extra, keeps=True)
        finally:
            coming.set()
            del self._coming[asked.key]

    async def _found(self, asked: _Asked) -> BlobAnswer | None:
        route = Route("blob", asked.place.name, asked.digest)
        try:
            return await self._stack.read(find_blob, self._wire, asked.admitted.caller, route, asked.visit)
        except (NotFound, PullBlocked):
            return None

    def _has_room(self, asked: _Asked) -> bool:
        try:
            self._instances.require_room(asked.place.caller.instance, asked.lease.size)
        except QuotaExceeded as full:
            logger.warning(
                "failed to keep a blob that was pulled through", repository=asked.place.name, reason=full.code
            )
            return False
        return True

    async def _bring(self, asked: _Asked, send: Send, extra: Headers, *, keeps: bool) -> None:
        keeps = keeps and await self._flights.run(self._has_room, asked)
        place, filler = asked.place, asked.place.filler if keeps else None
        with self._flights.seat(place):
            if keeps:
                await self._flights.run(self._leases.begin, place.repository, asked.digest)
            inflow = Inflow(self._wire.registry, self._pieces(asked), asked.digest, place.name, filler)
            try:
                first = await self._flights.run(self._opened, asked, inflow)
                await self._pump(asked, inflow, first, send, extra)
            finally:
                await self._flights.run(inflow.close)
                if keeps:
                    await self._flights.run(self._leases.end, place.repository, asked.digest)

    def _opened(self, asked: _Asked, inflow: Inflow) -> bytes:
        """Raises BlobUnknown, UpstreamUnusable, and what asking the upstream raises."""
        try:
            return inflow.open()
        except NotFound:
            raise BlobUnknown(asked.digest) from None
        except Invalid as wrong:
            raise UpstreamUnusable(wrong.message, retry_after_s=60) from wrong

    async def _pump(self, asked: _Asked, inflow: Inflow, piece: bytes, send: Send, extra: Headers) -> None:
        """One piece is always held back, so that nobody gets the whole of what is wrong."""
        following = await self._flights.run(self._next, inflow) if piece else b""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": (*asked.head, *extra)})
            while piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece, following = following, await self._flights.run(inflow.following) if following else b""
            await send({"type": "http.response.body", "body": b""})
        except Exception as error:
            raise CutOff from error

    def _next(self, inflow: Inflow) -> bytes:
        try:
            return inflow.following()
        except Invalid as wrong:
            raise UpstreamUnusable(wrong.message, retry_after_s=60) from wrong

    async def _pass(self, asked: _Asked, part: Span, send: Send, extra: Headers) -> None:
        """A range, as the upstream sends it: who asks for parts of a blob knows how to tell whether they are right."""
        with self._flights.seat(asked.place):
            pieces = self._pieces(asked, part)
            try:
                piece = await self._flights.run(next, pieces, b"")
                headers = (
                    *((name, value) for name, value in asked.head if name != b"content-length"),
                    (b"content-length", b"%d" % (part.end - part.start)),
                    (b"content-range", b"bytes %d-%d/%d" % (part.start, part.end - 1, asked.lease.size)),
                    *extra,
                )
                try:
                    await send({"type": "http.response.start", "status": 206, "headers": headers})
                    left = part.end - part.start
                    while piece and left > 0:
                        await send({"type": "http.response.body", "body": piece[:left], "more_body": True})
                        left -= len(piece)
                        piece = await self._flights.run(next, pieces, b"") if left > 0 else b""
                    if left > 0:
                        raise UpstreamUnusable("the upstream sent less than was asked for")
                    await send({"type": "http.response.body", "body": b""})
                except Exception as error:
                    raise CutOff from error
            finally:
                await self._flights.run(pieces.close)

    def _pieces(self, asked: _Asked, part: Span | None = None) -> Generator[bytes, None, None]:
        """Of the whole, verified at its end, or of a part. The first is asked for with the first `next`."""
        upstream, name = self._upstreams.reach(asked.place.cache, asked.place.name.short)

        def begun(registry: RemoteRegistry) -> Iterator[bytes]:
            if part is None:
                pieces = registry.read_blob(name, asked.digest, asked.lease.size)
            else:
                pieces = registry.blob_pieces(name, asked.digest, part.start)
            return chain((next(pieces, b""),), pieces)

        yield from upstream.ask(begun)
