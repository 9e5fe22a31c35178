"""What clients send to the room's endpoints, and what they see of its records."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_core.core_schema import ValidationInfo

from chalicelib.edge.answers import ListQuery, SearchQuery, Sorting
from chalicelib.identity.oidc import LONGEST_TOKEN
from chalicelib.identity.passwords import weakness
from chalicelib.kernel.modelling import GIVEN, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.roles import RIGHTS, Right, Role

from .models import AccessKey, Account, AccountName, AccountState, OidcProvider, OidcSignIn, User, Username

Remark = Annotated[str, Field(max_length=200)]
RedirectUri = Annotated[str, Field(max_length=500, pattern=r"^https?://[^\s#]+$")]
# Of 128 random bits at least.
Proof = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22,128}$")]


class Input(BaseModel):
    model_config = GIVEN


class View(BaseModel):
    model_config = MADE


class WithNewPassword(Input):
    """password: 12–1024 bytes, more than the user name, a row of keys or the commonest words."""

    @field_validator("password", check_fields=False)
    @classmethod
    def not_weak(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        wrong = weakness(password.get_secret_value(), info.data.get("username", "")) if password else ""
        if wrong:
            raise ValueError(wrong)
        return password


class Authorization(Input):
    """What a browser brings back from the account's identity provider (OpenID Connect, authorization code flow).

    code           as the provider gave it
    redirect_uri   to which it gave it, as it was asked for
    code_verifier  whose SHA-256 was the `code_challenge`
    nonce          that the id token has to bear
    """

    code: Annotated[SecretStr, Field(min_length=1, max_length=4096)]
    redirect_uri: RedirectUri
    code_verifier: Annotated[SecretStr, Field(min_length=43, max_length=128)]
    nonce: Proof


class AuthorizationQuery(Input):
    """As in OpenID Connect. code_challenge: SHA-256 of the code_verifier, in base64url."""

    account: Annotated[str, Field(max_length=64)] = "default"
    redirect_uri: RedirectUri
    state: Proof
    nonce: Proof
    code_challenge: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]


class AuthorizationView(View):
    """url: where the browser goes to sign in."""

    url: str


class SignIn(Input):
    """Either username and password, or an id_token of the account's identity provider, or an authorization by it."""

    account: Annotated[str, Field(max_length=64)] = "default"
    id_token: Annotated[SecretStr, Field(max_length=LONGEST_TOKEN)] | None = None
    authorization: Authorization | None = None
    username: Annotated[str, Field(max_length=128, validate_default=True)] = ""
    password: Annotated[SecretStr | None, Field(validate_default=True)] = None

    @field_validator("username", "password")
    @classmethod
    def instead_of_a_token(cls, given: Any, info: ValidationInfo) -> Any:
        text = given.get_secret_value() if isinstance(given, SecretStr) else given
        vouched_for = info.data.get("id_token") is not None or info.data.get("authorization") is not None
        if not vouched_for and not text:
            raise ValueError("is needed, or an id_token")
        if vouched_for and text:
            raise ValueError("goes without an id_token")
        return given


class SessionAnswer(View):
    """token: for `Authorization: Bearer`; shown this once."""

    token: str
    expires_at: Moment
    account: str
    username: str
    role: Role


class NewUser(WithNewPassword):
    username: Username
    password: SecretStr
    role: Role


class UserEdit(WithNewPassword):
    """Only what is to change."""

    role: Role | None = None
    password: SecretStr | None = None


class OwnPassword(WithNewPassword):
    current_password: SecretStr
    password: SecretStr


class UserView(View):
    """operator: runs this service."""

    username: str
    role: Role
    operator: bool
    created_at: Moment
    changed_at: Moment

    @classmethod
    def of(cls, user: User) -> Self:
        return cls.model_validate(user.model_dump())


class MeView(UserView):
    """rights: what the role allows, as the table of roles names it."""

    account: str
    rights: tuple[Right, ...]

    @classmethod
    def of(cls, user: User) -> Self:
        held = [right for right in Right if right in RIGHTS[user.role] or (right is Right.OPERATE and user.operator)]
        return cls.model_validate({**user.model_dump(), "account": user.account_id, "rights": held})


class UserQuery(SearchQuery):
    """sort: by name, up or down."""

    sort: Sorting = "name"


class AccountQuery(SearchQuery):
    """sort: by name, up or down."""

    sort: Sorting = "name"


class AccessKeyQuery(ListQuery):
    """username: only keys of this user; search: only those whose id, user or remark holds this text; sort: by when they
    were made, up or down."""

    search: Annotated[str, Field(max_length=255)] = ""
    sort: Literal["created_at", "-created_at"] = "created_at"
    username: Annotated[str, Field(max_length=64)] = ""


class NewAccessKey(Input):
    """expires_at: without it the key lives until it is deleted."""

    remark: Remark = ""
    expires_at: Moment | None = None


class AccessKeyEdit(Input):
    """Only what is to change. expires_at: null for a key that lives until it is deleted."""

    remark: Remark = ""
    enabled: bool = True
    expires_at: Moment | None = None


class AccessKeyView(View):
    """id: at the registry the user name, with the secret as password."""

    id: str
    username: str
    remark: str
    enabled: bool
    created_at: Moment
    changed_at: Moment
    expires_at: Moment | None

    @classmethod
    def of(cls, key: AccessKey) -> Self:
        return cls.model_validate(key.model_dump())


class NewAccessKeyAnswer(AccessKeyView):
    """secret: shown this once. At the API: `Authorization: Bearer <id>.<secret>`."""

    secret: str


class NewAccount(WithNewPassword):
    """An account and its first owner."""

    name: AccountName
    username: Username
    password: SecretStr


class OidcEdit(OidcSignIn):
    """client_secret: for sign-in in the browser, where the provider gave the client one; never shown again. Left out,
    it stays as long as issuer and client_id do; null takes it away."""

    client_secret: Annotated[SecretStr, Field(min_length=1, max_length=1000)] | None = None

    @property
    def plain(self) -> OidcSignIn:
        return OidcSignIn.model_validate(self.model_dump(exclude={"client_secret"}))


class OidcView(OidcSignIn):
    """has_secret: a client_secret is kept."""

    has_secret: bool

    @classmethod
    def of(cls, provider: OidcProvider) -> Self:
        told = provider.model_dump(exclude={"sealed_secret"})
        return cls.model_validate({**told, "has_secret": bool(provider.sealed_secret)})


class AccountEdit(Input):
    """Only what is to change. oidc: whose id tokens the account's people may sign in with; null for nobody's."""

    state: AccountState | None = None
    oidc: OidcEdit | None = None


class AccountView(View):
    """owners: how many of its users are owners."""

    name: str
    state: AccountState
    owners: int
    oidc: OidcView | None
    created_at: Moment

    @classmethod
    def of(cls, account: Account) -> Self:
        oidc = OidcView.of(account.oidc) if account.oidc else None
        return cls.model_validate({**account.model_dump(), "name": account.id, "oidc": oidc})
