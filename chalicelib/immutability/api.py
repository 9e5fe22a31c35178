"""Immutability rules in the management API (P1)."""

from __future__ import annotations

from chalicelib.edge.answers import Created, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.roles import Right

from .models import NewRule, RuleEdit, RuleQuery, RuleView
from .policies import Policies

routes = Routes("immutability")

_RULES = "/instances/{instance}/immutability-rules"
_RULE = _RULES + "/{rule}"


@routes.get(_RULES, needs=Right.READ_CONTENT, feature="immutability")
def list_immutability_rules(call: Call, query: RuleQuery) -> Listing[RuleView]:
    """List the immutability rules of an instance.

    By namespace, those of one namespace as they were made. A page looks at 5 000 rules at most and then answers a
    cursor, also where it found none yet.
    """
    return Listing[RuleView].of(Policies(call.stack).page(instance_of(call), query))


@routes.post(_RULES, needs=Right.CHANGE_CONTENT, changes="immutability_rule.create", feature="immutability")
def create_immutability_rule(call: Call, body: NewRule) -> Created[RuleView]:
    """Make an immutability rule.

    In force with the answer: a tag under it keeps its digest from then on. 409 where the namespace has 50 rules.
    """
    call.tell(namespace=body.namespace)
    instance = instance_of(call)
    rule = Policies(call.stack).add(instance, body, call.by)
    call.tell(object=rule.id)
    return Created(rule, f"/instances/{instance.id}/immutability-rules/{rule.id}")


@routes.get(_RULE, needs=Right.READ_CONTENT, feature="immutability")
def show_immutability_rule(call: Call) -> RuleView:
    """Show an immutability rule."""
    return Policies(call.stack).rule(instance_of(call), call.parts["rule"])


@routes.patch(_RULE, needs=Right.CHANGE_CONTENT, changes="immutability_rule.edit", feature="immutability")
def edit_immutability_rule(call: Call, body: RuleEdit) -> RuleView:
    """Change, disable or enable an immutability rule.

    What the body does not name stays as it is. In force with the answer.
    """
    call.tell(object=call.parts["rule"])
    rule = Policies(call.stack).edit(instance_of(call), call.parts["rule"], body)
    call.tell(namespace=rule.namespace)
    return rule


@routes.delete(_RULE, needs=Right.CHANGE_CONTENT, changes="immutability_rule.delete", feature="immutability")
def delete_immutability_rule(call: Call) -> None:
    """Delete an immutability rule."""
    call.tell(object=call.parts["rule"])
    rule = Policies(call.stack).remove(instance_of(call), call.parts["rule"])
    call.tell(namespace=rule.namespace)
