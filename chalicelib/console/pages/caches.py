"""Namespaces that pull through another registry, and keep what comes (X7)."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from chalicelib.caching.api import create_cache, delete_cache, edit_cache, list_caches, show_cache
from chalicelib.caching.models import DEFAULT_TTL_S, CacheView
from chalicelib.namespaces.api import list_namespaces

from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/caches"
_CACHE: Final = _PATH + "/{namespace}"
_NAMESPACES: Final = 200


@pages.get(_PATH)
def caches(visit: Visit) -> Response:
    return visit.show(
        "caches/list.html",
        page=visit.ask(list_caches, query=visit.asked("cursor", "search", "sort")),
        example=example,
    )


def example(cache: CacheView) -> str:
    """An image that is pulled through it, as clients name it."""
    hub = cache.upstream.removesuffix("/") in ("docker.io", "registry-1.docker.io")
    return f"{cache.address}/{'library/alpine' if hub else 'name'}:latest"


@pages.get(_PATH + "/new")
def new(visit: Visit) -> Response:
    known = visit.ask(list_namespaces, query={"limit": _NAMESPACES}).items
    return visit.show("caches/new.html", namespaces=[one.name for one in known], ttl=DEFAULT_TTL_S)


@pages.post(_PATH + "/new", again=new)
def create(visit: Visit) -> Response:
    body = {**visit.form.given("namespace", "upstream", "username", "repositories"), "password": _password(visit)}
    made = visit.ask(create_cache, body={**body, **_ttl(visit)}).body
    told = visit.words("%(namespace)s pulls through %(upstream)s now", namespace=made.namespace, upstream=made.upstream)
    return visit.go(visit.within("caches"), told)


@pages.get(_CACHE + "/edit")
def ask_edit(visit: Visit) -> Response:
    return visit.show("caches/edit.html", cache=visit.ask(show_cache))


@pages.post(_CACHE + "/edit", again=ask_edit)
def edit(visit: Visit) -> Response:
    body: dict[str, Any] = {name: visit.form.text(name) for name in ("upstream", "username", "repositories")}
    if _password(visit) or visit.form.yes("no_password"):
        body["password"] = _password(visit)
    changed = visit.ask(edit_cache, body={**body, **_ttl(visit)})
    return visit.go(visit.within("caches"), visit.words("%(name)s was changed", name=changed.namespace))


@pages.get(_CACHE + "/delete")
def ask_delete(visit: Visit) -> Response:
    return visit.show("caches/delete.html", cache=visit.ask(show_cache))


@pages.post(_CACHE + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    visit.ask(delete_cache)
    told = visit.words("%(namespace)s is an ordinary namespace now", namespace=visit.parts["namespace"])
    return visit.go(visit.within("caches"), told)


def _password(visit: Visit) -> str:
    return visit.form.secret("password")


def _ttl(visit: Visit) -> dict[str, object]:
    seconds = visit.form.number("ttl_seconds")
    return {} if seconds is None else {"ttl_seconds": seconds}
