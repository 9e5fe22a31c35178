"""The door of the room: credentials, who a request comes from, and tokens (R2, G3)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.identity.keyring import keyring_of
from chalicelib.identity.passwords import hash_password
from chalicelib.identity.recent import Recent
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, Invalid, Unauthenticated
from chalicelib.kernel.principal import ANONYMOUS, Principal
from chalicelib.ports import keys
from chalicelib.ports.memory import Knowledge
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Item, Key, Write

from . import refresh, store
from .header import BasicPair, BearerToken, parse_authorization
from .logins import Logins, generated_hash
from .members import Members, is_access_key
from .models import Credential, Grant, Kind, NewSecret, Standing, Token
from .remembered import VerifiedToken
from .rules import is_username, missing, new_password, require_new, require_robot_name
from .tokens import Signer

# Some 10 MB of the longest that clients send.
_MOST_TOKENS = 10_000


class Credentials:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._keyring = keyring_of(stack)
        self._signer = stack.keep("signer", lambda: Signer(self._keyring))
        self._tokens: Recent[str, VerifiedToken] = stack.keep("verified tokens", lambda: Recent(_MOST_TOKENS))
        self._members = Members(stack)
        self._logins = Logins(stack, self._keyring, self._current_version)

    def create(self, instance: Instance, username: str, password: str, kind: Kind = "primary") -> Credential:
        """Raises Invalid naming each bad field, Conflict if the user name is taken."""
        credential = self._new(instance, username, password, kind)
        write = store.creation(credential)
        try:
            self._stack.table.put(write.item, write.when)
        except ConditionFailed as taken:
            raise Conflict(f"a credential named {username} exists already", username=username) from taken
        return credential

    def opening(self, instance: Instance, username: str, password: str) -> list[Write]:
        """What a new instance's transaction holds for this room. Raises Invalid naming each bad field."""
        return [store.creation(self._new(instance, username, password, "primary"))]

    def unfit_username(self, username: str) -> str:
        """Why a person's first credential cannot be named so, "" if it can."""
        try:
            require_new(username, "any password")
            require_robot_name(username)
        except Invalid as refused:
            return refused.message
        return ""

    def reset_password(self, instance_id: str, username: str, password: str) -> Credential:
        """Ends the old password and all tokens at once. Raises Invalid, NotFound, Conflict if another was first."""
        require_new(username, password)
        seen = self.get(instance_id, username)
        return self._replace(seen, password_hash=hash_password(password), generated_hash="")

    def regenerate_password(self, instance_id: str, username: str) -> NewSecret:
        """The same with a password that nobody chose. Raises NotFound, Conflict if another was first."""
        seen, password = self.get(instance_id, username), new_password()
        if seen.kind == "primary":
            # People may keep it as they keep their own, so it is hashed as theirs are (G3).
            return NewSecret(self._replace(seen, password_hash=hash_password(password), generated_hash=""), password)
        stored = generated_hash(self._keyring, instance_id, username, password)
        return NewSecret(self._replace(seen, password_hash="", generated_hash=stored), password)

    def get(self, instance_id: str, username: str) -> Credential:
        """As the table has it. Raises NotFound."""
        credential = store.load(self._stack.table, instance_id, username) if is_username(username) else None
        if credential is None:
            raise missing()
        return credential

    def recall(self, instance: Instance, authorization: str | None, *, fresh: bool = False) -> Principal | None:
        """Who sends this Authorization header, where that costs no password hash; None where it would: then call
        `authenticate` in a worker thread. Raises Unauthenticated."""
        if authorization is None:
            return ANONYMOUS
        given = parse_authorization(authorization)
        if isinstance(given, BasicPair):
            if is_access_key(given.username):
                return None
            return self._logins.recall(instance.id, given.username, given.password, fresh)
        return self.bearer(instance, given.text, fresh=fresh)

    def authenticate(
        self, instance: Instance, authorization: str | None, address: str, *, fresh: bool = False
    ) -> Principal:
        """Who sends this Authorization header; nobody without one. Raises Unauthenticated, Throttled, Unavailable."""
        if authorization is None:
            return ANONYMOUS
        given = parse_authorization(authorization)
        if isinstance(given, BasicPair):
            return self.basic(instance, given.username, given.password, address, fresh=fresh)
        return self.bearer(instance, given.text, fresh=fresh)

    def basic(
        self, instance: Instance, username: str, password: str, address: str, *, fresh: bool = False
    ) -> Principal:
        """Who has this user name and password; may take 30 ms and more. Raises as `authenticate`."""
        if is_access_key(username):
            return self._members.login(instance, username, password, address)
        return self._logins.check(instance.id, username, password, address, fresh)

    def bearer(self, instance: Instance, token: str, *, fresh: bool = False) -> Principal:
        """Who a token was given to, narrowed to its grants.

        fresh   reads the credential's version from the table itself: for pushes and deletes, which a revoked
                token must not do even on a gateway that has not heard of it yet
        Raises Unauthenticated.
        """
        verified = self._verified(token)
        principal = verified.principal
        of_this_instance = verified.instance_id == instance.id
        unexpired = self._stack.clock.now().timestamp() < verified.until
        current = self._as_it_stands(instance.id, principal, fresh) if of_this_instance and unexpired else None
        if current is not None:
            return current
        raise Unauthenticated("the token is not valid here, or not any more; ask for a new one")

    def audience(self, authorization: str | None) -> str:
        """The id of the instance that a token in this header is for, "" where the header tells nothing of it."""
        try:
            given = parse_authorization(authorization) if authorization is not None else None
            return self._verified(given.text).instance_id if isinstance(given, BearerToken) else ""
        except Unauthenticated:
            return ""

    def foreseen(self, instance_id: str, authorization: str | None) -> list[Knowledge[Any]]:
        """What `authenticate` will ask of memory for this header."""
        try:
            given = parse_authorization(authorization) if authorization is not None else None
            if isinstance(given, BasicPair):
                known = is_username(given.username) and not is_access_key(given.username)
                return [_standing_of(instance_id, given.username)] if known else []
            principal = self._verified(given.text).principal if given else ANONYMOUS
        except Unauthenticated:
            return []
        if principal.key_id:
            return self._members.foreseen(principal)
        return [] if principal.anonymous else [_standing_of(instance_id, principal.name)]

    def _verified(self, token: str) -> VerifiedToken:
        """Raises Unauthenticated."""
        verified = self._tokens.get(token)
        if verified is None:
            now = self._stack.clock.now()
            verified = self._signer.verify(token, now)
            # They live for minutes: room for all of a day's would never be given back.
            self._tokens.forget_oldest(lambda held: held.until <= now.timestamp())
            self._tokens.put(token, verified)
        return verified

    def issue(self, instance: Instance, principal: Principal, grants: Sequence[Grant]) -> Token:
        """A token for what was decided; asks nobody whether it may be."""
        return self._signer.sign(instance.id, principal, grants, self._stack.clock.now())

    def refresh_token(self, principal: Principal) -> str:
        return refresh.write(self._keyring, principal, self._stack.clock.now())

    def redeem(self, instance: Instance, refresh_token: str) -> Principal:
        """Who a refresh token was given to. Raises Unauthenticated, also after the password was changed."""
        claim = refresh.read(self._keyring, instance.id, refresh_token, self._stack.clock.now())
        if is_access_key(claim.username):
            return self._members.holder(instance, claim.username, claim.version)
        credential = store.load(self._stack.table, instance.id, claim.username)
        now = self._stack.clock.now().timestamp()
        if credential is None or credential.standing.version_at(now) != claim.version:
            raise refresh.refused()
        return credential.principal

    def _as_it_stands(self, instance_id: str, principal: Principal, fresh: bool) -> Principal | None:
        """Who holds a token now; None once its credential is over. What a robot may do is told by its credential."""
        if principal.anonymous:
            return principal
        if principal.key_id:
            return self._members.as_it_stands(principal, fresh=fresh)
        standing = self._standing(instance_id, principal.name, fresh)
        if standing.version_at(self._stack.clock.now().timestamp()) != principal.version:
            return None
        if standing.allowed is None and not standing.until:
            return principal
        return replace(principal, allowed=standing.allowed, until=standing.until)

    def _current_version(self, instance_id: str, username: str, fresh: bool) -> int:
        return self._standing(instance_id, username, fresh).version_at(self._stack.clock.now().timestamp())

    def _standing(self, instance_id: str, username: str, fresh: bool) -> Standing:
        if fresh:
            credential = store.load(self._stack.table, instance_id, username)
            return credential.standing if credential else Standing()
        return self._stack.memory.know(_standing_of(instance_id, username))

    def _replace(self, seen: Credential, *, password_hash: str, generated_hash: str) -> Credential:
        now = self._stack.clock.now()
        wanted = seen.model_copy(
            update={"password_hash": password_hash, "generated_hash": generated_hash, "changed_at": now}
        )
        try:
            return store.set_password(self._stack.table, seen, wanted)
        except ConditionFailed as moved:
            raise Conflict("the credential was changed by somebody else meanwhile", username=seen.username) from moved

    def _new(self, instance: Instance, username: str, password: str, kind: Kind) -> Credential:
        require_new(username, password)
        now = self._stack.clock.now()
        return Credential(
            instance_id=instance.id,
            username=username,
            kind=kind,
            password_hash=hash_password(password),
            version=1 + secrets.randbelow(2**48),
            created_at=now,
            changed_at=now,
        )


def _standing_of(instance_id: str, username: str) -> Knowledge[Standing]:
    key = keys.credential(instance_id, username)

    def made(found: Mapping[Key, Item]) -> Standing:
        credential = store.read(found.get(key))
        return credential.standing if credential else Standing()

    return Knowledge(("credential standing", instance_id, username), (key,), made)
