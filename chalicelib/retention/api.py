"""Retention in the management API (P3–P5): rules, schedule, what nobody spoke of, runs."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from chalicelib.edge.answers import Accepted, Created, Listing, SearchQuery
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.modelling import GIVEN
from chalicelib.kernel.roles import Right
from chalicelib.namespaces.api import NamespaceQuery
from chalicelib.namespaces.models import Namespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.tasks.models import TaskItem, TaskView
from chalicelib.tasks.service import Tasks

from .models import (
    NamespaceRetention,
    NewRetentionRule,
    NextRuns,
    Proposal,
    RetentionOrder,
    RetentionRule,
    RetentionRuleEdit,
    RetentionView,
    RunOrder,
    RunQuery,
    RunView,
    ScheduleQuery,
    UnmatchedTag,
    VerdictName,
)
from .overview import overview
from .service import Retention

routes = Routes("retention")

_RETENTION = "/instances/{instance}/namespaces/{namespace}/retention"
_READING: dict[str, Any] = {"needs": Right.READ_CONTENT, "feature": "retention"}
_CHANGING: dict[str, Any] = {"needs": Right.CHANGE_CONTENT, "feature": "retention", "also": (409, 428)}


class Acknowledgement(BaseModel):
    """acknowledged: the tags that the rules would delete were looked at; asked for where a schedule is set."""

    model_config = GIVEN

    acknowledged: bool = False


class RunItemQuery(SearchQuery):
    """verdict: only tags of which this became; search: only those whose repository, tag or digest holds this text."""

    verdict: VerdictName | None = None


def _namespace(call: Call) -> Namespace:
    return Namespaces(call.stack).get(instance_of(call).id, call.parts["namespace"], fresh=True)


@routes.get("/instances/{instance}/retention", **_READING)
def list_retention(call: Call, query: NamespaceQuery) -> Listing[NamespaceRetention]:
    """List the namespaces of an instance with what each says about retention.

    How many rules, the schedule and when it fires next, and the latest run that deletes. A search looks at 5 000
    namespaces at most and then answers a cursor, also where it found none yet.
    """
    return Listing.of(overview(call.stack, instance_of(call), query))


@routes.get(_RETENTION, **_READING)
def show_retention(call: Call) -> RetentionView:
    """Show a namespace's retention schedule and the next five times it fires."""
    retention = Retention(call.stack)
    return retention.view(retention.policy(_namespace(call)))


@routes.put(_RETENTION, changes="retention.edit", **_CHANGING)
def set_retention(call: Call, body: RetentionOrder) -> RetentionView:
    """Set or end the schedule by which a namespace's retention rules run.

    A schedule deletes tags without anybody looking, so it is saved only with `acknowledged`: that all rules were
    checked. Without it 428 tells how many tags no pattern matches, which go first. Five cron fields, at most one run a
    minute; clocks that change in the time zone make no run come twice or be left out.
    """
    retention = Retention(call.stack)
    return retention.view(retention.set_schedule(_namespace(call), body, call.by))


@routes.get(f"{_RETENTION}/next-runs", **_READING)
def try_retention_schedule(call: Call, query: ScheduleQuery) -> NextRuns:
    """Show the next five times a schedule would fire, before it is saved."""
    _namespace(call)
    return NextRuns(next_runs=Retention(call.stack).next_runs(query))


# Rules


@routes.get(f"{_RETENTION}/rules", **_READING)
def list_retention_rules(call: Call) -> Listing[RetentionRule]:
    """List the retention rules of a namespace, all on one page.

    They add up: a tag that any of them keeps stays. In the repositories that some rule covers every other tag goes when
    retention runs; repositories that no rule covers are left alone.
    """
    rules = Retention(call.stack).policy(_namespace(call)).rules
    return Listing[RetentionRule](items=rules, total=len(rules))


@routes.post(f"{_RETENTION}/rules", changes="retention_rule.create", **_CHANGING)
def create_retention_rule(call: Call, body: NewRetentionRule) -> Created[RetentionRule]:
    """Make a retention rule. At most 50 a namespace.

    Where a schedule is set it goes by the new rules from its next run on, so `acknowledged` is asked for, as when the
    schedule was saved.
    """
    namespace = _namespace(call)
    rule = Retention(call.stack).add_rule(namespace, body, call.by)
    call.tell(object=rule.id)
    path = _RETENTION.format(instance=namespace.instance_id, namespace=namespace.name)
    return Created(rule, f"{path}/rules/{rule.id}")


@routes.get(f"{_RETENTION}/rules/{{rule}}", **_READING)
def show_retention_rule(call: Call) -> RetentionRule:
    """Show a retention rule."""
    return Retention(call.stack).rule(_namespace(call), call.parts["rule"])


@routes.patch(f"{_RETENTION}/rules/{{rule}}", changes="retention_rule.edit", **_CHANGING)
def edit_retention_rule(call: Call, body: RetentionRuleEdit) -> RetentionRule:
    """Change a retention rule. A run under way goes on by the rules it began with."""
    return Retention(call.stack).edit_rule(_namespace(call), call.parts["rule"], body, call.by)


@routes.delete(f"{_RETENTION}/rules/{{rule}}", changes="retention_rule.delete", **_CHANGING)
def delete_retention_rule(call: Call, query: Acknowledgement) -> None:
    """Delete a retention rule. Where a schedule is set, `acknowledged` is asked for: what the rule kept may go."""
    Retention(call.stack).remove_rule(_namespace(call), call.parts["rule"], call.by, acknowledged=query.acknowledged)


# What nobody spoke of


@routes.get(f"{_RETENTION}/unmatched-tags", **_READING)
def list_unmatched_tags(call: Call, query: SearchQuery) -> Listing[UnmatchedTag]:
    """List tags that no pattern matches, in repositories that some rule covers.

    The next run deletes them, however new they are: `latest` under `v*`. One page looks at 5 000 tags at most and then
    answers a cursor, also where it found none yet.
    """
    return Listing.of(Retention(call.stack).unmatched(_namespace(call), None, query))


@routes.post(f"{_RETENTION}/unmatched-tags", status=200, **_READING)
def try_retention_rules(call: Call, body: Proposal, query: SearchQuery) -> Listing[UnmatchedTag]:
    """The same for rules that are not saved yet. Saves nothing."""
    return Listing.of(Retention(call.stack).unmatched(_namespace(call), body.rules, query))


# Runs


@routes.post(f"{_RETENTION}/runs", changes="retention.run", **_CHANGING)
def run_retention(call: Call, body: RunOrder) -> Accepted[TaskView]:
    """Run a namespace's retention rules now, or try what they would do.

    Without `dry_run` it deletes tags, so it asks for `acknowledged`, and only one such run is under way at a time. Tags
    pushed after it began stay, whatever the rules say. What goes lies in the recycle bin for the grace period.
    """
    task = Retention(call.stack).start(_namespace(call), body, call.by)
    call.tell(object=f"run {task.id}{' (dry run)' if body.dry_run else ''}")
    return Accepted(TaskView.of(task), f"/instances/{task.instance_id}/tasks/{task.id}")


@routes.get(f"{_RETENTION}/runs", frozen_too=True, **_READING)
def list_retention_runs(call: Call, query: RunQuery) -> Listing[RunView]:
    """List the runs of a namespace with what each kept, deleted and skipped.

    A run is forgotten with its task; then a page may come short, as it may where only some runs are asked for.
    """
    return Listing.of(Retention(call.stack).runs(_namespace(call), query))


@routes.get(f"{_RETENTION}/runs/{{run}}", frozen_too=True, **_READING)
def show_retention_run(call: Call) -> RunView:
    """Show a run. It is a task too, and can be cancelled there."""
    return Retention(call.stack).run(_namespace(call), call.parts["run"])


@routes.get(f"{_RETENTION}/runs/{{run}}/items", frozen_too=True, **_READING)
def list_retention_run_items(call: Call, query: RunItemQuery) -> Listing[TaskItem]:
    """List what a run kept, deleted or skipped, tag by tag: why, and by which rule.

    Of a dry run, `deleted` is what would be. rule_id is the rule that kept the tag or whose newest it is not among; of
    an immutable one the rule of immutability; empty where no pattern matches.
    """
    task = Retention(call.stack).task(_namespace(call), call.parts["run"])
    return Listing.of(Tasks(call.stack).items(task, query.verdict or "", query.cursor, query.limit, query.search))
