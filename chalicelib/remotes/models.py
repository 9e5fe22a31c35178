"""What a remote is: a registry elsewhere, by a name of the instance's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, SecretStr

from chalicelib.edge.answers import SearchQuery
from chalicelib.kernel.modelling import GIVEN, KEPT, MADE
from chalicelib.kernel.moment import Moment

MOST_REMOTES: Final = 50

_Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_Address = Annotated[str, Field(min_length=1, max_length=255)]
_Username = Annotated[str, Field(max_length=255, pattern=r"^[^:\x00-\x1f\x7f]*$")]
_Password = Annotated[SecretStr, Field(max_length=4096)]
_Remark = Annotated[str, Field(max_length=255)]


class NewRemote(BaseModel):
    """address: `https://registry.example` or `registry.example:5000`; over plain HTTP only where the operator allows
    calls into private networks. username, password: empty where it asks for none; the password is never shown again."""

    model_config = GIVEN

    name: _Name
    address: _Address
    username: _Username = ""
    password: _Password = SecretStr("")
    remark: _Remark = ""


class RemoteEdit(BaseModel):
    """What is left out stays as it is, but for the password, which does not go along to another address: say it
    again."""

    model_config = GIVEN

    name: _Name | None = None
    address: _Address | None = None
    username: _Username | None = None
    password: _Password | None = None
    remark: _Remark | None = None


class Remote(BaseModel):
    """
    scheme, host   where it is called; host: with its port, if it has one of its own
    sealed         its password, as `identity.sealing` keeps it; "" for none
    used_by        rules that bring something there: id → name
    version        raised by every change; the fence of the next
    """

    model_config = KEPT

    id: str
    instance_id: str
    name: str
    scheme: str
    host: str
    username: str = ""
    sealed: Annotated[str, Field(repr=False)] = ""
    remark: str = ""
    used_by: Mapping[str, str] = Field(default_factory=dict)
    created_at: Moment
    created_by: str
    version: int = 1
    schema_version: int = 1

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}"


class RemoteView(BaseModel):
    """A remote as the API shows it. used_by: ids of the rules that bring something there."""

    model_config = MADE

    id: str
    name: str
    address: str
    username: str
    has_password: bool
    remark: str
    used_by: tuple[str, ...]
    created_at: Moment
    created_by: str

    @classmethod
    def of(cls, remote: Remote) -> RemoteView:
        fields = remote.model_dump(include={"id", "name", "username", "remark", "created_at", "created_by"})
        return cls(
            address=remote.origin, has_password=bool(remote.sealed), used_by=tuple(sorted(remote.used_by)), **fields
        )


class RemoteQuery(SearchQuery):
    """search: only remotes whose name, address or remark holds this text; sort: by when they were made, `-` for the
    newest first."""

    sort: Literal["created_at", "-created_at"] = "created_at"


class RemoteTest(BaseModel):
    """What came of trying a remote. result: `ok`; `denied`: it answers, and does not take the login; `unreachable`;
    `no_registry`: something answers that is no registry. message: the same for people."""

    model_config = MADE

    result: Literal["ok", "denied", "unreachable", "no_registry"]
    message: str
    duration_ms: int
