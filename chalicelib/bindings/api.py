"""Environments, services, versions and their images in the management API (B1–B4). They belong to the account.

Whatever shows or changes what an instance holds passes its allowlist, and needs it running, as under the instance's own
paths. Services and versions themselves say no more than whether repository and tag are still there.
"""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.access.service import Access
from chalicelib.edge.answers import Created, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, Invalid, NotFound
from chalicelib.kernel.roles import Right
from chalicelib.registry.tags_api import tag_of
from chalicelib.repositories.models import Repository

from .environments import MOST_SERVICES
from .models import Environment, Service, Version
from .service import Bindings
from .shapes import (
    BindingView,
    BreakingConfirmation,
    EnvironmentView,
    ImageDeletion,
    ImageQuery,
    NamedQuery,
    NewEnvironment,
    NewService,
    NewVersion,
    RemarkEdit,
    ServiceEdit,
    ServiceImageView,
    ServiceView,
    VersionView,
)

routes = Routes("bindings")

_ENVIRONMENT = "/environments/{environment}"
_SERVICE = _ENVIRONMENT + "/services/{service}"
_VERSION = _SERVICE + "/versions/{version}"


@routes.get("/environments", needs=Right.READ_CONTENT)
def list_environments(call: Call, query: NamedQuery) -> Listing[EnvironmentView]:
    """List the environments of your account, by name."""
    page = Bindings(call.stack).environments.page(call.principal.account_id, query)
    return Listing[EnvironmentView].of(page.map(_environment_view))


@routes.post("/environments", needs=Right.CHANGE_CONTENT, changes="environment.create", also=(404,))
def create_environment(call: Call, body: NewEnvironment) -> Created[EnvironmentView]:
    """Make an environment.

    Its name, its instance and the namespace in which its services' default repositories will be are fixed from then
    on. An instance has one such namespace for all environments, `tcb-…`, which is made private if it is missing. 409 if
    the name is taken, or the instance has another namespace for this.
    """
    call.tell(object=body.name)
    instance = _reached(call, body.instance or _only_instance(call))
    made = Bindings(call.stack).environments.create(instance, body, call.by)
    return Created(_environment_view(made), f"/environments/{made.name}")


@routes.get(_ENVIRONMENT, needs=Right.READ_CONTENT)
def show_environment(call: Call) -> EnvironmentView:
    """Show an environment."""
    return _environment_view(_environment(call))


@routes.patch(_ENVIRONMENT, needs=Right.CHANGE_CONTENT, changes="environment.edit")
def edit_environment(call: Call, body: RemarkEdit) -> EnvironmentView:
    """Change an environment's remark."""
    return _environment_view(Bindings(call.stack).environments.edit(_environment(call), body.remark))


@routes.delete(_ENVIRONMENT, needs=Right.CHANGE_CONTENT, changes="environment.delete", also=(409,))
def delete_environment(call: Call) -> None:
    """Delete an environment.

    409 IN_USE, which names them, while it has services. Namespace and repositories stay.
    """
    Bindings(call.stack).environments.delete(_environment(call))


@routes.get(_ENVIRONMENT + "/services", needs=Right.READ_CONTENT)
def list_services(call: Call, query: NamedQuery) -> Listing[ServiceView]:
    """List the services of an environment, by name."""
    page = Bindings(call.stack).services.page(_environment(call), query)
    found = Bindings(call.stack).services.repositories(page.items)
    return Listing[ServiceView].of(page.map(lambda service: _service_view(call, service, found)))


@routes.post(_ENVIRONMENT + "/services", needs=Right.CHANGE_CONTENT, changes="service.create")
def create_service(call: Call, body: NewService) -> Created[ServiceView]:
    """Make a service and bind it to the repository of its images, both for good.

    By default a private repository `<environment>_<service>` is made for it; one that was kept from a service of this
    name is bound again, and `reused` says so. Or it takes an existing private image repository of the account, which
    several services may share. 403 QUOTA_EXCEEDED where the environment has 5 services.
    """
    environment = _environment(call)
    call.tell(object=f"{environment.name}/{body.name}")
    instance = _reached(call, body.binding.instance or environment.instance_id)
    made = Bindings(call.stack).services.create(environment, body, instance, call.by)
    call.tell(namespace=made.repository.namespace, repository=made.repository)
    return Created(_service_shown(call, made), f"/environments/{made.environment}/services/{made.name}")


@routes.get(_SERVICE, needs=Right.READ_CONTENT)
def show_service(call: Call) -> ServiceView:
    """Show a service, and what it is bound to."""
    return _service_shown(call, _service(call))


@routes.patch(_SERVICE, needs=Right.CHANGE_CONTENT, changes="service.edit", also=(409,))
def edit_service(call: Call, body: ServiceEdit) -> ServiceView:
    """Change a service's remark.

    409 for another name or binding: make another service instead, several may share a repository.
    """
    service = _service(call)
    _require_unchanged(service, body)
    return _service_shown(call, Bindings(call.stack).services.edit(service, body.remark))


@routes.delete(_SERVICE, needs=Right.CHANGE_CONTENT, changes="service.delete")
def delete_service(call: Call) -> None:
    """Delete a service with its versions.

    Its repository stays with all images, and its place in the environment is free.
    """
    Bindings(call.stack).services.delete(_service(call))


@routes.get(_SERVICE + "/versions", needs=Right.READ_CONTENT)
def list_versions(call: Call, query: NamedQuery) -> Listing[VersionView]:
    """List the versions of a service, by name."""
    service, versions = _service(call), Bindings(call.stack).versions
    page = versions.page(service, query)
    digests = versions.digests(service, page.items)
    return Listing[VersionView].of(page.map(lambda version: VersionView.of(version, digests.get(version.tag, ""))))


@routes.post(_SERVICE + "/versions", needs=Right.CHANGE_CONTENT, changes="version.create")
def create_version(call: Call, body: NewVersion) -> Created[VersionView]:
    """Make a version of a service from an image of its repository.

    It keeps the tag and the digest that the tag has now. 404 without the tag, 409 if the name is taken.
    """
    service = _service(call)
    call.tell(object=f"{service.environment}/{service.name}/{body.name}")
    instance = _reached(call, service.instance_id)
    repository = Bindings(call.stack).services.repository(instance, service)
    made = Bindings(call.stack).versions.create(service, repository, body, call.by)
    path = f"/environments/{made.environment}/services/{made.service}/versions/{made.name}"
    return Created(VersionView.of(made, made.digest), path)


@routes.get(_VERSION, needs=Right.READ_CONTENT)
def show_version(call: Call) -> VersionView:
    """Show a version, and whether its image is still there."""
    service, version = _version(call)
    return VersionView.of(version, Bindings(call.stack).versions.digests(service, [version]).get(version.tag, ""))


@routes.delete(_VERSION, needs=Right.CHANGE_CONTENT, changes="version.delete")
def delete_version(call: Call) -> None:
    """Delete a version. Its image stays."""
    service, version = _version(call)
    Bindings(call.stack).versions.delete(service, version)


@routes.get(_SERVICE + "/images", needs=Right.READ_CONTENT)
def list_service_images(call: Call, query: ImageQuery) -> Listing[ServiceImageView]:
    """List the images of a service's repository, and which versions of which services use them.

    As the list of the repository's tags, in the same orders and at the same costs. 404 while the repository is deleted.
    """
    instance, repository = _bound(call, _service(call))
    return Listing[ServiceImageView].of(Bindings(call.stack).images(instance, repository).page(query))


@routes.delete(
    _SERVICE + "/images/{tag}", needs=Right.CHANGE_CONTENT, changes="tag.delete", status=200, also=(409, 428)
)
def delete_service_image(call: Call, query: BreakingConfirmation) -> ImageDeletion:
    """Delete an image of a service's repository, and tell what goes with it.

    428 where versions use it, of this service or another: confirm by naming them. It lies in the recycle bin for the
    grace period. 409 TAG_IMMUTABLE where a rule keeps the tag, IN_USE where too many versions use it to be named.
    """
    instance, repository = _bound(call, _service(call))
    call.tell(namespace=repository.name.namespace, repository=repository.name)
    tag = tag_of(call, repository)
    call.tell(object=tag.name)
    return Bindings(call.stack).images(instance, repository).delete(tag.name, query.confirm, call.by)


def _reached(call: Call, ref: str, *, recorded: bool = False) -> Instance:
    """An instance of the account, by id or name, as the gate lets callers in whose path names it.

    recorded   what becomes of the call stands in the audit record of the instance, not of the account
    Raises NotFound, AddressNotAllowed, InstanceFrozen.
    """
    instances = Instances(call.stack)
    instance = instances.of_account(call.principal.account_id, ref)
    if recorded:
        call.instance = instance
    Access(call.stack).admit(instance, call.request.address, call.request.internal)
    instances.require_running(instance)
    return instance


def _only_instance(call: Call) -> str:
    """Raises Invalid naming `instance` unless the account has just one."""
    page = Instances(call.stack).page(call.principal.account_id, limit=2)
    if len(page.items) != 1:
        raise Invalid("instance", "is needed: the account has not just one")
    return page.items[0].id


def _environment(call: Call) -> Environment:
    return Bindings(call.stack).environments.get(call.principal.account_id, call.parts["environment"])


def _service(call: Call) -> Service:
    return Bindings(call.stack).services.get(_environment(call), call.parts["service"])


def _version(call: Call) -> tuple[Service, Version]:
    service = _service(call)
    return service, Bindings(call.stack).versions.get(service, call.parts["version"])


def _bound(call: Call, service: Service) -> tuple[Instance, Repository]:
    """What the service is bound to, and where. The record of what follows belongs to the instance."""
    instance = _reached(call, service.instance_id, recorded=True)
    return instance, Bindings(call.stack).services.repository(instance, service)


def _require_unchanged(service: Service, body: ServiceEdit) -> None:
    """Raises Conflict naming each field that would change what never does."""
    bad = []
    if body.name not in (None, service.name):
        bad.append(("name", "a service keeps its name; make another service instead"))
    if body.binding is not None and not _says_what_is(body, service):
        bad.append(("binding", "a service keeps its repository; make another service instead"))
    if bad:
        raise Conflict.many(bad)


def _says_what_is(body: ServiceEdit, service: Service) -> bool:
    given = body.binding.model_dump(exclude_unset=True) if body.binding else {}
    known = {
        "mode": (service.mode,),
        "instance": (service.instance, service.instance_id),
        "namespace": (service.repository.namespace,),
        "repository": (service.repository.short, service.repository_id),
    }
    return all(value in known[field] for field, value in given.items())


def _environment_view(environment: Environment) -> EnvironmentView:
    return EnvironmentView.of(environment, MOST_SERVICES)


def _service_shown(call: Call, service: Service) -> ServiceView:
    return _service_view(call, service, Bindings(call.stack).services.repositories([service]))


def _service_view(call: Call, service: Service, found: Mapping[str, Repository]) -> ServiceView:
    """found: repositories that are there, by id."""
    repository = found.get(service.repository_id)
    name = repository.name if repository else service.repository
    binding = BindingView(
        mode=service.mode,
        instance=service.instance,
        instance_id=service.instance_id,
        namespace=name.namespace,
        repository=name.short,
        repository_id=service.repository_id,
    )
    known = service.model_dump(
        include={"name", "environment", "remark", "reused", "versions", "created_at", "created_by"}
    )
    return ServiceView(
        **known,
        id=service.name,
        binding=binding,
        address=_address(call, service, repository),
        repository_missing=repository is None,
        state="deleting" if service.deleting else "ready",
    )


def _address(call: Call, service: Service, repository: Repository | None) -> str:
    instances = Instances(call.stack)
    try:
        instance = instances.get(service.instance_id)
    except NotFound:
        return ""
    return f"{instances.public_address(instance)}/{repository.name}" if repository else ""
