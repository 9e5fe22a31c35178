"""What a new user types first: log in, bring an image, push it; by the client of their choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.credentials.api import list_credentials
from chalicelib.namespaces.api import list_namespaces
from chalicelib.registry.tag_views import TagView
from chalicelib.registry.tags_api import list_tags
from chalicelib.repositories.api import list_all_repositories
from chalicelib.repositories.models import RepositoryView

from .places import reference

if TYPE_CHECKING:
    from .visit import Visit

CLIENTS: Final = ("docker", "podman", "skopeo", "nerdctl", "ctr", "crane", "helm")
_EXAMPLE: Final = "library"


def _(text: str) -> str:
    return text


@dataclass(frozen=True)
class Step:
    """title: a word of the console; commands: lines to paste."""

    title: str
    commands: str


@dataclass(frozen=True)
class Beginning:
    """
    address    where the instance is, as clients reach it
    username   of its primary credential; "" for who may not see it
    """

    client: str
    address: str
    username: str
    namespace: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Pushed:
    """The first image: its tag is None while nothing is tagged yet."""

    repository: RepositoryView
    tag: TagView | None

    @property
    def reference(self) -> str:
        """What stands for the repository in a path."""
        return reference(self.repository)

    @property
    def scanning(self) -> bool:
        return self.tag is not None and self.tag.scan.state in ("queued", "running")


def beginning(visit: Visit) -> Beginning:
    """By the client that the address names: `?client=podman`. Raises Refused."""
    client = visit.query.get("client", "")
    client = client if client in CLIENTS else CLIENTS[0]
    username = _username(visit)
    held = visit.ask(list_namespaces, query={"limit": 1}).items
    namespace = held[0].name if held else _EXAMPLE
    plain = visit.stack.settings.plain_http
    address = visit.told(visit.instance.public_address)
    written = _STEPS[client](address, namespace, username or "<USER>", plain)
    return Beginning(client, address, username, namespace, tuple(written))


def pushed(visit: Visit) -> Pushed | None:
    """What came first; None while there is nothing. Raises Refused."""
    repositories = visit.ask(list_all_repositories, query={"limit": 1}).items
    if not repositories:
        return None
    (first,) = repositories
    newest = {"limit": 1, "sort": "-pushed_at"}
    tags = visit.ask(list_tags, query=newest, namespace=first.namespace, repository=reference(first)).items
    return Pushed(first, tags[0] if tags else None)


def _username(visit: Visit) -> str:
    if not visit.may("read_settings"):
        return ""
    primary = visit.ask(list_credentials, query={"kind": "primary", "limit": 1}).items
    return primary[0].username if primary else ""


def _daemon(name: str, address: str, namespace: str, username: str, flag: str) -> list[Step]:
    """docker and those that took over its command line. flag: what they have to be told where there is no TLS."""
    image = f"{address}/{namespace}/alpine:latest"
    return [
        Step(_("Log in"), f"{name} login{flag} {address} -u {username}"),
        Step(_("Take an image and name it anew"), f"{name} pull docker.io/library/alpine:latest\n"
             f"{name} tag docker.io/library/alpine:latest {image}"),
        Step(_("Push it"), f"{name} push{flag} {image}"),
    ]  # fmt: skip


def _docker(address: str, namespace: str, username: str, plain: bool) -> list[Step]:
    return _daemon("docker", address, namespace, username, "")


def _podman(address: str, namespace: str, username: str, plain: bool) -> list[Step]:
    return _daemon("podman", address, namespace, username, " --tls-verify=false" if plain else "")


def _nerdctl(address: str, namespace: str, username: str, plain: bool) -> list[Step]:
    return _daemon("nerdctl", address, namespace, username, " --insecure-registry" if plain else "")


def _ctr(address: str, namespace: str, username: str, plain: bool) -> list[Step]:
    image, flag = f"{address}/{namespace}/alpine:latest", " --plain-http" if plain else ""
    return [
        Step(_("Take an image and name it anew"), "ctr images pull docker.io/library/alpine:latest\n"
             f"ctr images tag docker.io/library/alpine:latest {image}"),
        Step(_("Log in and push it"), f"ctr images push{flag} --user {username} {image}"),
    ]  # fmt: skip


def _skopeo(address: str, namespace: str, username: str, plain: bool) -> list[Step]:
    login, copy = (" --tls-verify=false", " --dest-tls-verify=false") if plain else ("", "")
    target = f"docker://{address}/{namespace}/alpine:latest"
    copied = f"skopeo copy --all{copy} docker://alpine:latest {target}"
    return [
        Step(_("Log in"), f"skopeo login{login} {address} -u {username}"),
        Step(_("Copy an image here, with all its platforms"), copied),
    ]


def _crane(address: str, namespace: str, username: str, plain: bool) -> list[Step]:
    flag = " --insecure" if plain else ""
    target = f"{address}/{namespace}/alpine:latest"
    return [
        Step(_("Log in"), f"crane auth login{flag} {address} -u {username} -p <PASSWORD>"),
        Step(_("Copy an image here, with all its platforms"), f"crane copy{flag} alpine:latest {target}"),
    ]


def _helm(address: str, namespace: str, username: str, plain: bool) -> list[Step]:
    flag = " --plain-http" if plain else ""
    return [
        Step(_("Log in"), f"helm registry login{flag} {address} -u {username}"),
        Step(_("Make a chart and pack it"), "helm create hello\nhelm package hello"),
        Step(_("Push it"), f"helm push{flag} hello-0.1.0.tgz oci://{address}/{namespace}"),
    ]


_STEPS: Final = {
    "docker": _docker,
    "podman": _podman,
    "skopeo": _skopeo,
    "nerdctl": _nerdctl,
    "ctr": _ctr,
    "crane": _crane,
    "helm": _helm,
}
