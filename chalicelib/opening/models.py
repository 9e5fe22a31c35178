"""What is said of an instance to be opened."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, SecretStr
from pydantic_core import CoreSchema

from chalicelib.billing.models import Months, Packs
from chalicelib.instances.models import Edition
from chalicelib.kernel.modelling import GIVEN
from chalicelib.kernel.names import InstanceName


class Form(BaseModel):
    """
    name              2–30 of a–z, 0–9 and -, from a letter; unique in the account and fixed for ever
    bucket            one of the account's buckets; only for the enterprise edition, and needed there
    username          of the first registry credential, with its password
    months            how long it is paid for; only for the enterprise edition, and needed there
    auto_renew        prolong it by a month before each expiry
    namespace_packs   each adds 5 namespaces; repository_packs: each adds 1000 repositories
    """

    model_config = GIVEN

    name: InstanceName
    edition: Edition
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = None
    username: Annotated[str, Field(max_length=64)]
    password: SecretStr
    months: Months | None = None
    auto_renew: bool = False
    namespace_packs: Packs = 0
    repository_packs: Packs = 0


class NewInstance(BaseModel):
    """Taken as it comes, and read as a `Form` together with what the account has: so that a name that is taken is told
    of in the same answer as a number of months that is none."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**Form.model_json_schema(), "title": cls.__name__}

    @property
    def given(self) -> dict[str, Any]:
        return dict(self.model_extra or {})
