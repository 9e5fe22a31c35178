"""The registries of a migration from outside: opened once each, with the login that the files say.

One that does not know the login is asked once: the images behind it fail at once with the same words.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from chalicelib.copying.remote import RemoteRepository
from chalicelib.kernel.errors import Denied
from chalicelib.ports.outbound import Outbound
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.remote_login import Login

from .files import Entrance, Entrances
from .places import Place


class Registries:
    def __init__(self, entrances: Entrances, calls: Outbound, pause: Callable[[float], None]) -> None:
        self._entrances = entrances
        self._calls = calls
        self._pause = pause
        self._guard = threading.Lock()
        self._open: dict[tuple[str, Entrance], RemoteRegistry] = {}
        self._refused: dict[tuple[str, Entrance], str] = {}

    def repository(self, place: Place) -> RemoteRepository:
        """Raises Denied where its registry has refused this login already."""
        entrance = self._entrances.of(place)
        reference = place.registry(insecure=entrance.insecure)
        key = (reference.origin, entrance)
        with self._guard:
            if key in self._refused:
                raise Denied(self._refused[key])
            registry = self._open.get(key)
            if registry is None:
                login = Login(entrance.username, entrance.password) if entrance.username else None
                registry = RemoteRegistry(reference, self._calls, login=login, pause=self._pause)
                self._open[key] = registry
        return RemoteRepository(registry, reference.repository)

    def refused(self, place: Place, message: str) -> None:
        """The registry of the place knows nothing of the login for it."""
        entrance = self._entrances.of(place)
        with self._guard:
            self._refused.setdefault((place.registry(insecure=entrance.insecure).origin, entrance), message)

    def close(self) -> None:
        for registry in self._open.values():
            registry.close()
