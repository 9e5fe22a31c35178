"""What Kubernetes needs to run a repository's images, in the management API (K1)."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from pydantic import BaseModel, Field

from chalicelib.credentials.models import Permission
from chalicelib.credentials.robots import Robots
from chalicelib.credentials.shapes import CredentialQuery, Username
from chalicelib.edge.answers import Text
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict
from chalicelib.kernel.modelling import GIVEN
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import Digest, TagName
from chalicelib.kernel.patterns import Pattern
from chalicelib.kernel.principal import Action
from chalicelib.kernel.roles import RIGHTS, Right
from chalicelib.repositories.api import REPOSITORY, repository_of
from chalicelib.repositories.kubernetes import USERNAME_PLACEHOLDER, PullLogin, label, manifests, secret_of
from chalicelib.repositories.models import Repository

from .service import Registry
from .tag_views import pull_commands

routes = Routes("repositories")

_YAML: Final = "application/yaml"
_KUBERNETES: Final = REPOSITORY + "/kubernetes"
_MOST_CREDENTIALS: Final = 200
# Of a robot's name, with its beginning and what makes it the only one: it names the secret too.
_LONGEST_ROBOT: Final = 48
_ENDING_BYTES: Final = 4

_Tag = Annotated[TagName, Field(max_length=128)]


class KubernetesQuery(BaseModel):
    """
    tag          which image the Deployment runs
    pin          it runs what the tag points to now, by digest, whatever is pushed later
    credential   whose user name the secret has; else the primary credential's, for who may see that
    """

    model_config = GIVEN

    tag: _Tag = TagName("latest")
    pin: bool = False
    credential: Username | None = None


class KubernetesOrder(BaseModel):
    """tag, pin: as of the manifests without a password. expires_at: when the robot ends, null for never."""

    model_config = GIVEN

    tag: _Tag = TagName("latest")
    pin: bool = False
    expires_at: Moment | None = None


@routes.get(_KUBERNETES, needs=Right.READ_CONTENT, media=(_YAML,), also=(409,))
def show_kubernetes_manifests(call: Call, query: KubernetesQuery) -> Text:
    """Manifests for Kubernetes: a pull secret, and a Deployment that uses it.

    Ready to apply once the password, and the user name where the caller may not see it, are filled in where the text
    says so. Passwords are never shown here: `POST` makes a robot, and answers with its own. What everybody may pull
    needs no secret. 409 for charts, which helm installs.
    """
    repository, address = _images_of(call), _address(call)
    reference = _reference(call, repository, query.tag, pin=query.pin)
    login = PullLogin(secret_of(address), query.credential or _username(call))
    needs_login = repository.visibility == "private" or query.credential is not None
    return Text(_YAML, manifests(address, repository.name, reference, login if needs_login else None))


@routes.post(_KUBERNETES, needs=Right.CHANGE_SETTINGS, changes="credential.create", secret=True, media=(_YAML,))
def create_kubernetes_manifests(call: Call, body: KubernetesOrder) -> Text:
    """Make a robot that may pull from this repository and no more, and answer manifests ready to apply.

    They hold its password, this once. It is listed among the credentials, and deleted there: then nothing is pulled by
    it any more. 409 for charts, and for a public repository, which needs no login.
    """
    instance, repository = instance_of(call), _images_of(call)
    if repository.visibility == "public":
        raise Conflict(f"repository {repository.name} is public: its manifests need no login, ask for them by GET")
    reference = _reference(call, repository, body.tag, pin=body.pin)
    ending = f"-{secrets.token_hex(_ENDING_BYTES)}"
    username = label(f"k8s-{repository.name.short}", ending, _LONGEST_ROBOT)
    call.tell(object=username)
    made = Robots(call.stack).create(instance, username, None, [_pull_of(repository)], body.expires_at, call.by)
    address, login = _address(call), PullLogin(username, username, made.password)
    return Text(_YAML, manifests(address, repository.name, reference, login))


def _images_of(call: Call) -> Repository:
    """Raises NotFound, and Conflict for a repository of charts."""
    repository = repository_of(call)
    if repository.kind != "chart":
        return repository
    plain = call.stack.settings.plain_http
    (helm, *_) = pull_commands("chart", f"{_address(call)}/{repository.name}", "<version>", plain_http=plain)
    install = helm.command.replace("helm pull", "helm install <name>", 1)
    raise Conflict(f"repository {repository.name} holds charts, which helm installs: {install}")


def _reference(call: Call, repository: Repository, tag: TagName, *, pin: bool) -> TagName | Digest:
    """Raises NotFound where the tag is to be pinned and is not there."""
    return Registry(call.stack).tag(repository, tag).digest if pin else tag


def _pull_of(repository: Repository) -> Permission:
    namespace, short = Pattern(repository.name.namespace), Pattern(repository.name.short)
    return Permission(namespaces=namespace, repositories=short, actions=(Action.PULL,))


def _address(call: Call) -> str:
    return Instances(call.stack).public_address(instance_of(call))


def _username(call: Call) -> str:
    """Of the instance's primary credential, for who may see credentials at all; of very many, one page is looked at."""
    role = call.principal.role
    if role is None or Right.READ_SETTINGS not in RIGHTS[role]:
        return USERNAME_PLACEHOLDER
    page = Robots(call.stack).page(instance_of(call), CredentialQuery(limit=_MOST_CREDENTIALS))
    return next((found.username for found in page.items if found.kind == "primary"), USERNAME_PLACEHOLDER)
