"""How the API speaks of environments, services and versions: what callers send, and what they are shown."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from chalicelib.edge.answers import ListQuery, SearchQuery, Sorting
from chalicelib.kernel.modelling import GIVEN, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import TagName
from chalicelib.registry.listing import TagSort
from chalicelib.registry.tag_deletions import TagDeletion
from chalicelib.registry.tag_views import TagView

from .models import Environment, Mode, Use, Version
from .names import EnvironmentName, ServiceName, VersionName

# So that a request's line stays far below 8 KB, which is as much as every carrier takes.
LONGEST_CONFIRMATION: Final = 4000

Remark = Annotated[str, Field(max_length=1000)]
_Text = Annotated[str, Field(max_length=255)]


class NewEnvironment(BaseModel):
    """
    instance    where default repositories will be, by id or name; may be left out where the account has just one
    namespace   of the instance: its name begins with `tcb-`. An instance has one for all environments; it is made
                where it is missing
    """

    model_config = GIVEN

    name: Annotated[EnvironmentName, Field(examples=["test-001"])]
    instance: Annotated[_Text, Field(examples=["team"])] = ""
    namespace: Annotated[_Text, Field(examples=["tcb-images"])] = ""
    remark: Remark = ""


class RemarkEdit(BaseModel):
    """What may be changed later."""

    model_config = GIVEN

    remark: Remark | None = None


class NewBinding(BaseModel):
    """
    mode   default: a private repository `<environment>_<service>` is made, or bound again if it was kept; the other
           fields are left out. existing: they name a private image repository of the account; `instance` is the
           environment's where it is left out, `repository` a name inside the namespace, or an id
    """

    model_config = GIVEN

    mode: Mode = "default"
    instance: _Text = ""
    namespace: _Text = ""
    repository: _Text = ""


class NewService(BaseModel):
    model_config = GIVEN

    name: Annotated[ServiceName, Field(examples=["web"])]
    remark: Remark = ""
    binding: Annotated[NewBinding, Field(examples=[{"mode": "default"}])] = NewBinding()


class ServiceEdit(RemarkEdit):
    """name, binding: can only be what they are; a service keeps both for ever."""

    name: _Text | None = None
    binding: NewBinding | None = None


class NewVersion(BaseModel):
    """tag: of the repository that the service is bound to."""

    model_config = GIVEN

    name: Annotated[VersionName, Field(examples=["web-007"])]
    tag: TagName


class NamedQuery(SearchQuery):
    """sort: by name, up or down."""

    sort: Sorting = "name"


class View(BaseModel):
    model_config = MADE


class EnvironmentView(View):
    """id: the same as the name, which never changes. services: how many it has, of `service_limit`."""

    id: str
    name: str
    remark: str
    instance: str
    instance_id: str
    namespace: str
    services: int
    service_limit: int
    created_at: Moment
    created_by: str

    @classmethod
    def of(cls, environment: Environment, service_limit: int) -> EnvironmentView:
        known = environment.model_dump(include=set(cls.model_fields))
        return cls(**known, id=environment.name, service_limit=service_limit)


class BindingView(View):
    """repository: its name inside the namespace, as it is called now; repository_id: what the service is bound to."""

    mode: Mode
    instance: str
    instance_id: str
    namespace: str
    repository: str
    repository_id: str


class ServiceView(View):
    """
    id                   the same as the name, which never changes
    address              what clients push to and pull from, without a tag; "" while the repository is missing
    reused               the default repository was there already when the service was made, with what was in it
    repository_missing   it was deleted; restored, it is bound again
    versions             how many
    state                deleting: a deletion broke off; delete it again
    """

    id: str
    name: str
    environment: str
    remark: str
    binding: BindingView
    address: str
    reused: bool
    repository_missing: bool
    versions: int
    state: Literal["ready", "deleting"]
    created_at: Moment
    created_by: str


class VersionView(View):
    """
    id       the same as the name, which never changes
    digest   what the tag pointed to when the version was made
    image    present: the tag still points there; moved: it was pushed since; missing: there is no such tag any more
    """

    id: str
    name: str
    environment: str
    service: str
    tag: str
    digest: str
    image: Literal["present", "moved", "missing"]
    created_at: Moment
    created_by: str

    @classmethod
    def of(cls, version: Version, digest: str) -> VersionView:
        """digest: what the tag points to now, "" where there is none."""
        image = "missing" if not digest else "present" if digest == version.digest else "moved"
        return cls.model_validate(
            {**version.model_dump(include=set(cls.model_fields)), "id": version.name, "image": image}
        )


class UseView(View):
    environment: str
    service: str
    version: str

    @classmethod
    def of(cls, use: Use) -> UseView:
        return cls(**use.model_dump())


class ServiceImageView(TagView):
    """used_by: versions that name the tag, of all services that are bound to the repository; 100 at most of `uses`."""

    used_by: tuple[UseView, ...]
    uses: int


class ImageQuery(ListQuery):
    """prefix: only tags whose name begins so; search: whose name holds this text; sort: by what, `-` for the greatest,
    newest or last first."""

    prefix: Annotated[str, Field(max_length=128)] = ""
    search: Annotated[str, Field(max_length=255)] = ""
    sort: TagSort = "name"


class BreakingConfirmation(BaseModel):
    """confirm: the versions that would break, as `environment/service/version`, with commas between them; without it
    the answer says which."""

    model_config = GIVEN

    confirm: Annotated[str, Field(max_length=LONGEST_CONFIRMATION)] = ""


class ImageDeletion(TagDeletion):
    """broken: versions that named the tag, and have no image now."""

    broken: tuple[UseView, ...]
