"""What an account holds: records of the account itself, its people, their sessions and access keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.kernel.moment import Moment
from chalicelib.kernel.roles import Role

AccountName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,28}[a-z0-9]$")]
Username = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
# suspended: nobody of the account gets in, what it stores stays.
AccountState = Literal["running", "suspended"]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = 1


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
