"""Brings here what was served from an upstream: an image whole, an index alone; its images come as they are pulled.

    somebody pulls its blobs through this moment ─► later: what they bring is not fetched twice
    tag ─► what it points to there now ─► blobs that are missing ─► manifest ─► moved meanwhile? once more

Whatever goes wrong at the upstream ends it: whoever pulls the image next has it brought again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from chalicelib.edge.consume import encode
from chalicelib.edge.log import logger
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import (
    BlobUnknown,
    Conflict,
    Denied,
    Invalid,
    ManifestBlobUnknown,
    NotFound,
    Refused,
    Unavailable,
)
from chalicelib.kernel.messages import FillCache
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.kernel.principal import SYSTEM
from chalicelib.ports.remote import RemoteManifest, RemoteRegistry
from chalicelib.ports.stack import Stack
from chalicelib.registry.foreign import ForeignManifest, read_manifest
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry

from .here import Here
from .inflow import Inflow
from .leases import Leases
from .places import Place, Places
from .upstreams import Upstream, Upstreams

# No blob is begun after so long; a function has 15 minutes, and a blob may take most of them.
_BEGIN_WITHIN_S: Final = 240.0
T = TypeVar("T")

LOOK_AGAIN_S: Final = 15
# A tag that moves each time it was brought is left to the next pull.
_ROUNDS: Final = 3


class Filling:
    def __init__(self, stack: Stack, seconds: Callable[[], float] = time.monotonic) -> None:
        self._stack = stack
        self._seconds = seconds
        self._instances = Instances(stack)
        self._registry = Registry(stack)
        self._places = Places(stack)
        self._here = Here(stack)
        self._leases = Leases(stack)
        self._upstreams = Upstreams.of(stack)

    def fill(self, message: FillCache) -> None:
        """Raises Unavailable where a store of ours does not answer."""
        place = self._place(message)
        if place is None:
            return
        try:
            upstream, there = self._upstreams.reach(place.cache, place.name.short)
            for _ in range(_ROUNDS):
                if not self._bring(place, upstream, there, message):
                    return
        except _Unanswered as unanswered:
            logger.warning("failed to fill a cache", repository=place.name, reason=unanswered.why)
        except (Conflict, Denied, Invalid, NotFound) as refused:
            # No room, a tag that stays where it is, a repository that was deleted meanwhile, no manifest.
            logger.warning("failed to fill a cache", repository=place.name, reason=refused.message)

    def _place(self, message: FillCache) -> Place | None:
        try:
            instance = self._instances.load(message.instance_id)
        except NotFound:
            return None
        if self._instances.state(instance) != "running":
            return None
        place = self._places.filled(Caller(instance, SYSTEM), RepositoryName(message.repository))
        return place if place is not None and place.repository.id else None

    def _bring(self, place: Place, upstream: Upstream, there: str, message: FillCache) -> bool:
        """Whether another round is needed: the tag has moved on meanwhile."""
        tag = message.tag
        wanted = self._pointed(upstream, there, tag) if tag else message.digest
        local = self._here.digest(place, TagName(tag)) if tag else ""
        if tag and (wanted == local or (local and self._here.stays(place, TagName(tag)))):
            return False
        manifest = _asked(upstream, lambda registry: registry.pull(there, wanted))
        parsed = read_manifest(manifest.body, manifest.media_type)
        if not self._brought(place, upstream, there, parsed):
            self._again(message)
            return False
        try:
            self._push(place, manifest, tag)
        except ManifestBlobUnknown:
            self._again(message)  # Something that was here is not any more.
            return False
        logger.info("cache filled", repository=place.name, digest=manifest.digest, tag=tag)
        return bool(tag) and self._pointed(upstream, there, tag) != manifest.digest

    def _pointed(self, upstream: Upstream, there: str, tag: str) -> Digest:
        return _asked(upstream, lambda registry: registry.head(there, tag)).digest

    def _brought(self, place: Place, upstream: Upstream, there: str, parsed: ForeignManifest) -> bool:
        """Whether all blobs are here. False: somebody else brings some, or there is no time for more."""
        missing = {digest: size for digest, size in parsed.blobs.items() if not self._holds(place, Digest(digest))}
        if not missing:
            return True
        if any(lease.filling_until > self._leases.now for lease in self._leases.several(place.repository, missing)):
            return False
        begin_until = self._seconds() + _BEGIN_WITHIN_S
        for digest, size in missing.items():
            if self._seconds() > begin_until:
                return False
            self._leases.begin(place.repository, digest)
            try:
                self._fetch(place, upstream, there, Digest(digest), size)
            finally:
                self._leases.end(place.repository, digest)
        return True

    def _holds(self, place: Place, digest: Digest) -> bool:
        """Then it stays for the manifest to come."""
        try:
            self._registry.renew(place.filler, place.name, digest)
        except BlobUnknown:
            return False
        return True

    def _fetch(self, place: Place, upstream: Upstream, there: str, digest: Digest, size: int) -> None:
        self._instances.require_room(place.caller.instance, size)
        pieces = _asked(upstream, lambda registry: registry.read_blob(there, digest, size))
        inflow = Inflow(self._registry, pieces, digest, place.name, place.filler)
        try:
            piece = inflow.open()
            while piece:
                piece = inflow.following()
            if not inflow.kept:
                inflow.following()
        except Refused as refused:
            raise _Unanswered(refused.message) from refused
        finally:
            inflow.close()
        if not inflow.kept:
            raise _Unanswered(f"{digest} cannot be kept")

    def _push(self, place: Place, manifest: RemoteManifest, tag: str) -> None:
        tags = [TagName(tag)] if tag else []
        self._registry.push(
            place.filler, place.name, manifest.digest, tags, manifest.body, manifest.media_type, how="cache"
        )

    def _again(self, message: FillCache) -> None:
        again = FillCache(
            instance_id=message.instance_id, repository=message.repository, digest=message.digest, tag=message.tag
        )
        self._stack.queues.send(FillCache.queue, [encode(again)], delay_s=LOOK_AGAIN_S)


class _Unanswered(Exception):
    """The upstream's fault, or a blob that cannot be kept: nothing that another attempt of this message would mend."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def _asked(upstream: Upstream, call: Callable[[RemoteRegistry], T]) -> T:
    try:
        return upstream.ask(call)
    except (Unavailable, Denied, NotFound) as refused:
        raise _Unanswered(refused.message) from refused
