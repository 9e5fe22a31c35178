"""Charts as the API shows them. Texts are what the charts' authors wrote."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from chalicelib.edge.answers import SearchQuery, Sorting
from chalicelib.kernel.modelling import GIVEN, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import NamespaceName

from .archive import ArchiveState


class View(BaseModel):
    model_config = MADE


class ChartQuery(SearchQuery):
    """namespace: only its charts; sort: by name, up or down."""

    namespace: NamespaceName | None = None
    sort: Sorting = "name"


class VersionQuery(BaseModel):
    """version: the one that is shown; without it the newest release, or the newest of all where none was released."""

    model_config = GIVEN

    version: str = Field(default="", max_length=128)


class ChartSummary(View):
    """A repository of charts, told by the highest version among the tags pushed last.

    repository   its id; name: inside its namespace; address: what helm is given, with `oci://` before it
    version, app_version, description, icon, deprecated, type, pushed_at   of that version; "" and null where no tag of
                 the repository is a chart
    versions     tags; more_versions: there are others
    """

    repository: str
    name: str
    namespace: str
    full_name: str
    address: str
    version: str
    app_version: str
    description: str
    icon: str
    type: str
    deprecated: bool
    pushed_at: Moment | None
    versions: int
    more_versions: bool


class VersionRow(View):
    """tag: that bears it, in which `_` stands for `+`. size: of config, archive and provenance, in bytes. provenance:
    whether it was signed."""

    version: str
    tag: str
    app_version: str
    description: str
    digest: str
    size: int
    pushed_at: Moment
    deprecated: bool
    provenance: bool


class Maintainer(View):
    name: str = ""
    email: str = ""
    url: str = ""


class Dependency(View):
    """repository: where helm finds it, `https://…` or `oci://…`; version: a range."""

    name: str = ""
    version: str = ""
    repository: str = ""
    condition: str = ""
    alias: str = ""


class Command(View):
    """purpose: what it is for; command: ready to paste but for what stands in <…>."""

    purpose: Literal["login", "pull", "install", "verify", "add", "search"]
    command: str


class ChartContent(View):
    """What one version says and holds.

    archive        its digest, archive_size: in bytes; provenance: digest of its signed provenance file, "" without one
    archive_state  whether README, values and templates could be read: `missing` where the archive is not here,
                   `malformed` where it is none, `too_large` past 20 MiB, 100 MiB uncompressed or 20 000 entries
    readme, values cut to 256 KiB and 1 MiB, what is longer is named in `cut`
    values_schema  whether values are checked against a schema
    templates      names, 500 at most
    """

    name: str
    version: str
    app_version: str
    description: str
    type: str
    deprecated: bool
    api_version: str
    kube_version: str
    home: str
    icon: str
    keywords: tuple[str, ...]
    sources: tuple[str, ...]
    maintainers: tuple[Maintainer, ...]
    dependencies: tuple[Dependency, ...]
    annotations: dict[str, str]
    digest: str
    archive: str
    archive_size: int
    archive_state: ArchiveState
    provenance: str
    readme: str
    values: str
    values_schema: bool
    templates: tuple[str, ...]
    more_templates: bool
    cut: tuple[str, ...]


class ChartDetail(ChartContent):
    """
    versions   the highest first, of the 200 tags pushed last; more_versions: there are others
    tag        that bears the version that is shown
    commands   for that version
    """

    repository: str
    namespace: str
    full_name: str
    address: str
    tag: str
    pushed_at: Moment
    versions: tuple[VersionRow, ...]
    more_versions: bool
    commands: tuple[Command, ...]
