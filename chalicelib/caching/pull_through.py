"""Pulls that go on to an upstream: what the gateway asks for namespaces that have one (`registry.beyond`).

    by tag      asked there within `ttl_seconds`? ─► here
                HEAD there, once for all who ask ─► the same digest ─► here
                                                 ─► another, or nothing here ─► from there, and `FillCache` brings it
                                                 ─► no answer, 429, 5xx, refused ─► here, however old · else 503
                                                 ─► 404 ─► 404, unless a rule keeps the tag ─► here
                made here, as accelerated tags are ─► here
    by digest   here ─► never asked · else from there
    blob        `passing`

What is here is never asked for again; a HEAD costs nothing of what Docker Hub lets anybody pull.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from chalicelib.edge.asgi import Answer, Visit
from chalicelib.edge.log import logger
from chalicelib.kernel.errors import ManifestUnknown, NotFound, PullBlocked, Refused
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports.remote import RemoteHead, RemoteManifest
from chalicelib.ports.stack import Stack
from chalicelib.registry.callers import Admitted, Callers
from chalicelib.registry.ceilings import Ceilings
from chalicelib.registry.pulls import Pull
from chalicelib.registry.routes import Route, reference
from chalicelib.registry.service import Registry
from chalicelib.registry.wire import Wire
from chalicelib.registry.wire_manifests import ManifestAnswer, manifest_answer

from .arrivals import Arrivals
from .flights import Flights
from .here import Here
from .leases import LEASE_S, Leases
from .passing import Passing
from .places import Place, Places
from .recent import Done, Recent
from .upstreams import Upstreams

# Source: RFC 9111, section 5.5.1 (obsolete there, and read by people all the same).
STALE: Final = (b"warning", b'110 - "Response is Stale"')
# Manifests that nobody in particular may have fetched anew in a second, of one cache and process.
_ANYBODY_PER_S: Final = 20


class PullThrough:
    """Implements `registry.beyond.Beyond`. Used by one event loop."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._places = Places(stack)
        self._here = Here(stack)
        self._leases = Leases(stack)
        self._arrivals = Arrivals(stack)
        self._upstreams = Upstreams.of(stack)
        self._flights = Flights()
        self._recent = Recent(stack.clock)
        self._tagged = Done(stack.clock, LEASE_S / 2)
        self._anybody = Ceilings(_ANYBODY_PER_S, stack.clock)
        self._passing = Passing(stack, Wire(stack, Registry(stack), Callers(stack)), self._flights)

    async def find(self, visit: Visit, admitted: Admitted, found: Route, refused: Refused) -> Answer:
        place = await self._stack.read(self._places.at, admitted.caller, found.name)
        by_tag = found.kind == "manifest" and ":" not in found.reference
        if place is None or (isinstance(refused, PullBlocked) and not by_tag):
            raise refused
        if found.kind == "blob":
            return await self._passing.answer(visit, admitted, place, Digest(found.reference))
        wanted = reference(found.reference)
        if isinstance(wanted, Digest):
            return await self._manifest(visit, place, wanted, "")
        local = await self._stack.read(self._here.digest, place, wanted)
        return await self._by_tag(visit, place, wanted, local, refused if local else ManifestUnknown(wanted))

    async def renew(self, visit: Visit, admitted: Admitted, found: Route, here: ManifestAnswer) -> Answer:
        kept = replace(here, fleeting=True)
        place = await self._stack.read(self._places.at, admitted.caller, found.name)
        if place is None:
            return kept
        local = dict(here.headers)[b"docker-content-digest"].decode()
        return await self._by_tag(visit, place, TagName(found.reference), local, kept)

    async def _by_tag(self, visit: Visit, place: Place, tag: TagName, local: str, here: Answer | Refused) -> Answer:
        """local: what the tag points to here, "" for nothing; here: what is answered without an upstream."""
        if local and tag.original != tag and await self._stack.read(self._here.made, place, tag):
            return _answered(here)  # Its upstream knows nothing of it.
        try:
            head = await self._head(visit, place, tag, local)
            moved = head.digest != local
            if moved and not (local and await self._keeps(place, tag)):
                return await self._manifest(visit, place, head.digest, tag, head)
        except NotFound:
            if local and await self._keeps(place, tag):
                return _answered(here)
            raise ManifestUnknown(tag) from None
        except PullBlocked:
            raise
        except Refused as unreachable:
            logger.warning("failed to ask an upstream", repository=place.name, tag=tag, reason=unreachable.message)
            if not local:
                raise
            return _answered(here, STALE)
        return _answered(here)

    async def _keeps(self, place: Place, tag: TagName) -> bool:
        return await self._stack.read(self._here.stays, place, tag)

    async def _head(self, visit: Visit, place: Place, tag: TagName, local: str) -> RemoteHead:
        """Where the tag points to at the upstream. Raises NotFound, and what asking there raises."""
        key = (place.known, tag)
        told = self._recent.tag(key, place.cache.ttl_seconds, local)
        if told is not None:
            if told.head is None:
                raise ManifestUnknown(tag)
            return told.head
        pulls = visit.method == "GET" and not local

        async def ask() -> RemoteHead:
            try:
                head = _of(await self._fetch(place, tag)) if pulls else await self._ask_head(place, tag, local)
            except NotFound:
                self._recent.keep_tag(key, None)
                raise
            if head.size:
                self._recent.keep_tag(key, head)
            return head

        self._require_few(place, local)
        return await self._flights.shared(("tag", key, pulls), ask)

    async def _ask_head(self, place: Place, tag: TagName, local: str) -> RemoteHead:
        def ask() -> RemoteHead:
            upstream, name = self._upstreams.reach(place.cache, place.name.short)
            if local and upstream.moods.spent:
                return RemoteHead(Digest(local), "", 0)  # Nobody said so: it is not remembered.
            return upstream.ask(lambda registry: registry.head(name, tag))

        with self._flights.seat(place):
            return await self._flights.run(ask)

    async def _manifest(
        self, visit: Visit, place: Place, digest: Digest, tag: str, head: RemoteHead | None = None
    ) -> Answer:
        """From the upstream. head: what it said of it, where it was asked already."""
        key = (place.known, digest)
        if visit.method == "HEAD" and not place.repository.guarded and self._recent.manifest(key) is None:
            return await self._headed(place, digest, tag, head)
        manifest = self._recent.manifest(key)
        if manifest is None:
            self._require_few(place, "")
            manifest = await self._flights.shared(("manifest", key), lambda: self._fetch(place, digest))
        pulled = await self._stack.write(self._arrivals.accept, place, manifest, tag)
        counted = visit.method == "GET" and pulled.repository_id
        pull = Pull(place.caller.instance.id, pulled.repository_id, tag, pulled.digest) if counted else None
        return replace(manifest_answer(pulled, pull), fleeting=True)

    async def _headed(self, place: Place, digest: Digest, tag: str, head: RemoteHead | None) -> Answer:
        """Whoever asks so pulls by the digest next."""
        if head is None:
            self._require_few(place, "")

            async def ask() -> RemoteHead:
                with self._flights.seat(place):
                    return await self._flights.run(self._look, place, digest)

            head = await self._flights.shared(("head", place.known, digest), ask)
        about = (place.known, digest, tag)
        if tag and about not in self._tagged:
            await self._stack.write(self._leases.remember_tag, place.repository, digest, tag)
            self._tagged.add(about)
        headers = (
            (b"content-type", head.media_type.encode("latin-1", "replace")),
            (b"content-length", b"%d" % head.size),
            (b"docker-content-digest", digest.encode()),
            (b"etag", b'"' + digest.encode() + b'"'),
        )
        return ManifestAnswer(200, headers, b"", fleeting=True)

    async def _fetch(self, place: Place, wanted: str) -> RemoteManifest:
        with self._flights.seat(place):
            manifest = await self._flights.run(self._pull, place, wanted)
        self._recent.keep_manifest((place.known, manifest.digest), manifest)
        return manifest

    def _pull(self, place: Place, wanted: str) -> RemoteManifest:
        upstream, name = self._upstreams.reach(place.cache, place.name.short)
        return upstream.ask(lambda registry: registry.pull(name, wanted))

    def _look(self, place: Place, wanted: str) -> RemoteHead:
        upstream, name = self._upstreams.reach(place.cache, place.name.short)
        return upstream.ask(lambda registry: registry.head(name, wanted))

    def _require_few(self, place: Place, local: str) -> None:
        """Raises Throttled where strangers have too much fetched that is not here."""
        if not local and place.caller.principal.anonymous:
            self._anybody.take(place.cache.namespace_id)


def _of(manifest: RemoteManifest) -> RemoteHead:
    return RemoteHead(manifest.digest, manifest.media_type, len(manifest.body))


def _answered(here: Answer | Refused, *more: tuple[bytes, bytes]) -> Answer:
    if isinstance(here, Refused):
        raise here
    return replace(here, headers=(*here.headers, *more))
