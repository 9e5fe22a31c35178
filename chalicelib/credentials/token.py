"""Answers the token endpoint: GET, and OAuth2 POST. Source: distribution's token, oauth and scope documentation.

What a caller may do with a repository is known further up: the gateway hands in `permitted`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Invalid, Unauthenticated
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import Action, Principal
from chalicelib.ports.stack import Stack

from .header import BearerToken, parse_authorization
from .models import Grant, Scope
from .rules import parse_scopes
from .service import Credentials

# What somebody may do with a name: the repository's id, "" if there is none yet, and the actions.
Permitted = Callable[[Principal, Instance, RepositoryName], tuple[str, frozenset[Action]]]
Parameters = Sequence[tuple[str, str]]

# The fields a POST needs beside `grant_type`, by its value.
_NEEDED: Final = {
    "password": ("service", "client_id", "username", "password"),
    "refresh_token": ("service", "client_id", "refresh_token"),
}


class TokenEndpoint:
    def __init__(self, stack: Stack, permitted: Permitted) -> None:
        self._credentials = Credentials(stack)
        self._permitted = permitted

    def answer(
        self, instance: Instance, method: str, parameters: Parameters, authorization: str | None, address: str
    ) -> dict[str, str | int]:
        """The JSON of the answer. May block for a password hash.

        parameters      of the query (GET) or the form (POST), decoded, in order
        authorization   the header, used by GET alone: POST brings its credentials in the form
        Raises Invalid naming each bad field, Unauthenticated, Throttled, Unavailable.
        """
        if method == "POST":
            return self._post(instance, parameters, address)
        return self._get(instance, parameters, authorization, address)

    def _get(
        self, instance: Instance, parameters: Parameters, authorization: str | None, address: str
    ) -> dict[str, str | int]:
        if authorization is not None and isinstance(parse_authorization(authorization), BearerToken):
            # A token that could fetch the next one would never end.
            raise Unauthenticated("a token is asked for with a user name and password")
        principal = self._credentials.authenticate(instance, authorization, address, fresh=True)
        scopes = parse_scopes(value for name, value in parameters if name == "scope")
        answer = self._token(instance, principal, scopes)
        del answer["scope"]
        if not principal.anonymous and ("offline_token", "true") in parameters:
            answer["refresh_token"] = self._credentials.refresh_token(principal)
        return answer

    def _post(self, instance: Instance, parameters: Parameters, address: str) -> dict[str, str | int]:
        form = _form(parameters)
        if form["grant_type"] == "password":
            username, password = form["username"], form["password"]
            principal = self._credentials.basic(instance, username, password, address, fresh=True)
        else:
            principal = self._credentials.redeem(instance, form["refresh_token"])
        answer = self._token(instance, principal, parse_scopes([form.get("scope", "")]))
        if form.get("access_type") == "offline":
            answer["refresh_token"] = form.get("refresh_token") or self._credentials.refresh_token(principal)
        return answer

    def _token(self, instance: Instance, principal: Principal, scopes: Iterable[Scope]) -> dict[str, str | int]:
        grants = [self._grant(instance, principal, scope) for scope in scopes]
        token = self._credentials.issue(instance, principal, [grant for grant in grants if grant.actions])
        return {
            "token": token.text,
            "access_token": token.text,
            "expires_in": token.expires_in_s,
            "issued_at": token.issued_at_text,
            "scope": token.scope,
        }

    def _grant(self, instance: Instance, principal: Principal, scope: Scope) -> Grant:
        """What was asked and may be had: asking for too much is no error."""
        repository_id, actions = self._permitted(principal, instance, scope.name)
        return Grant(scope.name, repository_id, scope.actions & actions)


def _form(parameters: Parameters) -> dict[str, str]:
    """The form's fields, each given once. Raises Invalid naming each bad one."""
    form: dict[str, str] = {}
    bad: list[tuple[str, str]] = []
    for name, value in parameters:
        if name in form and name != "scope":
            bad.append((name, f"{name} is given twice"))
        form[name] = f"{form[name]} {value}" if name in form else value
    grant_type = form.get("grant_type", "")
    if grant_type not in _NEEDED:
        bad.append(("grant_type", "grant_type is password or refresh_token"))
    missing = [name for name in _NEEDED.get(grant_type, ("service", "client_id")) if not form.get(name)]
    bad.extend((name, f"{name} is missing") for name in missing)
    if bad:
        raise Invalid.many(bad)
    return form
