"""Signing in and out, users and access keys, and the operator's accounts."""

from __future__ import annotations

from chalicelib.edge.answers import Created, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.kernel.errors import Conflict, Denied, Invalid, NotFound
from chalicelib.kernel.roles import RIGHTS, Right

from .models import AccessKey
from .service import Accounts
from .shapes import (
    AccessKeyEdit,
    AccessKeyQuery,
    AccessKeyView,
    AccountEdit,
    AccountQuery,
    AccountView,
    AuthorizationQuery,
    AuthorizationView,
    MeView,
    NewAccessKey,
    NewAccessKeyAnswer,
    NewAccount,
    NewUser,
    OwnPassword,
    SessionAnswer,
    SignIn,
    UserEdit,
    UserQuery,
    UserView,
)

routes = Routes("accounts")


@routes.post("/session", needs=None, changes="session.create", secret=True, also=(401, 403, 429))
def sign_in(call: Call, body: SignIn) -> SessionAnswer:
    """Sign in with a user name and a password, or by the account's identity provider.

    The provider's word is an id token, or an authorization: the code that a browser brought from it. Ten wrong
    passwords in five minutes close a user name for a while: 429 with Retry-After. An id token is taken once.
    A session lives for twelve hours; it ends at once with a new password or role, with its user, and while the account
    is suspended.
    """
    call.tell(account_id=body.account, user=body.username)
    accounts = Accounts(call.stack)
    if body.authorization is not None:
        given = body.authorization
        signed_in = accounts.sign_in_with_code(
            body.account,
            given.code.get_secret_value(),
            redirect_uri=given.redirect_uri,
            verifier=given.code_verifier.get_secret_value(),
            nonce=given.nonce,
        )
    elif body.id_token is not None:
        signed_in = accounts.sign_in_with_token(body.account, body.id_token.get_secret_value())
    else:
        password = body.password.get_secret_value() if body.password else ""
        signed_in = accounts.sign_in(body.account, body.username, password, call.request.address)
    call.principal = signed_in.principal
    call.tell(user=signed_in.principal.name)
    return SessionAnswer(
        token=signed_in.token,
        expires_at=signed_in.expires_at,
        account=body.account,
        username=signed_in.principal.name,
        role=signed_in.role,
    )


@routes.get("/session/authorization", needs=None, also=(404,))
def show_authorization(call: Call, query: AuthorizationQuery) -> AuthorizationView:
    """Where a browser goes to sign in with the account's identity provider (OpenID Connect, with PKCE).

    It comes back to `redirect_uri` with `state` and a `code`, which `POST /session` takes as an `authorization`. 404
    where the account has no provider.
    """
    url = Accounts(call.stack).authorization_address(
        query.account,
        redirect_uri=query.redirect_uri,
        state=query.state,
        nonce=query.nonce,
        challenge=query.code_challenge,
    )
    return AuthorizationView(url=url)


@routes.delete("/session", needs=Right.SELF, changes="session.delete")
def sign_out(call: Call) -> None:
    """Sign out: the session ends at once."""
    Accounts(call.stack).sign_out(_token(call))


@routes.get("/me", needs=Right.SELF)
def show_me(call: Call) -> MeView:
    """Who you are, in which account, and what your role allows."""
    return MeView.of(Accounts(call.stack).users.get(call.principal.account_id, call.by))


@routes.patch("/me", needs=Right.SELF, changes="user.update", also=(409, 429))
def change_me(call: Call, body: OwnPassword) -> MeView:
    """Change your own password.

    Asks for the present one. Your other sessions end at once; this one and your access keys go on.
    """
    call.tell(object=call.by)
    _require_session(call)
    accounts = Accounts(call.stack)
    present, new = body.current_password.get_secret_value(), body.password.get_secret_value()
    accounts.change_own_password(call.principal, _token(call), present, new, call.request.address)
    return MeView.of(accounts.users.get(call.principal.account_id, call.by))


@routes.get("/users", needs=Right.READ_USERS)
def list_users(call: Call, query: UserQuery) -> Listing[UserView]:
    """The users of your account, by name."""
    page = Accounts(call.stack).users.page(
        call.principal.account_id, query.search, query.cursor, query.limit, descending=query.sort == "-name"
    )
    return Listing.of(page.map(UserView.of))


@routes.post("/users", needs=Right.CHANGE_USERS, changes="user.create")
def create_user(call: Call, body: NewUser) -> Created[UserView]:
    """Make a user of your account."""
    call.tell(object=body.username)
    password = body.password.get_secret_value()
    user = Accounts(call.stack).create_user(call.principal.account_id, body.username, password, body.role)
    return Created(UserView.of(user), f"/users/{user.username}")


@routes.get("/users/{user}", needs=Right.READ_USERS)
def show_user(call: Call) -> UserView:
    """One user of your account."""
    return UserView.of(Accounts(call.stack).users.get(call.principal.account_id, call.parts["user"]))


@routes.patch("/users/{user}", needs=Right.CHANGE_USERS, changes="user.update", also=(409,))
def change_user(call: Call, body: UserEdit) -> UserView:
    """Give a user another role or a new password, which ends their sessions at once.

    The last owner stays one. Your own password is changed at /me.
    """
    call.tell(object=call.parts["user"])
    password = body.password.get_secret_value() if body.password else None
    return UserView.of(Accounts(call.stack).users.change(call.principal, call.parts["user"], body.role, password))


@routes.delete("/users/{user}", needs=Right.CHANGE_USERS, changes="user.delete", also=(409,))
def delete_user(call: Call) -> None:
    """Delete a user, whose sessions and access keys end at once. The last owner stays."""
    call.tell(object=call.parts["user"])
    Accounts(call.stack).users.delete(call.principal, call.parts["user"])


@routes.get("/access-keys", needs=Right.SELF)
def list_access_keys(call: Call, query: AccessKeyQuery) -> Listing[AccessKeyView]:
    """Your access keys; who may read users sees those of the whole account."""
    username = query.username if _may(call, Right.READ_USERS) else call.by
    if query.username not in ("", username):
        return Listing(items=())
    page = Accounts(call.stack).access_keys.page(
        call.principal.account_id,
        username,
        query.cursor,
        query.limit,
        search=query.search,
        descending=query.sort == "-created_at",
    )
    return Listing.of(page.map(AccessKeyView.of))


@routes.post("/access-keys", needs=Right.SELF, changes="access_key.create", secret=True)
def create_access_key(call: Call, body: NewAccessKey) -> Created[NewAccessKeyAnswer]:
    """Make an access key for your programs.

    It may do what you may, and ends with you. The answer bears its secret, this once. Made from a session: an access
    key cannot make another.
    """
    _require_session(call)
    _require_future(call, body.expires_at is not None, body)
    accounts = Accounts(call.stack)
    made = accounts.create_access_key(call.principal.account_id, call.by, body.remark, body.expires_at)
    call.tell(object=made.key.id)
    view = NewAccessKeyAnswer.model_validate({**made.key.model_dump(), "secret": made.secret})
    return Created(view, f"/access-keys/{made.key.id}")


@routes.get("/access-keys/{key}", needs=Right.SELF)
def show_access_key(call: Call) -> AccessKeyView:
    """One access key, without its secret."""
    return AccessKeyView.of(_access_key(call, Right.READ_USERS))


@routes.patch("/access-keys/{key}", needs=Right.SELF, changes="access_key.update", also=(409,))
def change_access_key(call: Call, body: AccessKeyEdit) -> AccessKeyView:
    """Change an access key's remark or expiry, or switch it off and on. Needs a session."""
    call.tell(object=call.parts["key"])
    key = _access_key(call, Right.CHANGE_USERS)
    _require_session(call)
    _require_future(call, "expires_at" in body.model_fields_set, body)
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    return AccessKeyView.of(Accounts(call.stack).access_keys.change(key, **changes) if changes else key)


@routes.delete("/access-keys/{key}", needs=Right.SELF, changes="access_key.delete")
def delete_access_key(call: Call) -> None:
    """Delete an access key: what uses it is refused at once."""
    call.tell(object=call.parts["key"])
    key = _access_key(call, Right.CHANGE_USERS)
    Accounts(call.stack).access_keys.delete(key.account_id, key.id)


@routes.get("/accounts", needs=Right.OPERATE)
def list_accounts(call: Call, query: AccountQuery) -> Listing[AccountView]:
    """Every account of this service, by name."""
    descending = query.sort == "-name"
    page = Accounts(call.stack).page(query.cursor, query.limit, search=query.search, descending=descending)
    return Listing.of(page.map(AccountView.of))


@routes.post("/accounts", needs=Right.OPERATE, changes="account.create")
def create_account(call: Call, body: NewAccount) -> Created[AccountView]:
    """Make an account and its first owner."""
    call.tell(object=body.name)
    account = Accounts(call.stack).open(body.name, body.username, body.password.get_secret_value())
    return Created(AccountView.of(account), f"/accounts/{account.id}")


@routes.get("/accounts/{account}", needs=Right.OPERATE)
def show_account(call: Call) -> AccountView:
    """One account."""
    return AccountView.of(Accounts(call.stack).get(call.parts["account"]))


@routes.patch("/accounts/{account}", needs=Right.OPERATE, changes="account.update", also=(409,))
def change_account(call: Call, body: AccountEdit) -> AccountView:
    """Suspend an account or let it run again; say whose id tokens its people may sign in with.

    While an account is suspended its sessions are over, its access keys are refused and nobody signs in; what it
    stores stays.
    """
    name = call.parts["account"]
    call.tell(object=name)
    accounts = Accounts(call.stack)
    account = accounts.get(name)
    if body.state == "suspended" and name == call.principal.account_id:
        raise Conflict("this is your own account; you would be locked out")
    if "oidc" in body.model_fields_set:
        account = accounts.set_oidc(name, body.oidc.plain if body.oidc else None, _secret(body))
    if body.state is not None:
        account = accounts.set_state(name, body.state)
    return AccountView.of(account)


def _token(call: Call) -> str:
    return call.request.headers["authorization"].strip(" ").partition(" ")[2].strip(" ")


def _secret(body: AccountEdit) -> str | None:
    """Of an identity provider's client: "" for none, None for the one that is kept."""
    if body.oidc is None or "client_secret" not in body.oidc.model_fields_set:
        return None
    return body.oidc.client_secret.get_secret_value() if body.oidc.client_secret else ""


def _may(call: Call, right: Right) -> bool:
    return call.principal.role is not None and right in RIGHTS[call.principal.role]


def _access_key(call: Call, right: Right) -> AccessKey:
    """One's own, or with the right any of the account. Raises NotFound, in the same words for both."""
    key = Accounts(call.stack).access_keys.get(call.principal.account_id, call.parts["key"])
    if key.username != call.by and not _may(call, right):
        raise NotFound("there is no such access key")
    return key


def _require_session(call: Call) -> None:
    """A program that lost its key must not leave one that lives longer, nor a password."""
    if call.principal.kind != "user":
        raise Denied("an access key cannot do that; sign in with your password")


def _require_future(call: Call, given: bool, body: NewAccessKey | AccessKeyEdit) -> None:
    if given and body.expires_at is not None and body.expires_at <= call.stack.clock.now():
        raise Invalid("expires_at", "must lie ahead")
