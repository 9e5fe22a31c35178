"""Registry credentials, and workload identities, in the management API (G3, X4)."""

from __future__ import annotations

from chalicelib.edge.answers import Created, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import Instance, instance_of
from chalicelib.instances.service import Instances
from chalicelib.kernel.roles import Right

from .models import Credential, NewSecret
from .robots import Robots
from .service import Credentials
from .shapes import (
    CredentialQuery,
    CredentialView,
    LoginAnswer,
    NewRobot,
    NewWorkload,
    PasswordChange,
    SecretView,
    WorkloadLogin,
    WorkloadQuery,
    WorkloadView,
    require_strong,
)
from .workloads import Workloads

routes = Routes("credentials")


@routes.get("/instances/{instance}/credentials", needs=Right.READ_SETTINGS)
def list_credentials(call: Call, query: CredentialQuery) -> Listing[CredentialView]:
    """List the registry credentials of an instance.

    In the order of their user names, or by time: the primary one, robots, and those that workloads got. No password is
    shown. A search looks at 5 000 at most and then answers a cursor, also where it found none yet; by time each 5 000
    are sorted for themselves.
    """
    page = Robots(call.stack).page(instance_of(call), query)
    return Listing[CredentialView].of(page.map(lambda credential: _view(call, credential)))


@routes.post("/instances/{instance}/credentials", needs=Right.CHANGE_SETTINGS, changes="credential.create", secret=True)
def create_credential(call: Call, body: NewRobot) -> Created[SecretView]:
    """Make a robot credential.

    It may do what its permissions say, and nothing else. A generated password is shown this once. 409 if the user
    name is taken.
    """
    call.tell(object=body.username)
    instance = instance_of(call)
    new = Robots(call.stack).create(
        instance,
        body.username,
        require_strong(body.password, body.username),
        [one.permission for one in body.permissions],
        body.expires_at,
        call.by,
    )
    return Created(_secret(call, new), f"/instances/{instance.id}/credentials/{body.username}")


@routes.get("/instances/{instance}/credentials/{username}", needs=Right.READ_SETTINGS)
def show_credential(call: Call) -> CredentialView:
    """Show a registry credential, without its password."""
    return _view(call, Credentials(call.stack).get(instance_of(call).id, call.parts["username"]))


@routes.delete(
    "/instances/{instance}/credentials/{username}",
    needs=Right.CHANGE_SETTINGS,
    changes="credential.delete",
    also=(409,),
)
def delete_credential(call: Call) -> None:
    """Delete a robot credential.

    Its password and its tokens end at once for pushes, and within five seconds for pulls. 409 for the primary
    credential, which stays as long as its instance.
    """
    Robots(call.stack).delete(instance_of(call), call.parts["username"])


@routes.put(
    "/instances/{instance}/credentials/{username}/password",
    needs=Right.CHANGE_SETTINGS,
    changes="credential.reset",
    secret=True,
    also=(409,),
)
def reset_credential_password(call: Call, body: PasswordChange) -> SecretView:
    """Give a registry credential a new password.

    The old password and all tokens end at once for pushes, and within five seconds for pulls. A generated password is
    shown this once.
    """
    credentials, instance_id, username = Credentials(call.stack), instance_of(call).id, call.parts["username"]
    seen = credentials.get(instance_id, username)
    chosen = require_strong(body.password, seen.username)
    if chosen is None:
        return _secret(call, credentials.regenerate_password(instance_id, username))
    return _secret(call, NewSecret(credentials.reset_password(instance_id, username, chosen)))


@routes.get("/instances/{instance}/workload-identities", needs=Right.READ_SETTINGS)
def list_workload_identities(call: Call, query: WorkloadQuery) -> Listing[WorkloadView]:
    """List the rules by which CI jobs log in, the oldest first."""
    return Listing[WorkloadView].of(Workloads(call.stack).list(instance_of(call), query).map(WorkloadView.of))


@routes.post("/instances/{instance}/workload-identities", needs=Right.CHANGE_SETTINGS, changes="workload.create")
def create_workload_identity(call: Call, body: NewWorkload) -> Created[WorkloadView]:
    """Let CI jobs log in with tokens of their identity provider.

    A token is taken if issuer and audience are exactly the rule's, its subject matches, and it has all the claims. The
    oldest rule that fits a token decides.
    """
    instance = instance_of(call)
    call.tell(object=body.issuer)
    workload = Workloads(call.stack).create(instance, body, call.by)
    call.tell(object=workload.id)
    return Created(WorkloadView.of(workload), f"/instances/{instance.id}/workload-identities/{workload.id}")


@routes.get("/instances/{instance}/workload-identities/{workload}", needs=Right.READ_SETTINGS)
def show_workload_identity(call: Call) -> WorkloadView:
    """Show a rule by which CI jobs log in."""
    return WorkloadView.of(Workloads(call.stack).get(instance_of(call), call.parts["workload"]))


@routes.delete(
    "/instances/{instance}/workload-identities/{workload}", needs=Right.CHANGE_SETTINGS, changes="workload.delete"
)
def delete_workload_identity(call: Call) -> None:
    """Take a rule away by which CI jobs log in.

    Credentials that jobs got by it end at their own time; they are listed, and can be deleted.
    """
    Workloads(call.stack).delete(instance_of(call), call.parts["workload"])


@routes.post(
    "/instances/{instance}/workload-logins",
    needs=None,
    changes="workload.login",
    secret=True,
    frozen_too=True,
    also=(401, 403),
)
def log_in_workload(call: Call, body: WorkloadLogin) -> Created[LoginAnswer]:
    """Exchange a token of an identity provider for a registry credential that lives minutes.

    Open to everybody whose address the instance lets in; {instance} is the id here. Each token is taken once. Whatever
    is wrong with token or instance answers the same 401.
    """
    instance = instance_of(call)
    new = Workloads(call.stack).log_in(instance, body.token.get_secret_value())
    credential = new.credential
    # From here on it is known who asks, and the record says it.
    call.principal = credential.principal
    call.tell(user=credential.username, object=credential.created_by)
    answer = LoginAnswer(
        username=credential.username,
        password=new.password,
        expires_at=credential.expires_at or credential.created_at,
        login_command=_login_command(call, instance, credential.username),
    )
    return Created(answer, f"/instances/{instance.id}/credentials/{credential.username}")


def _view(call: Call, credential: Credential) -> CredentialView:
    return CredentialView.of(credential, _login_command(call, instance_of(call), credential.username))


def _secret(call: Call, new: NewSecret) -> SecretView:
    return SecretView.bearing(new, _login_command(call, instance_of(call), new.credential.username))


def _login_command(call: Call, instance: Instance, username: str) -> str:
    """User names hold nothing that a shell reads."""
    return f"docker login {Instances(call.stack).public_address(instance)} -u {username}"
