"""What a registry credential is, and what is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, StrictBool, StrictInt

from chalicelib.kernel.modelling import KEPT
from chalicelib.kernel.moment import Moment, to_text
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.patterns import Pattern, SubjectPattern
from chalicelib.kernel.principal import Action, Allowance, Principal

# primary: everything in its instance; robot: what its permissions say.
Kind = Literal["primary", "robot"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What every use of a credential compares: its version, 0 if there is none; what it may do; when it ends."""

    version: int = 0
    allowed: tuple[Allowance, ...] | None = None
    until: int = 0

    def version_at(self, now: float) -> int:
        return 0 if self.until and self.until <= now else self.version


class Permission(BaseModel):
    """What a robot may do in which repositories. repositories: by the name inside their namespace."""

    model_config = KEPT

    namespaces: Pattern
    repositories: Pattern
    actions: tuple[Action, ...]

    @property
    def allowance(self) -> Allowance:
        return Allowance(self.namespaces, self.repositories, frozenset(self.actions))


class Credential(BaseModel):
    """
    password_hash   of a password that somebody chose; "" where it was generated
    generated_hash     keyed hash of a password that was generated; "" where it was chosen
    version         starts at random, so that one made anew under an old name has none of the old one's tokens, and
                    rises with each new password
    permissions     of a robot: all it may do
    expires_at      None for one that does not end
    workload        the rule by which a workload's login made it; "" for all others
    """

    model_config = KEPT

    instance_id: str
    username: str
    kind: Kind
    password_hash: str
    generated_hash: str = ""
    version: int
    permissions: tuple[Permission, ...] = ()
    expires_at: Moment | None = None
    workload: str = ""
    created_at: Moment
    created_by: str = ""
    changed_at: Moment
    schema_version: int = 1

    @property
    def until(self) -> int:
        """When it ends, in seconds since 1970; 0 if it does not."""
        return 0 if self.expires_at is None else int(self.expires_at.timestamp())

    @property
    def allowed(self) -> tuple[Allowance, ...] | None:
        """All that a robot may do; None for who may do everything."""
        return None if self.kind == "primary" else tuple(permission.allowance for permission in self.permissions)

    @property
    def standing(self) -> Standing:
        return Standing(self.version, self.allowed, self.until)

    @property
    def principal(self) -> Principal:
        return Principal(
            self.kind, self.username, self.instance_id, self.version, allowed=self.allowed, until=self.until
        )


# Compared with their types: 1 is neither true nor "1".
ClaimValue = str | bool | int


class Workload(BaseModel):
    """A rule by which jobs log in with a token of their identity provider (X4).

    issuer, audience   exactly the token's
    claims             what the token must say besides
    permissions        of the credential that a job gets, for lifetime_s seconds
    """

    model_config = KEPT

    id: str
    instance_id: str
    issuer: str
    audience: str
    subject: SubjectPattern
    claims: dict[str, StrictBool | StrictInt | str]
    permissions: tuple[Permission, ...]
    lifetime_s: int
    created_at: Moment
    created_by: str
    schema_version: int = 1

    def admits(self, token: Mapping[str, Any]) -> bool:
        """Whether the rule is about a token with these claims. Says nothing about whether they are true."""
        subject = token.get("sub")
        right_source = token.get("iss") == self.issuer and token.get("aud") in (self.audience, [self.audience])
        right_subject = isinstance(subject, str) and self.subject.matches(subject)
        right_claims = all(
            type(token.get(name)) is type(value) and token[name] == value for name, value in self.claims.items()
        )
        return right_source and right_subject and right_claims


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A credential as it stands now. password: the generated one, known to nobody afterwards; "" if it was chosen."""

    credential: Credential
    password: str = ""


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
