"""What a namespace is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from chalicelib.kernel.modelling import GIVEN, KEPT, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import NamespaceName

Visibility = Literal["public", "private"]


class NamespaceEdit(BaseModel):
    """What may be changed later. None leaves a setting as it is."""

    model_config = GIVEN

    auto_create_repository: bool | None = None
    default_visibility: Visibility | None = None
    acceleration: bool | None = None
    scan_on_push: bool | None = None
    allow_sparse_indexes: bool | None = None


class NewNamespace(BaseModel):
    """What a caller says of a namespace to be made.

    auto_create_repository   a push makes the repository, with `default_visibility`
    acceleration             each image pushed is converted to a lazily loadable one beside it
    allow_sparse_indexes     indexes may name children that are not here
    """

    model_config = GIVEN

    name: NamespaceName
    auto_create_repository: bool = False
    default_visibility: Visibility = "private"
    acceleration: bool = False
    scan_on_push: bool = False
    allow_sparse_indexes: bool = False


class NamespaceView(BaseModel):
    """A namespace as the API shows it."""

    model_config = MADE

    id: str
    name: str
    auto_create_repository: bool
    default_visibility: Visibility
    acceleration: bool
    scan_on_push: bool
    allow_sparse_indexes: bool
    created_at: Moment


class Namespace(BaseModel):
    """pull_policy: a pull policy holds in it (`pull_policies`), so whatever leaves it is judged. upstream: what is not
    here is looked for in another registry (`caching`). The row says so as every pull reads it anyway."""

    model_config = KEPT

    id: str
    instance_id: str
    name: NamespaceName
    auto_create_repository: bool
    default_visibility: Visibility
    acceleration: bool
    scan_on_push: bool
    allow_sparse_indexes: bool
    created_at: Moment
    pull_policy: bool = False
    upstream: bool = False
    schema_version: int = 1

    @property
    def view(self) -> NamespaceView:
        return NamespaceView.model_validate(self.model_dump())
