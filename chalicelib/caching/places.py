"""Where a pull goes on that finds nothing here: a repository of a namespace with an upstream, and who asks for it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.patterns import Pattern
from chalicelib.kernel.principal import Action, Allowance, Principal
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import Caller
from chalicelib.registry.rights import CACHE
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from .models import Cache
from .service import Caches


@dataclass(frozen=True, slots=True)
class Place:
    """repository: its id is "" while nothing of it is here."""

    caller: Caller
    repository: Repository
    cache: Cache

    @property
    def name(self) -> RepositoryName:
        return self.repository.name

    @property
    def known(self) -> Hashable:
        """What an answer of the upstream is remembered under."""
        return (self.cache.namespace_id, self.cache.version, self.name)

    @property
    def filler(self) -> Caller:
        """The service, as it fills the repository."""
        allowed = Allowance(Pattern.parse(self.name.namespace), Pattern.parse(self.name.short), frozenset(Action))
        instance = self.caller.instance
        return Caller(instance, Principal("system", CACHE, instance.id, allowed=(allowed,)), makes=True)


class Places:
    def __init__(self, stack: Stack) -> None:
        self._instances = Instances(stack)
        self._namespaces = Namespaces(stack)
        self._repositories = Repositories(stack)
        self._caches = Caches(stack)

    def at(self, caller: Caller, name: RepositoryName) -> Place | None:
        """For a pull, from memory. None where nothing lies beyond, or the caller may not pull it.

        Raises InstanceFrozen, Unavailable.
        """
        place = self.filled(caller, name)
        if place is None:
            return None
        if not self._repositories.may(caller.principal, caller.instance, place.repository, name, Action.PULL):
            return None
        self._instances.require_running(caller.instance)
        return place

    def filled(self, caller: Caller, name: RepositoryName) -> Place | None:
        """The same for the service itself."""
        try:
            namespace = self._namespaces.get(caller.instance.id, name.namespace)
        except NotFound:
            return None
        cache = self._caches.in_force(namespace)
        if cache is None or not cache.covers(name.short):
            return None
        try:
            repository: Repository | None = self._repositories.get(caller.instance.id, name)
        except NotFound:
            repository = self._repositories.imagined(caller.instance, name)
        return None if repository is None else Place(caller, repository, cache)
