"""What a caching namespace holds itself, asked before and instead of its upstream."""

from __future__ import annotations

from contextlib import suppress

from chalicelib.immutability.service import Immutability
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.names import TagName
from chalicelib.ports.stack import Stack
from chalicelib.registry.companions import is_companion
from chalicelib.registry.service import Registry

from .places import Place


class Here:
    def __init__(self, stack: Stack) -> None:
        self._registry = Registry(stack)
        self._immutability = Immutability(stack)

    def digest(self, place: Place, tag: TagName) -> str:
        """What the tag points to, whatever the pull policy says of it; "" where there is none."""
        if place.repository.id:
            with suppress(NotFound):
                return self._registry.tag(place.repository, tag).digest
        return ""

    def made(self, place: Place, tag: TagName) -> bool:
        """Whether the service made the tag itself, as the accelerated version of another."""
        with suppress(NotFound):
            return is_companion(self._registry.tag(place.repository, tag))
        return False

    def stays(self, place: Place, tag: TagName) -> bool:
        """Whether a rule keeps the tag where it is, wherever it is at the upstream."""
        repository = place.repository
        return bool(self._immutability.told(repository.namespace_id, repository.name)(tag))
