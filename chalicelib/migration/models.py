"""What a migration in the service is told, and where its next step goes on."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from chalicelib.copying.models import Progress
from chalicelib.kernel.modelling import GIVEN, KEPT
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import NamespaceName


class MigrationOrder(BaseModel):
    """
    images            where they are and where they go, as image-syncer's images.json has it: an object, or the file's
                      text with its comments; destinations lie in this instance
    auth              how other registries are entered, as auth.json has it; kept sealed until the task succeeded, and a
                      week at most
    target_instance   instead of `images`: id or name of an instance of the account, which gets all that this one has;
                      namespaces: only these
    override          a tag that the target has with another digest is replaced
    """

    model_config = GIVEN

    images: dict[str, Any] | Annotated[str, Field(max_length=200_000)] | None = None
    auth: Annotated[dict[str, Any] | Annotated[str, Field(max_length=100_000)] | None, Field(repr=False)] = None
    target_instance: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    namespaces: Annotated[tuple[NamespaceName, ...], Field(min_length=1, max_length=1000)] | None = None
    override: bool = True


class Order(BaseModel):
    """What was told, as it is kept: `images` by rules, or whole namespaces of `source_id` (none named: all). logins:
    there are some, in a row of their own."""

    model_config = KEPT

    images: str = ""
    source_id: str = ""
    target_id: str
    namespaces: tuple[str, ...] = ()
    override: bool = True
    logins: bool = False
    created_at: Moment
    schema_version: int = 1


class Wanted(BaseModel):
    """One image that is to be brought. source: as it was written, without tag; target: a repository's full name."""

    model_config = KEPT

    entry: str
    source: str
    reference: str
    target: str
    tag: str = ""

    @property
    def id(self) -> str:
        return f"{self.target}:{self.tag or self.reference}"


class Work(BaseModel):
    """Where the next step goes on.

    passed     the last rule, or repository, that is done with; "" for none
    tag        the last tag of the one after that that is done with, wanted or not
    progress   of the image under way; waits: pauses in a row since a registry did not answer
    again      everything was tried once: what failed is tried again, behind this image
    """

    model_config = KEPT

    passed: str = ""
    tag: str = ""
    progress: Progress | None = None
    waits: int = 0
    again: str | None = None
