"""What clients send to the room's endpoints, and what they see of its records."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from chalicelib.kernel.moment import Moment
from chalicelib.kernel.roles import Role


class Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


class SignIn(Input):
    account: Annotated[str, Field(max_length=64)] = "default"
    username: Annotated[str, Field(max_length=128)]
    password: SecretStr


class SessionAnswer(View):
    """token: for `Authorization: Bearer`; shown this once."""

    token: str
    expires_at: Moment
    account: str
    username: str
    role: Role
