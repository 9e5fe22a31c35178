"""What a share is, and how the API speaks of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from chalicelib.accounts.models import AccountName, Username
from chalicelib.edge.answers import ListQuery
from chalicelib.kernel.modelling import GIVEN, KEPT, MADE
from chalicelib.kernel.moment import Moment


class NewShare(BaseModel):
    """A user of another account. Whether there is one of that name is not told."""

    model_config = GIVEN

    account: AccountName
    username: Username


class Share(BaseModel):
    """id: made of the repository and the guest, so that a guest has one share of a repository at most.
    owner_account: whose instance and repository it is; account, username: of the guest."""

    model_config = KEPT

    id: str
    instance_id: str
    owner_account: str
    repository_id: str
    account: str
    username: str
    created_at: Moment
    created_by: str
    schema_version: int = 1


class ShareQuery(ListQuery):
    """search: only shares whose guest, as `account/username`, holds this text; for the guest's own list, whose owner's
    account does; sort: by that name or by time, `-` for the last or newest first."""

    search: Annotated[str, Field(max_length=255)] = ""
    sort: Literal["name", "-name", "created_at", "-created_at"] = "name"


class ShareView(BaseModel):
    """A share as the repository's owner sees it."""

    model_config = MADE

    id: str
    account: str
    username: str
    created_at: Moment
    created_by: str


class InstanceShareView(ShareView):
    """A share with what it is of: `repository` is the name inside the namespace."""

    namespace: str
    repository: str
    repository_id: str


class SharedRepository(BaseModel):
    """A share as its guest sees it.

    account          whose repository it is
    username         the guest's own
    login_command    asks for the secret of the access key that takes the place of `<access key>`
    """

    model_config = MADE

    id: str
    account: str
    username: str
    instance: str
    address: str
    namespace: str
    repository: str
    full_name: str
    shared_at: Moment
    login_command: str
    pull_command: str
