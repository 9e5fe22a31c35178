"""Synchronisation in the management API (Y1, Y2, Y4, Y5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.edge.answers import Accepted, Created, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.roles import Right
from chalicelib.tasks.models import TaskView

from .models import NewSyncRule, Rule, SyncOrder, SyncRuleEdit, SyncRuleQuery, SyncRuleView, SyncTaskQuery

if TYPE_CHECKING:
    from .service import Sync

routes = Routes("sync")

_RULES = "/instances/{instance}/sync-rules"
_RULE = _RULES + "/{rule}"
_TASKS = "/instances/{instance}/sync-tasks"
_FEATURE = "sync"


@routes.get(_RULES, needs=Right.READ_CONTENT, feature=_FEATURE)
def list_sync_rules(call: Call, query: SyncRuleQuery) -> Listing[SyncRuleView]:
    """List the synchronisation rules whose source is the instance, the oldest first unless something else is said."""
    instance, sync = instance_of(call), _sync(call)
    page = sync.page(instance, query)
    return Listing[SyncRuleView].of(page.map(lambda rule: sync.view(instance, rule)))


@routes.post(_RULES, needs=Right.CHANGE_CONTENT, changes="sync_rule.create", feature=_FEATURE, also=(409,))
def create_sync_rule(call: Call, body: NewSyncRule) -> Created[SyncRuleView]:
    """Have what is pushed to a namespace from now on brought to another one.

    The target is a namespace of this instance, of another enterprise instance of the account, or of a remote. It keeps
    names and tags; repositories are made there as they are needed. A namespace that is the target of a rule can be
    neither the target of another one nor the source of any, and the other way round, whether the rules are enabled or
    not: 409 names the rule in the way. What is there already is brought by a task (`sync-tasks`).
    """
    instance, sync = instance_of(call), _sync(call)
    call.tell(namespace=body.source_namespace)
    rule = sync.create(instance, body, call.by)
    call.tell(object=_said(rule))
    return Created(sync.view(instance, rule), f"/instances/{instance.id}/sync-rules/{rule.id}")


@routes.get(_RULE, needs=Right.READ_CONTENT, feature=_FEATURE)
def show_sync_rule(call: Call) -> SyncRuleView:
    """Show a synchronisation rule, and why it brings nothing where that is so."""
    instance, sync = instance_of(call), _sync(call)
    return sync.view(instance, sync.rule(instance, call.parts["rule"]))


@routes.patch(_RULE, needs=Right.CHANGE_CONTENT, changes="sync_rule.edit", feature=_FEATURE, also=(409,))
def edit_sync_rule(call: Call, body: SyncRuleEdit) -> SyncRuleView:
    """Change a synchronisation rule, or switch it off and on.

    Pushes made while it is off are not brought later. After a change of what is brought where it is for pushes from
    then on; tasks of earlier ones that did not come to their end leave what is left. 409 names the rule in the way.
    """
    instance, sync = instance_of(call), _sync(call)
    rule = sync.edit(instance, call.parts["rule"], body)
    call.tell(namespace=rule.source_namespace, object=_said(rule))
    return sync.view(instance, rule)


@routes.delete(_RULE, needs=Right.CHANGE_CONTENT, changes="sync_rule.delete", feature=_FEATURE, also=(409,))
def delete_sync_rule(call: Call) -> None:
    """Delete a synchronisation rule. What it brought stays; what its tasks have not brought yet is left."""
    rule = _sync(call).delete(instance_of(call), call.parts["rule"])
    call.tell(namespace=rule.source_namespace, object=_said(rule))


@routes.get(_TASKS, needs=Right.READ_CONTENT, feature=_FEATURE, frozen_too=True)
def list_sync_tasks(call: Call, query: SyncTaskQuery) -> Listing[TaskView]:
    """List what was synchronised, and what is being: of one rule, or with `rule=manual` on request.

    What became of each image is told by the task's items. A page may be short though more follow: go on while `next` is
    given.
    """
    page = _sync(call).tasks(instance_of(call), query)
    return Listing.of(page.map(TaskView.of))


@routes.post(_TASKS, needs=Right.CHANGE_CONTENT, changes="sync_task.create", feature=_FEATURE, also=(409,))
def create_sync_task(call: Call, body: SyncOrder) -> Accepted[TaskView]:
    """Bring what a namespace holds to another one, now and once.

    Any two namespaces that differ will do, whatever rules say of them. The task's items tell what became of each image;
    retried, a task that failed brings only what it could not bring before.
    """
    instance = instance_of(call)
    call.tell(namespace=body.source_namespace, object=f"to {body.target_instance}/{body.target_namespace}")
    task = _sync(call).start(instance, body, call.by)
    return Accepted(TaskView.of(task), f"/instances/{instance.id}/tasks/{task.id}")


def _said(rule: Rule) -> str:
    """For the audit record."""
    override = ", overriding" if rule.override else ""
    return f"{rule.name} ({rule.id}): to {rule.place}/{rule.target_namespace}{override}"


def _sync(call: Call) -> Sync:
    # A function that serves the API starts without it.
    from .service import Sync

    return Sync(call.stack)
