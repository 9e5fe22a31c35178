"""What clients send to the room's endpoints, and what they see of its records."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_core.core_schema import ValidationInfo

from chalicelib.edge.answers import ListQuery
from chalicelib.identity.oidc import LONGEST_TOKEN
from chalicelib.identity.passwords import weakness
from chalicelib.kernel.modelling import GIVEN, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.roles import RIGHTS, Right, Role

from .models import AccessKey, Account, AccountName, AccountState, OidcSignIn, User, Username

Remark = Annotated[str, Field(max_length=200)]


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


class SignIn(Input):
    """Either username and password, or an id_token of the account's identity provider."""

    account: Annotated[str, Field(max_length=64)] = "default"
    id_token: Annotated[SecretStr, Field(max_length=LONGEST_TOKEN)] | None = None
    username: Annotated[str, Field(max_length=128, validate_default=True)] = ""
    password: Annotated[SecretStr | None, Field(validate_default=True)] = None

    @field_validator("username", "password")
    @classmethod
    def instead_of_a_token(cls, given: Any, info: ValidationInfo) -> Any:
        text = given.get_secret_value() if isinstance(given, SecretStr) else given
        if info.data.get("id_token") is None and not text:
            raise ValueError("is needed, or an id_token")
        if info.data.get("id_token") is not None and text:
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


class AccessKeyQuery(ListQuery):
    """username: only keys of this user."""

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


class AccountEdit(Input):
    """Only what is to change. oidc: whose id tokens the account's people may sign in with; null for nobody's."""

    state: AccountState | None = None
    oidc: OidcSignIn | None = None


class AccountView(View):
    """owners: how many of its users are owners."""

    name: str
    state: AccountState
    owners: int
    oidc: OidcSignIn | None
    created_at: Moment

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls.model_validate({**account.model_dump(), "name": account.id})
