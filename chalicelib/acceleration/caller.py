"""The service as it pushes companions: with the rights of a client that may pull from and push to where it says."""

from __future__ import annotations

from chalicelib.instances.models import Instance
from chalicelib.kernel import origin
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.patterns import Pattern
from chalicelib.kernel.principal import Action, Allowance, Principal
from chalicelib.registry.companions import BY
from chalicelib.registry.models import Caller


def pusher(instance: Instance, name: RepositoryName) -> Caller:
    """For one repository."""
    return _caller(instance, Allowance(Pattern.parse(name.namespace), Pattern.parse(name.short), frozenset(Action)))


def mounter(instance: Instance) -> Caller:
    """For layers that other repositories of the instance had converted: who has the source has a right to them."""
    everywhere = Pattern.parse("**")
    return _caller(instance, Allowance(everywhere, everywhere, frozenset({Action.PULL, Action.PUSH})))


def _caller(instance: Instance, allowed: Allowance) -> Caller:
    principal = Principal("system", BY, instance.id, allowed=(allowed,))
    return Caller(instance, principal, request_id=origin.request_id())
