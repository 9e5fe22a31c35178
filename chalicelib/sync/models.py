"""What synchronisation rules and tasks are (Y1–Y5)."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field

from chalicelib.copying.models import Progress
from chalicelib.edge.answers import SearchQuery
from chalicelib.kernel.errors import PatternInvalid
from chalicelib.kernel.modelling import GIVEN, KEPT, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import NamespaceName
from chalicelib.kernel.patterns import LONGEST, Pattern
from chalicelib.tasks.models import TasksAsked

# All rules of an instance are read with each push: with short patterns one page.
MOST_RULES: Final = 200
MOST_BANDWIDTH: Final = 10**12
# With less than this a step would sleep past its claim, and hold up the tasks of others.
LEAST_BANDWIDTH: Final = 64 * 1024

Content = Literal["image", "chart"]
Role = Literal["source", "target"]
TargetKind = Literal["instance", "remote"]


def _pattern_or_nothing(text: str) -> str:
    try:
        return Pattern.parse(text) if text else text
    except PatternInvalid as refused:
        raise ValueError(refused.message) from refused


def _none_or_enough(bandwidth: int) -> int:
    if 0 < bandwidth < LEAST_BANDWIDTH:
        raise ValueError(f"is too little to come to an end: at least {LEAST_BANDWIDTH}, or 0 for no limit")
    return bandwidth


def _each_once(content: tuple[Content, ...]) -> tuple[Content, ...]:
    return tuple(dict.fromkeys(content))


_Patterns = Annotated[str, Field(max_length=LONGEST), AfterValidator(_pattern_or_nothing)]
_Contents = Annotated[tuple[Content, ...], Field(min_length=1, max_length=2), AfterValidator(_each_once)]
_Bandwidth = Annotated[int, Field(ge=0, le=MOST_BANDWIDTH), AfterValidator(_none_or_enough)]
_Name = Annotated[str, Field(min_length=1, max_length=64)]
_Description = Annotated[str, Field(max_length=1024)]
_Target = Annotated[str, Field(min_length=1, max_length=255)]


class SyncOrder(BaseModel):
    """
    content               `image`, `chart` or both; whatever is no chart counts as an image
    source_repositories   pattern of names inside the namespace, source_tags: pattern of tags; empty: all
    target_instance       id or name of an instance of the account, or of a remote of this instance
    override              a tag that the target has with another digest is replaced; else it is left alone
    bandwidth             bytes a second that one task may move, 65536 or more; 0: no limit
    """

    model_config = GIVEN

    content: _Contents = ("image", "chart")
    source_namespace: NamespaceName
    source_repositories: _Patterns = ""
    source_tags: _Patterns = ""
    target_instance: _Target
    target_namespace: _Target
    override: bool = False
    bandwidth: _Bandwidth = 0


class NewSyncRule(SyncOrder):
    """What is pushed to the source from now on is brought to the target. enabled: false makes it idle at first."""

    name: _Name
    description: _Description = ""
    enabled: bool = True


class SyncRuleEdit(BaseModel):
    """What is left out stays as it is. After a change of what is brought where, and after it was switched on, the rule
    is for pushes from then on."""

    model_config = GIVEN

    name: _Name | None = None
    description: _Description | None = None
    content: _Contents | None = None
    source_namespace: NamespaceName | None = None
    source_repositories: _Patterns | None = None
    source_tags: _Patterns | None = None
    target_instance: _Target | None = None
    target_namespace: _Target | None = None
    override: bool | None = None
    bandwidth: _Bandwidth | None = None
    enabled: bool | None = None


class Order(BaseModel):
    """What is to be brought where, with the target found. place: what claims name the target by: an instance's id, or
    the host of a registry elsewhere."""

    model_config = KEPT

    content: tuple[Content, ...]
    source_namespace: str
    source_repositories: str = ""
    source_tags: str = ""
    target_kind: TargetKind
    target_id: str
    place: str
    target_namespace: str
    override: bool = False
    bandwidth: int = 0


class Rule(Order):
    """
    since     an id: pushes with later ones are brought, none before
    version   raised by every change; the fence of the next
    """

    id: str
    instance_id: str
    account_id: str
    name: str
    description: str = ""
    enabled: bool = True
    since: str
    created_at: Moment
    created_by: str
    version: int = 1
    schema_version: int = 1

    def claims(self) -> dict[tuple[str, str], Role]:
        """What its namespaces are to it, by place and name."""
        source: tuple[str, str] = (self.instance_id, self.source_namespace)
        return {source: "source", (self.place, self.target_namespace): "target"}


class SyncRuleView(BaseModel):
    """A rule as the API shows it.

    target_instance   id of the instance, or of the remote where `target_kind` is `remote`; target_name: its name
    problem           why nothing is brought though the rule is enabled; empty where nothing stands in the way
    """

    model_config = MADE

    id: str
    name: str
    description: str
    content: tuple[Content, ...]
    source_namespace: str
    source_repositories: str
    source_tags: str
    target_kind: TargetKind
    target_instance: str
    target_name: str
    target_namespace: str
    override: bool
    bandwidth: int
    enabled: bool
    problem: str
    created_at: Moment
    created_by: str


class SyncRuleQuery(SearchQuery):
    """search: only rules whose name, description or namespaces hold this text; sort: by when they were made, or
    by their names, `-` for the last first."""

    sort: Literal["created_at", "-created_at", "name", "-name"] = "created_at"


class SyncTaskQuery(TasksAsked):
    """rule: only tasks of this rule; `manual`: only those that somebody asked for."""

    rule: Annotated[str, Field(max_length=26)] = ""


class Wanted(BaseModel):
    """One image that is to be brought.

    repository   in full, in the source
    tag          "" for a referrer, which goes by its digest to where its subject is
    beside       an accelerated image came beside it: that goes to where the tag is the same already
    failed       it failed before, and was counted so
    put_off      how many images were settled when it was last put behind the others, as nobody answered for it
    """

    model_config = KEPT

    repository: str
    tag: str = ""
    digest: str = ""
    subject: str = ""
    beside: bool = False
    failed: bool = False
    put_off: int | None = None


class Work(BaseModel):
    """Where the next step goes on.

    order      of a task that somebody asked for; the others go by their rule as it stands then
    rule_id, push   of the others: the rule, and the push that called for it
    wanted     what comes next, its first with `progress`, whose bytes so far are told
    failed     what a retry does again
    listed     everything there is has been wanted; until then the list goes on behind `repository` and `tag`
    counted    images listed so far; settled: of which it is known what became
    waits      pauses in a row since the target did not answer, the first of them at `waits_since`
    """

    model_config = KEPT

    order: Order | None = None
    rule_id: str = ""
    push: str = ""
    wanted: tuple[Wanted, ...] = ()
    progress: Progress | None = None
    failed: tuple[Wanted, ...] = ()
    listed: bool = True
    repository: str = ""
    tag: str = ""
    counted: int = 0
    settled: int = 0
    waits: int = 0
    waits_since: Moment | None = None
