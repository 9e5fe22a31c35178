"""What environments, services and versions are, as the table keeps them.

life   of a record: an id that a later one of the same name does not have, so that nothing comes into the wrong one
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from chalicelib.kernel.modelling import KEPT
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import Digest, NamespaceName, RepositoryName, TagName

from .names import EnvironmentName, ServiceName, VersionName

# default: the repository that is made for the service; existing: one that was chosen.
Mode = Literal["default", "existing"]


class Record(BaseModel):
    model_config = KEPT

    account_id: str
    created_at: Moment
    created_by: str
    schema_version: int = 1


class Environment(Record):
    """instance: its name when the environment was made; namespace: where default repositories are. services: how many,
    kept in the transactions that change it."""

    name: EnvironmentName
    life: str
    remark: str = ""
    instance_id: str
    instance: str
    namespace: NamespaceName
    services: int = 0


class Service(Record):
    """
    repository   as it was called when it was bound; repository_id is what it is bound to
    reused       the default repository was there already
    versions     how many, kept in the transactions that change it
    deleting     it is being deleted with its versions: no new one comes
    """

    environment: EnvironmentName
    name: ServiceName
    life: str
    remark: str = ""
    mode: Mode
    reused: bool = False
    instance_id: str
    instance: str
    repository: RepositoryName
    repository_id: str
    versions: int = 0
    deleting: bool = False


class Version(Record):
    """digest: what the tag pointed to when the version was made."""

    environment: EnvironmentName
    service: ServiceName
    name: VersionName
    life: str
    repository_id: str
    tag: TagName
    digest: Digest


class Use(BaseModel):
    """That a version names a tag."""

    model_config = KEPT

    environment: str
    service: str
    version: str

    def __str__(self) -> str:
        return f"{self.environment}/{self.service}/{self.version}"
