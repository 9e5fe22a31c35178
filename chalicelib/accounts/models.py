"""What an account holds, and what its people may say and see of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from chalicelib.kernel.moment import Moment
from chalicelib.kernel.roles import Role

AccountName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,28}[a-z0-9]$")]
Username = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = 1


class Account(Record):
    """id: its name, unique in the service and fixed for ever."""

    id: str
    created_at: Moment


class User(Record):
    """version: starts at random and rises with each change of password or role, which ends the user's sessions."""

    account_id: str
    username: str
    role: Role
    operator: bool = False
    password_hash: str
    version: int
    created_at: Moment
    changed_at: Moment


class Session(Record):
    """user_version: of the user when it began; expires: seconds since 1970."""

    account_id: str
    username: str
    user_version: int
    created_at: Moment
    expires: int


class AccessKey(Record):
    """For programs. It may do what its user may, and ends with its user. secret_hash: keyed, of 256 random bits."""

    id: str
    account_id: str
    username: str
    secret_hash: str
    remark: str = ""
    created_at: Moment
    expires_at: Moment | None = None


class SignIn(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    account: Annotated[str, Field(max_length=64)] = "default"
    username: Annotated[str, Field(max_length=128)]
    password: SecretStr


class SessionAnswer(BaseModel):
    """token: for `Authorization: Bearer`; shown this once."""

    token: str
    expires_at: Moment
    account: str
    username: str
    role: Role
