"""What a registry credential is, and what is made from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from chalicelib.kernel.moment import Moment, to_text
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import Action

# primary: everything in its instance.
Kind = Literal["primary"]


class Credential(BaseModel):
    """version: starts at random, so that one made anew under an old name has none of the old one's tokens, and rises
    with each new password."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    instance_id: str
    username: str
    kind: Kind
    password_hash: str
    version: int
    created_at: Moment
    changed_at: Moment
    schema_version: int = 1


@dataclass(frozen=True, slots=True)
class Scope:
    """What a client asks for: actions on one repository."""

    name: RepositoryName
    actions: frozenset[Action]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows: actions on one repository, by id; "" where there is none of that name yet."""

    name: RepositoryName
    repository_id: str
    actions: frozenset[Action]

    def __str__(self) -> str:
        """As scopes are written. Actions in the order of the enumeration, so that equal grants read the same."""
        return f"repository:{self.name}:{','.join(action for action in Action if action in self.actions)}"


@dataclass(frozen=True, slots=True)
class Token:
    """A signed token. scope: what it allows, as scopes are written, by spaces."""

    text: str
    issued_at: datetime
    expires_in_s: int
    scope: str

    @property
    def issued_at_text(self) -> str:
        return to_text(self.issued_at)
