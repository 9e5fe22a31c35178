"""The ends of a migration inside the service: repositories of its own reached without HTTP, and registries elsewhere.

An instance of the account is named by its id, or by an address of its own; no bytes leave the store then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from chalicelib.copying.callers import MIGRATION, bringer, reader
from chalicelib.copying.ends import Source
from chalicelib.copying.local import LocalRepository
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.ids import is_id
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports.stack import Stack

from .files import Entrances
from .places import Place

_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")

if TYPE_CHECKING:
    from .registries import Registries


class Homes:
    """account: whose instances may be read from."""

    def __init__(
        self, stack: Stack, account_id: str, entrances: Entrances, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._pause = pause
        self._stack = stack
        self._account_id = account_id
        self._entrances = entrances
        self._instances = Instances(stack)
        self._known: dict[str, Instance | None] = {}
        self._elsewhere: dict[Place, Source] = {}

    def instance(self, place: Place) -> Instance | None:
        """The instance that a place names; None for registries elsewhere. Raises NotFound for an id of none."""
        if place.host not in self._known:
            self._known[place.host] = self._look_up(place.host)
        return self._known[place.host]

    def source(self, place: Place) -> Source:
        """Raises NameInvalid, NotFound, Denied, InstanceFrozen."""
        instance = self.instance(place)
        if instance is None:
            if place not in self._elsewhere:
                self._elsewhere[place] = self._departure(place)
            return self._elsewhere[place]
        self._instances.require_running(instance)
        name = RepositoryName.parse(place.repository)
        return LocalRepository(self._stack, reader(instance, name, MIGRATION), name, how="migration")

    def target(self, instance: Instance, name: str) -> LocalRepository:
        """Raises NameInvalid."""
        parsed = RepositoryName.parse(name)
        return LocalRepository(self._stack, bringer(instance, parsed, MIGRATION), parsed, how="migration")

    def close(self) -> None:
        if "_registries" in self.__dict__:
            self._registries.close()

    def _departure(self, place: Place) -> Source:
        from .travelling import Departure

        registry, name = self._registries.registry(place)
        refused = partial(self._refused, place)
        return Departure(registry, name, {}, None, refused)

    def _refused(self, place: Place, message: str) -> None:
        """Its registry knows nothing of the login: no other image is tried with it."""
        self._registries.refused(place, message)
        self._elsewhere.clear()

    @cached_property
    def _registries(self) -> Registries:
        # With an HTTP client, which copies inside the store do not need.
        from chalicelib.ports.outbound import outbound

        from .registries import Registries

        return Registries(self._entrances, outbound(self._stack.settings), self._pause)

    def _look_up(self, host: str) -> Instance | None:
        if is_id(host):
            return self._instances.of_account(self._account_id, host)
        if not host:
            return None
        for instance in self._owned:
            if host in (self._instances.public_address(instance), self._instances.internal_address(instance)):
                return instance
        return self._by_port(host)

    def _by_port(self, host: str) -> Instance | None:
        """On one machine `127.0.0.1:5000` is an instance too: the one that answers at such a host."""
        name, _, port = host.rpartition(":")
        settings = self._stack.settings
        ours = {settings.port, settings.internal_port}
        if not settings.one_machine or name not in _LOOPBACK or int(port) not in ours:
            return None
        try:
            found = self._instances.find(host, int(port))
        except NotFound:
            return None
        return found if found.account_id == self._account_id else None

    @cached_property
    def _owned(self) -> list[Instance]:
        found: list[Instance] = []
        cursor = None
        while True:
            page = self._instances.page(self._account_id, cursor=cursor)
            found += page.items
            cursor = page.next
            if cursor is None:
                return found
