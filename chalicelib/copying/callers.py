"""The service as it copies: with the rights of a client that may pull from and push to where it says."""

from __future__ import annotations

from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.kernel import origin
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.patterns import Pattern
from chalicelib.kernel.principal import Action, Allowance, Principal
from chalicelib.registry.models import Caller

# As histories and audit records say. No login has a name with a colon.
SYNC: Final = "system:sync"
MIGRATION: Final = "system:migration"
CACHE: Final = "system:cache"


def reader(instance: Instance, name: RepositoryName, by: str) -> Caller:
    """Of one repository, which its pull policy guards from this one too."""
    return _caller(instance, name, by, frozenset({Action.PULL}), makes=False)


def bringer(instance: Instance, name: RepositoryName, by: str) -> Caller:
    """Into one repository, which is made if it is not there, whatever its namespace says of pushes: a rule, or whoever
    asked for the copy, has the leave of those who may make it."""
    return _caller(instance, name, by, frozenset({Action.PULL, Action.PUSH}), makes=True)


def _caller(instance: Instance, name: RepositoryName, by: str, actions: frozenset[Action], *, makes: bool) -> Caller:
    allowed = Allowance(Pattern.parse(name.namespace), Pattern.parse(name.short), actions)
    principal = Principal("system", by, instance.id, allowed=(allowed,))
    return Caller(instance, principal, request_id=origin.request_id(), makes=makes)
