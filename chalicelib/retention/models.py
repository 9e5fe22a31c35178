"""What retention rules, schedules and runs are (P3–P5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field

from chalicelib.edge.answers import ListQuery
from chalicelib.kernel.modelling import GIVEN, KEPT, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import TagName
from chalicelib.kernel.patterns import Pattern
from chalicelib.tasks.models import State, Trigger

from .timetable import LONGEST, require_cron, require_zone

# All of them lie in one row, and each run keeps a copy: with the longest patterns there are, a quarter of a row.
MOST_RULES: Final = 50
MOST_KEPT: Final = 100_000

VerdictName = Literal["kept", "deleted", "skipped"]
# repository_gone, gone: deleted by somebody else before the run came to it.
Reason = Literal[
    "among_newest", "immutable", "follows_original", "not_among_newest", "no_pattern_matches",
    "pushed_meanwhile", "gone", "repository_gone",
]  # fmt: skip


class RuleDraft(BaseModel):
    """repositories: pattern of names inside the namespace; tags: pattern of tags; both `**` for all.
    keep_last: so many of the tags that match stay in each repository, the most recently pushed."""

    model_config = GIVEN

    repositories: Pattern
    tags: Pattern
    keep_last: Annotated[int, Field(ge=1, le=MOST_KEPT)]


class NewRetentionRule(RuleDraft):
    """acknowledged: the tags that all rules together would delete were looked at; asked for where a schedule is set."""

    acknowledged: bool = False


class RetentionRuleEdit(BaseModel):
    """What is left out stays as it is. acknowledged: as with a new rule."""

    model_config = GIVEN

    repositories: Pattern | None = None
    tags: Pattern | None = None
    keep_last: Annotated[int, Field(ge=1, le=MOST_KEPT)] | None = None
    acknowledged: bool = False


class RetentionRule(BaseModel):
    model_config = KEPT

    id: str
    repositories: Pattern
    tags: Pattern
    keep_last: int
    created_at: Moment
    created_by: str


class Schedule(BaseModel):
    """cron: minute, hour, day of month, month, day of week; timezone: a name of the IANA database."""

    model_config = GIVEN

    cron: Annotated[str, Field(max_length=LONGEST), AfterValidator(require_cron)]
    timezone: Annotated[str, Field(max_length=64), AfterValidator(require_zone)]


class ScheduleQuery(Schedule):
    """A schedule that is not saved yet."""


class NextRuns(BaseModel):
    """next_runs: the next five times."""

    model_config = MADE

    next_runs: tuple[Moment, ...]


class RetentionOrder(BaseModel):
    """schedule: null runs nothing by itself. acknowledged: the tags that the rules would delete were looked at."""

    model_config = GIVEN

    schedule: Schedule | None
    acknowledged: bool = False


class Policy(BaseModel):
    """All that a namespace says about retention.

    namespace  its name when this was last written; the id decides
    version    0 where nothing was ever said; raised by every change, a run's start included
    next_at    when it fires next; None without a schedule
    run        id of the latest run that deletes, "" before the first: there is one at a time
    outdated   id of the latest run if it had stopped when the rules were changed: it does not go on by those of before
    """

    model_config = KEPT

    namespace_id: str
    instance_id: str
    namespace: str
    version: int = 0
    rules: tuple[RetentionRule, ...] = ()
    schedule: Schedule | None = None
    acknowledged_at: Moment | None = None
    acknowledged_by: str = ""
    next_at: Moment | None = None
    run: str = ""
    outdated: str = ""
    schema_version: int = 1


class RetentionView(BaseModel):
    """next_runs: the next five times, empty without a schedule. acknowledged_at, acknowledged_by: when it was last
    said that the rules were checked, and by whom. run: id of the latest run that deletes, "" before the first."""

    model_config = MADE

    schedule: Schedule | None
    next_runs: tuple[Moment, ...]
    acknowledged_at: Moment | None
    acknowledged_by: str
    run: str


class LastRun(BaseModel):
    """The latest run that deletes. bytes: freed once the recycle bin lets go of them."""

    model_config = MADE

    id: str
    state: State
    created_at: Moment
    finished_at: Moment | None
    deleted: int
    bytes: int


class NamespaceRetention(BaseModel):
    """What a namespace says about retention. rules: how many; last_run: null before the first, and once it is
    forgotten."""

    model_config = MADE

    namespace: str
    rules: int
    schedule: Schedule | None
    next_run: Moment | None
    last_run: LastRun | None


class Run(BaseModel):
    """One execution of the rules as they were when it began; its task has how far it has come.

    due_at   the time of the schedule that it stands for; None for one that somebody began
    """

    model_config = KEPT

    task_id: str
    instance_id: str
    namespace_id: str
    dry_run: bool
    trigger: Trigger
    rules: tuple[RetentionRule, ...]
    due_at: Moment | None = None
    created_at: Moment
    created_by: str
    schema_version: int = 1


class RunOrder(BaseModel):
    """dry_run: delete nothing, only tell what would become of each tag. acknowledged: the tags that would go were
    looked at; a dry run needs none."""

    model_config = GIVEN

    dry_run: bool = False
    acknowledged: bool = False


class RunQuery(ListQuery):
    """sort: by when they began, `-` for the newest first; dry_run: only dry runs, or none of them."""

    sort: Literal["created_at", "-created_at"] = "-created_at"
    dry_run: bool | None = None


class RunView(BaseModel):
    """A run as the API shows it.

    id          of its task too: it can be followed, cancelled and retried there
    due_at      the time of the schedule that it stands for; null for one that somebody began
    looked_at   tags so far: kept, deleted (of a dry run: that would be) and skipped
    bytes       freed, or of a dry run to be freed, once the recycle bin lets go of them
    """

    model_config = MADE

    id: str
    dry_run: bool
    trigger: Trigger
    state: State
    due_at: Moment | None
    created_at: Moment
    created_by: str
    started_at: Moment | None
    finished_at: Moment | None
    looked_at: int
    kept: int
    deleted: int
    skipped: int
    bytes: int
    error: str


class Proposal(BaseModel):
    """rules: all that there would be."""

    model_config = GIVEN

    rules: Annotated[tuple[RuleDraft, ...], Field(max_length=MOST_RULES)]


class UnmatchedTag(BaseModel):
    """A tag that no pattern matches, in a repository that some rule covers: the next run deletes it."""

    model_config = MADE

    repository_id: str
    repository: str
    tag: str
    digest: str
    size: int
    pushed_at: Moment


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one tag, why, and by which rule; of several the first. `deleted` is a plan until it is done."""

    tag: TagName
    verdict: VerdictName
    reason: Reason
    rule_id: str = ""
