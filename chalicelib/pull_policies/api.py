"""Pull policies in the management API (X6)."""

from __future__ import annotations

from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.roles import Right
from chalicelib.namespaces.models import Namespace
from chalicelib.namespaces.service import Namespaces

from .models import PolicyOrder, PolicyView
from .service import PullPolicies

routes = Routes("pull_policies")

_POLICY = "/instances/{instance}/namespaces/{namespace}/pull-policy"


def _namespace(call: Call) -> Namespace:
    return Namespaces(call.stack).get(instance_of(call).id, call.parts["namespace"], fresh=True)


@routes.get(_POLICY, needs=Right.READ_CONTENT)
def show_pull_policy(call: Call) -> PolicyView:
    """Show which images of a namespace may not be pulled.

    Without a policy `severity` is null, and all may be.
    """
    policies = PullPolicies(call.stack)
    return policies.view(policies.policy(_namespace(call)))


@routes.put(_POLICY, needs=Right.CHANGE_CONTENT, changes="pull_policy.edit", also=(409,))
def set_pull_policy(call: Call, body: PolicyOrder) -> PolicyView:
    """Say which images of a namespace may not be pulled, or end that with `severity` null.

    In force with the answer. What has findings at or over the severity is refused to every client, by tag and by
    digest, its layers too; silenced findings and `exceptions` do not count, until they expire. `unscanned` decides
    about images that were not examined, or only in part. With a `version`, 409 where somebody changed the policy since;
    without one, whatever stands is replaced.
    """
    policies, namespace = PullPolicies(call.stack), _namespace(call)
    call.tell(object=body.severity or "none")
    return policies.view(policies.replace(namespace, body, call.by))
