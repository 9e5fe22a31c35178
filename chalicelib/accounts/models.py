"""What an account holds: records of the account itself, its people, their sessions and access keys."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from chalicelib.kernel.modelling import GIVEN, KEPT
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.roles import Role

_ACCOUNT_NAME: Final = r"[a-z][a-z0-9-]{0,28}[a-z0-9]"
_USERNAME: Final = r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}"
AccountName = Annotated[str, Field(pattern=f"^{_ACCOUNT_NAME}$")]
Username = Annotated[str, Field(pattern=f"^{_USERNAME}$")]
# suspended: nobody of the account gets in, what it stores stays.
AccountState = Literal["running", "suspended"]


class Record(BaseModel):
    model_config = KEPT

    schema_version: int = 1


def is_account_name(text: str) -> bool:
    return re.fullmatch(_ACCOUNT_NAME, text, re.ASCII) is not None


def is_username(text: str) -> bool:
    return re.fullmatch(_USERNAME, text, re.ASCII) is not None


class OidcSignIn(BaseModel):
    """Whose id tokens the account's people may sign in with.

    issuer      https URL whose discovery document names the keys
    client_id   what the token must be for: its audience
    claim       which of the token's claims is the user name; an email must be a verified one
    """

    model_config = GIVEN

    issuer: Annotated[str, Field(min_length=8, max_length=500, pattern=r"^https?://[^\s?#]+$")]
    client_id: Annotated[str, Field(min_length=1, max_length=200)]
    claim: Annotated[str, Field(min_length=1, max_length=100)] = "email"


class OidcProvider(OidcSignIn):
    """The same as it is kept. sealed_secret: what the service says to the provider's token endpoint, sealed; "" for a
    client without a secret."""

    model_config = KEPT

    sealed_secret: str = ""


class Account(Record):
    """
    id        its name, unique in the service and fixed for ever
    version   rises with each change of state, which ends every session of the account
    owners    how many of its users are owners; kept in the transactions that change it
    """

    id: str
    state: AccountState = "running"
    version: int = 1
    owners: int = 0
    oidc: OidcProvider | None = None
    created_at: Moment


class User(Record):
    """
    id        of this one life of the name: a user made anew under it has none of the old one's access keys
    version   starts at random and rises with each change of password or role, which ends the user's sessions
    """

    id: str
    account_id: str
    username: str
    role: Role
    operator: bool = False
    password_hash: str
    version: int
    created_at: Moment
    changed_at: Moment


class Session(Record):
    """user_version, account_version: as they were when it began; expires: seconds since 1970."""

    account_id: str
    username: str
    user_version: int
    account_version: int
    created_at: Moment
    expires: int


class AccessKey(Record):
    """For programs. It may do what its user may, and ends with its user.

    user_id       the life of the user it belongs to
    secret_hash   keyed, of 256 random bits
    version       starts at random and rises with each change, which ends registry tokens made with the key
    """

    id: str
    account_id: str
    username: str
    user_id: str
    secret_hash: str
    version: int
    enabled: bool = True
    remark: str = ""
    created_at: Moment
    changed_at: Moment
    expires_at: Moment | None = None
