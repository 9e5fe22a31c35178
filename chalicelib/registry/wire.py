"""What every part of the protocol works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.kernel.principal import Action
from chalicelib.ports.stack import Stack
from chalicelib.repositories.service import may

from .callers import Callers
from .models import Caller

if TYPE_CHECKING:
    from .service import Registry


@dataclass(frozen=True, slots=True)
class Wire:
    stack: Stack
    registry: Registry
    callers: Callers


def may_push(caller: Caller, name: str) -> bool:
    """Whether the credentials could allow a push: a token that was made for pulls alone could not, nor a reader."""
    principal = caller.principal
    if principal.grants is None:
        return may(principal, caller.instance, None, name, Action.PUSH)
    return any(grant[0] == name and grant[2] == Action.PUSH for grant in principal.grants)
