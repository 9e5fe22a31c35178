"""The registries of a migration from outside: opened once each, with the login that the files say.

One that does not know the login is asked once: the images behind it fail at once with the same words.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from chalicelib.kernel.names import Digest
from chalicelib.ports.outbound import Outbound
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.remote_login import Login, LoginRefused
from chalicelib.ports.remote_reference import RemoteReference

from .files import Entrance, Entrances
from .places import Place


class Known(RemoteRegistry):
    """One of which is remembered whether it lists what refers to an image; None until it was asked."""

    lists_referrers: bool | None = None

    def referrers(self, repository: str, digest: Digest) -> list[Digest]:
        found = super().referrers(repository, digest)
        if self.lists_referrers is None:
            self.lists_referrers = True
        return found

    def _fallback_referrers(self, repository: str, digest: Digest) -> list[Digest]:
        self.lists_referrers = False
        return super()._fallback_referrers(repository, digest)


class Registries:
    """For many threads. To be closed."""

    def __init__(self, entrances: Entrances, calls: Outbound, pause: Callable[[float], None]) -> None:
        self._entrances = entrances
        self._calls = calls
        self._pause = pause
        self._guard = threading.Lock()
        self._open: dict[tuple[str, Entrance], Known] = {}
        self._refused: dict[tuple[str, Entrance], str] = {}

    def registry(self, place: Place) -> tuple[Known, str]:
        """With what it calls the place's repository. Raises LoginRefused where it has refused this login already."""
        entrance, reference = self._found(place)
        key = (reference.origin, entrance)
        with self._guard:
            if key in self._refused:
                raise LoginRefused(self._refused[key])
            registry = self._open.get(key)
            if registry is None:
                login = Login(entrance.username, entrance.password) if entrance.username else None
                registry = Known(reference, self._calls, login=login, pause=self._pause)
                self._open[key] = registry
        return registry, reference.repository

    def refused(self, place: Place, message: str) -> None:
        """The registry of the place knows nothing of the login for it."""
        entrance, reference = self._found(place)
        with self._guard:
            self._refused.setdefault((reference.origin, entrance), message)

    def close(self) -> None:
        for registry in self._open.values():
            registry.close()

    def _found(self, place: Place) -> tuple[Entrance, RemoteReference]:
        entrance = self._entrances.of(place)
        return entrance, place.registry(insecure=entrance.insecure)
