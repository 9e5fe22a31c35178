"""Where instances are reached, and what the row there says."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from chalicelib.kernel.errors import NotFound
from chalicelib.ports import keys
from chalicelib.ports.memory import Knowledge
from chalicelib.ports.table import Item, Key

from . import store
from .models import Instance

# The account and the instance that a first start of one machine makes, and that any unknown host name means there.
DEFAULT_ACCOUNT: Final = "default"
DEFAULT_NAME: Final = "default"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance is reached: what memory calls it, and the row that points to the instance."""

    name: Hashable
    pointer: Key

    def leading_to(self, instance_id: str) -> Knowledge[Instance]:
        """The instance reached here, if it is that one still."""
        key = keys.instance(instance_id)

        def made(found: Mapping[Key, Item]) -> Instance:
            leads_there = store.pointed(found.get(self.pointer)) == instance_id
            return present(store.read(found.get(key)) if leads_there else None)

        return Knowledge(self.name, (self.pointer, key), made)


def labelled(label: str) -> Place:
    return Place(("label", label), keys.address(label))


# Whom any unknown host name means on one machine.
NOBODY: Final = Place(("instance of nobody",), keys.account_instance(DEFAULT_ACCOUNT, DEFAULT_NAME))


def present(instance: Instance | None) -> Instance:
    """Raises NotFound."""
    if instance is None:
        raise NotFound("there is no such instance")
    return instance
