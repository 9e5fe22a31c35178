"""Pure decisions about names, passwords and scopes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Final

from chalicelib.identity.passwords import LONGEST_PASSWORD_BYTES, is_possible_password
from chalicelib.kernel.errors import Invalid, NameInvalid, NotFound
from chalicelib.kernel.ids import is_id
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import Action

from .models import Scope

# A client asks for one or two scopes, with mounts a few more; the rest would only make the token longer.
MOST_SCOPES: Final = 32

WORKLOAD_PREFIX: Final = "workload-"

_USERNAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
_ALL: Final = frozenset(Action)
_BY_WORD: Final = {**{action.value: frozenset({action}) for action in Action}, "*": _ALL}


def is_username(text: str) -> bool:
    return _USERNAME.fullmatch(text) is not None


def require_new(username: str, password: str) -> None:
    """Raises Invalid that names each bad field."""
    bad = []
    if not is_username(username):
        bad.append(("username", "a user name has 1–64 of A–Z a–z 0–9 . _ @ - and starts with a letter or digit"))
    if not is_possible_password(password):
        bad.append(("password", f"a password has at least 1 character and at most {LONGEST_PASSWORD_BYTES} bytes"))
    if bad:
        raise Invalid.many(bad)


def require_robot_name(username: str) -> None:
    """Raises Invalid for a name that the service gives itself."""
    if username.startswith(WORKLOAD_PREFIX):
        raise Invalid("username", f"names that begin with {WORKLOAD_PREFIX} are given to workloads that log in")
    if username.startswith("AK") and is_id(username[2:]):
        raise Invalid("username", "is the id of an access key; take another name")


def new_password() -> str:
    """256 bits, and a beginning by which scanners of leaked secrets can tell what it is."""
    return "crsp_" + secrets.token_urlsafe(32)


def missing() -> NotFound:
    return NotFound("there is no such credential")


def parse_scopes(texts: Iterable[str]) -> list[Scope]:
    """What of the texts can be understood, one scope a name, in the order asked. The rest is ignored.

    `repository:<name>:<actions>`: the type ends at the first colon, the name at the last. Several by spaces.
    Source: distribution's token scope documentation.
    """
    found: dict[RepositoryName, frozenset[Action]] = {}
    for text in texts:
        for part in text.split(" "):
            scope = _parse_scope(part)
            if scope is not None and (scope.name in found or len(found) < MOST_SCOPES):
                found[scope.name] = found.get(scope.name, frozenset()) | scope.actions
    return [Scope(name, actions) for name, actions in found.items()]


def _parse_scope(text: str) -> Scope | None:
    kind, first, rest = text.partition(":")
    name, last, words = rest.rpartition(":")
    if not first or not last or kind != "repository":
        return None
    actions: frozenset[Action] = frozenset().union(*(_BY_WORD.get(word, frozenset()) for word in words.split(",")))
    try:
        return Scope(RepositoryName.parse(name), actions) if actions else None
    except NameInvalid:
        return None
