"""A manifest from an upstream before it is served: is it one, may it go out, what does it open, who brings it here."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from chalicelib.edge.consume import encode
from chalicelib.edge.log import logger
from chalicelib.kernel.errors import Invalid, NotFound, QuotaExceeded
from chalicelib.kernel.messages import FillCache
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports.remote import RemoteManifest
from chalicelib.ports.stack import Stack
from chalicelib.registry.foreign import read_manifest
from chalicelib.registry.models import Pulled
from chalicelib.registry.pull_gate import PullGate
from chalicelib.registry.rights import CACHE
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from .leases import LEASE_S, Leases
from .places import Place
from .recent import Done
from .upstreams import UpstreamUnusable

# Whoever pulls an image takes its layers first: what they bring is not fetched twice.
FIRST_LOOK_S: Final = 10
# The same is not asked for again within that.
_ASKED_S: Final = 60.0


class Arrivals:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._repositories = Repositories(stack)
        self._gate = PullGate(stack)
        self._leases = Leases(stack)
        self._asked = Done(stack.clock, _ASKED_S)
        self._granted = Done(stack.clock, LEASE_S / 2)

    def accept(self, place: Place, manifest: RemoteManifest, tag: str) -> Pulled:
        """What is served. From now on its blobs may be pulled, and it is brought here if there is room.

        tag   by which it was asked for, "" if by digest
        Raises UpstreamUnusable, PullBlocked, Unavailable.
        """
        try:
            parsed = read_manifest(manifest.body, manifest.media_type)
        except Invalid as refused:
            message = f"what {place.cache.upstream} has as {manifest.digest} cannot be kept: {refused.message}"
            raise UpstreamUnusable(message, retry_after_s=600) from refused
        tag = tag or self._tag_of(place, manifest.digest)
        repository, kept = self._home(place)
        granted = (place.known, manifest.digest)
        if granted not in self._granted:
            self._leases.grant(repository, manifest.digest, parsed.blobs, runs=parsed.runs)
            self._granted.add(granted)
        if kept:
            self.ask_for(replace(place, repository=repository), manifest.digest, tag)
        pulled = Pulled(repository.id, manifest.digest, parsed.media_type, manifest.body, upstream=True)
        policy = self._gate.policy(repository)
        if policy is not None:
            self._gate.require_manifest(policy, repository, pulled)
        return pulled

    def ask_for(self, place: Place, digest: Digest, tag: str) -> None:
        """Has it brought here, soon. A hint, so nothing is lost with it."""
        about = (place.known, digest, tag)
        if about in self._asked:
            return
        message = FillCache(instance_id=place.caller.instance.id, repository=place.name, digest=digest, tag=tag)
        self._stack.queues.send(FillCache.queue, [encode(message)], delay_s=FIRST_LOOK_S)
        self._asked.add(about)

    def _tag_of(self, place: Place, digest: Digest) -> str:
        lease = self._leases.find(place.repository, digest)
        return lease.tag if lease is not None and TagName.fits(lease.tag) else ""

    def _home(self, place: Place) -> tuple[Repository, bool]:
        """The repository, and whether anything can be kept in it."""
        if place.repository.id:
            return place.repository, True
        instance, name = place.caller.instance, place.name
        try:
            self._repositories.ensure(instance, name, CACHE, leave=True)
            return self._repositories.get(instance.id, name, fresh=True), True
        except (QuotaExceeded, NotFound) as refused:
            logger.warning("failed to keep what was pulled through", repository=name, reason=refused.code)
            return place.repository, False
