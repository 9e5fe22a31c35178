"""Who asks. Made by `credentials` (registry clients) and `accounts` (people and programs), read by everybody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .patterns import Pattern
from .roles import Role


class Action(StrEnum):
    """What a registry client may do with a repository; the words of the token protocol's scopes."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a robot may do, and where. repositories: by the name inside their namespace."""

    namespaces: Pattern
    repositories: Pattern
    actions: frozenset[Action]

    def covers(self, name: str, action: Action) -> bool:
        """name: in full."""
        namespace, _, short = name.partition("/")
        return action in self.actions and self.namespaces.matches(namespace) and self.repositories.matches(short)


@dataclass(frozen=True, slots=True)
class Principal:
    """An identified caller, or nobody.

    kind          anonymous, system, primary or robot (registry credentials), user or access_key (of an account) …
    name          of the credential or the user; at a registry, `<account>/<user name>` for users of other accounts
    instance_id   the instance a registry credential belongs to; empty for nobody and for people
    account_id    the account of a person or of a program with an access key; empty for registry credentials
    role          in that account; None for registry credentials
    key_id        of the access key that a program logs in to a registry with; empty for others
    operator      runs this service, and may make accounts
    version       of the credential; a reset password raises it, which ends what was derived from the old one
    grants        what a token narrows the caller to: (repository name, repository id or "", action);
                  None where the caller holds the credential itself
    issued_at     of the token, in seconds since 1970; 0 without one
    allowed       of a robot: all it may do; None for everybody else
    until         when its credential ends, in seconds since 1970; 0 for one that does not
    """

    kind: str
    name: str
    instance_id: str = ""
    version: int = 0
    grants: frozenset[tuple[str, str, str]] | None = None
    issued_at: int = 0
    account_id: str = ""
    role: Role | None = None
    key_id: str = ""
    operator: bool = False
    allowed: tuple[Allowance, ...] | None = None
    until: int = 0

    @property
    def anonymous(self) -> bool:
        return self.kind == "anonymous"


ANONYMOUS = Principal("anonymous", "anonymous")
SYSTEM = Principal("system", "system")
