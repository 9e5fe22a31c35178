"""The door of the room: accounts, their users, and who sends a request of the management API (G5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from chalicelib.identity import oidc_code
from chalicelib.identity.oidc import Claims, use_once
from chalicelib.identity.service import Identity
from chalicelib.kernel.errors import Conflict, Invalid, NotFound, Unauthenticated
from chalicelib.kernel.paging import Page
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import Role
from chalicelib.ports.memory import Knowledge
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, TransactionCancelled, Write

from . import store
from .access_keys import AccessKeys, NewAccessKey, is_access_key
from .models import Account, AccountState, OidcProvider, OidcSignIn, User, is_account_name, is_username
from .providers import client_of, name_in, provided, refused, vouched
from .sessions import Sessions, SignedIn
from .users import Users, chosen, new_user

__all__ = ["Accounts", "is_access_key"]

_LONGEST_TOKEN: Final = 256
_WRONG: Final = "the user name or the password is wrong"
_MISSING: Final = "there is no such account"


class Accounts:
    """
    users         the people of an account
    access_keys   what their programs sign in with
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._identity = Identity(stack)
        self._sessions = Sessions(stack, self._identity)
        self.access_keys = AccessKeys(stack, self._identity)
        self.users = Users(stack, self._identity, self.access_keys)

    # Accounts: the operator's own -------------------------------------------------------------------------------

    def create(self, account_id: str) -> Account:
        """One without users yet. Raises Conflict if the name is taken."""
        account = Account(id=account_id, created_at=self._stack.clock.now())
        return self._create(account, [])

    def open(self, account_id: str, username: str, password: str, *, operator: bool = False) -> Account:
        """An account and its first owner, both or neither. Raises Conflict, Invalid naming `password`."""
        return self.open_with_hash(account_id, username, chosen(username, password), operator=operator)

    def open_with_hash(self, account_id: str, username: str, password_hash: str, *, operator: bool = False) -> Account:
        """The same where the password is known by its hash alone."""
        now = self._stack.clock.now()
        owner = new_user(account_id, username, password_hash, Role.OWNER, now, operator=operator)
        return self._create(Account(id=account_id, owners=1, created_at=now), [store.new_user(owner)])

    def get(self, account_id: str) -> Account:
        """Raises NotFound."""
        account = store.account(self._stack.table, account_id) if is_account_name(account_id) else None
        if account is None:
            raise NotFound(_MISSING)
        return account

    def page(self, cursor: str | None, limit: int, *, search: str = "", descending: bool = False) -> Page[Account]:
        """By name. search: text that the name holds. Raises Invalid naming `cursor`."""
        if not search:
            return store.accounts(self._stack.table, cursor, limit, descending=descending)
        if cursor is not None and not is_account_name(cursor):
            raise Invalid("cursor", "is not `next` of a page of this list")
        return store.accounts_found(self._stack.table, search, cursor, limit, descending=descending)

    def set_state(self, account_id: str, state: AccountState) -> Account:
        """Suspending ends every session of the account at once, and its access keys sleep. Raises NotFound."""
        seen = self.get(account_id)
        if seen.state == state:
            return seen
        return self._change(account_id, {"state": state}, ends_sessions=True)

    def set_oidc(self, account_id: str, oidc: OidcSignIn | None, secret: str | None = None) -> Account:
        """Whose id tokens its people may sign in with. secret: of the client there; "" for none, None for the one that
        is kept. Raises NotFound, Invalid naming `oidc.issuer`."""
        held = self.get(account_id).oidc
        wanted = None if oidc is None else provided(self._stack, account_id, oidc, held, secret)
        # Without what it does not say: code from before there were secrets reads a provider that has none.
        kept = wanted.model_dump(exclude_defaults=True) if wanted else None
        return self._change(account_id, {"oidc": kept}, ends_sessions=False)

    # Signing in ---------------------------------------------------------------------------------------------------

    def sign_in(self, account_id: str, username: str, password: str, address: str) -> SignedIn:
        """A session for who knows the password.

        Raises Unauthenticated, alike for whatever is wrong; Throttled; Denied where the account is suspended, which
        only those learn who know a password.
        """
        found: list[User] = []

        def password_hash() -> str | None:
            user = store.user(self._stack.table, account_id, username)
            found.extend([user] if user else [])
            return user.password_hash if user else None

        self._identity.prove(f"account {account_id}", username, password, address, password_hash)
        account = store.account(self._stack.table, account_id)
        if not found or account is None:
            raise Unauthenticated(_WRONG)
        # Of the user as it was when the password was compared: a change since then ends the session before it begins.
        return self._sessions.open(found[0], account)

    def sign_in_with_token(self, account_id: str, id_token: str) -> SignedIn:
        """A session for whom the account's identity provider vouches, as a user there is already.

        Raises Unauthenticated, alike for whatever is wrong; Denied where the account is suspended; Unavailable where
        the provider does not tell its keys.
        """
        account, provider = self._trusting(account_id)
        return self._signed_in(account, provider, vouched(self._stack, provider, id_token))

    def sign_in_with_code(
        self, account_id: str, code: str, *, redirect_uri: str, verifier: str, nonce: str
    ) -> SignedIn:
        """The same for a code that the provider gave a browser, whose token has to bear the nonce. Raises as above."""
        account, provider = self._trusting(account_id)
        client = client_of(self._stack, account_id, provider)
        token = oidc_code.exchanged(self._stack, client, code=code, redirect_uri=redirect_uri, verifier=verifier)
        claims = vouched(self._stack, provider, token)
        if claims.get("nonce") != nonce:
            raise refused()
        return self._signed_in(account, provider, claims)

    def authorization_address(
        self, account_id: str, *, redirect_uri: str, state: str, nonce: str, challenge: str
    ) -> str:
        """Where a browser signs in at the account's provider. Raises NotFound, Unavailable."""
        try:
            _, provider = self._trusting(account_id)
        except Unauthenticated as untrusting:
            raise NotFound("no identity provider is set up for this account; sign in with a password") from untrusting
        client = client_of(self._stack, account_id, provider)
        return oidc_code.authorization_address(
            self._stack,
            client,
            claim=provider.claim,
            redirect_uri=redirect_uri,
            state=state,
            nonce=nonce,
            challenge=challenge,
        )

    def _trusting(self, account_id: str) -> tuple[Account, OidcProvider]:
        """The account, and whose tokens it believes. Raises Unauthenticated."""
        account = store.account(self._stack.table, account_id) if is_account_name(account_id) else None
        if account is None or account.oidc is None:
            raise refused()
        return account, account.oidc

    def _signed_in(self, account: Account, provider: OidcProvider, claims: Claims) -> SignedIn:
        account_id, name = account.id, name_in(claims, provider)
        user = store.user(self._stack.table, account_id, name) if is_username(name) else None
        if user is None:
            raise refused()
        use_once(self._stack, claims)
        return self._sessions.open(user, account)

    def sign_out(self, token: str) -> None:
        """Ends the session at once; nothing for one that is over."""
        self._sessions.close(token)

    def authenticate(self, authorization: str | None, address: str) -> Principal:
        """Who sends this Authorization header to the management API: a session's token or `<key id>.<secret>`.

        Raises Unauthenticated; Throttled for who guesses secrets of access keys.
        """
        scheme, _, token = (authorization or "").strip(" ").partition(" ")
        token = token.strip(" ")
        if scheme.lower() != "bearer" or not token.isascii() or not 0 < len(token) <= _LONGEST_TOKEN:
            raise Unauthenticated("sign in first: POST /api/v1/session, then send Authorization: Bearer <token>")
        key_id, dot, secret = token.partition(".")
        if dot and is_access_key(key_id):
            return self.by_access_key(key_id, secret, address)
        return self._sessions.principal(token)

    # Users and access keys ----------------------------------------------------------------------------------------

    def create_user(self, account_id: str, username: str, password: str, role: Role, *, operator: bool = False) -> User:
        """Raises Conflict if the account has a user of that name, NotFound without the account, Invalid."""
        password_hash = chosen(username, password)
        now = self._stack.clock.now()
        return self.users.create(new_user(account_id, username, password_hash, role, now, operator=operator))

    def change_own_password(self, by: Principal, token: str, present: str, new: str, address: str) -> None:
        """The session of this token goes on, all others of the user end. Raises as `Users.change_own_password`."""
        self.users.change_own_password(by, self._sessions.hash(token), present, new, address)

    def create_access_key(
        self, account_id: str, username: str, remark: str = "", expires_at: datetime | None = None
    ) -> NewAccessKey:
        """For a user of the account. The secret is in the answer and nowhere else. Raises NotFound."""
        return self.access_keys.create(account_id, username, remark, expires_at)

    def by_access_key(self, key_id: str, secret: str, address: str) -> Principal:
        """Who holds the key: `account_id` and `name` of its user, and a version that `access_key_holder` tells too.

        address   of the client, for throttling wrong secrets
        Raises Unauthenticated, in the same words whatever is wrong; Throttled.
        """
        return self.access_keys.verify(key_id, secret, address)

    def access_key_holder(self, key_id: str, *, fresh: bool = False) -> Principal | None:
        """Who holds the key now; None once the key, its user or its account is over, or its time.

        fresh   reads the table itself; else from memory, which forgets at once on one machine, within 5 s on several
        """
        return self.access_keys.holder(key_id, fresh=fresh)

    def access_key_knowledge(self, key_id: str, account_id: str, username: str) -> Knowledge[Any]:
        """What `access_key_holder` asks of memory, for a key that is likely this user's."""
        return self.access_keys.knowledge(key_id, account_id, username)

    def _create(self, account: Account, more: list[Write]) -> Account:
        try:
            self._stack.table.transact([*store.new_account(account), *more])
        except TransactionCancelled as taken:
            raise Conflict(f"an account named {account.id} exists already", account=account.id) from taken
        return account

    def _change(self, account_id: str, changes: dict[str, object], *, ends_sessions: bool) -> Account:
        try:
            return store.change_account(self._stack.table, account_id, changes, ends_sessions=ends_sessions)
        except ConditionFailed as gone:
            raise NotFound(_MISSING) from gone
