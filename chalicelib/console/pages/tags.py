"""A repository's versions (N4): the list, pulling them, and what is done with one, some, or all that match."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from chalicelib.acceleration.api import accelerate_tag
from chalicelib.edge.answers import Accepted
from chalicelib.kernel.errors import Invalid, NotFound, Refused
from chalicelib.namespaces.api import list_namespaces
from chalicelib.registry.deletions_api import delete_tags
from chalicelib.registry.tag_deletions import MatchesChanged, TagDeletion
from chalicelib.registry.tags_api import copy_tag, get_tag, list_tags
from chalicelib.repositories.api import show_repository
from chalicelib.scanning.api import scan_tag

from ..clients import CLIENT_COOKIE, Client
from ..places import here
from ..undoing import entries_of, restore
from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/namespaces/{namespace}/repositories/{repository}"
_TAG: Final = _PATH + "/tags/{tag}"
# Of the list's address, which the forms on it remember: what narrows it, and where in it the reader was.
_NARROWED: Final = ("search", "prefix", "sort", "limit")
_ADDRESS: Final = (*_NARROWED, "cursor")
_A_YEAR_S: Final = 365 * 24 * 3600
_UNDER_WAY: Final = frozenset({"queued", "running"})
# Entries of the recycle bin whose ids the notice's cookie can hold.
_MOST_UNDONE: Final = 40


@pages.get(_PATH)
def tags(visit: Visit) -> Response:
    """Where something was refused, the list that it was chosen from, with what was chosen."""
    if visit.method == "POST":
        visit.query = {name: visit.form.text(name) for name in _ADDRESS if visit.form.text(name)}
    repository = visit.ask(show_repository)
    page = visit.ask(list_tags, query=visit.asked(*_ADDRESS))
    moving = [one for one in page.items if _UNDER_WAY & {one.scan.state, one.acceleration.state}]
    return visit.show(
        "tags/list.html",
        repository=repository,
        page=page,
        client=Client(visit, repository.kind or "image", repository.address),
        moving=[_mark(one.tag) for one in moving],
        mark=_mark,
        ticked=visit.form.texts("tags"),
    )


def _mark(tag: str) -> str:
    """Of a tag's row, in ids: what any tag may hold would end a selector."""
    return tag.encode().hex()


@pages.post(_PATH + "/client")
def choose_client(visit: Visit) -> Response:
    """Which commands the lists of versions show, kept by the browser."""
    response = visit.go(here(visit) + _question(visit, *_ADDRESS))
    visit.set_cookie(response, CLIENT_COOKIE, visit.form.text("client")[:20], _A_YEAR_S)
    return response


def _question(visit: Visit, *names: str) -> str:
    """What the form remembers of the list's address."""
    query = urlencode(visit.form.given(*names))
    return f"?{query}" if query else ""


# Several at once -----------------------------------------------------------------------------------------------------


@pages.post(_PATH + "/tag-scans", again=tags)
def scan(visit: Visit) -> Response:
    return _begun(visit, scan_tag, visit.words.many("%(num)s scan begun", "%(num)s scans begun", _count(visit)))


@pages.post(_PATH + "/tag-accelerations", again=tags)
def accelerate(visit: Visit) -> Response:
    told = visit.words.many("%(num)s conversion begun", "%(num)s conversions begun", _count(visit))
    return _begun(visit, accelerate_tag, told)


def _count(visit: Visit) -> int:
    return len(visit.form.texts("tags"))


def _begun(visit: Visit, endpoint: Callable[..., Any], told: str) -> Response:
    """For every chosen tag. Raises what the first was refused with, where there is none that was not."""
    chosen = visit.form.texts("tags")
    refused: list[tuple[str, Refused]] = []
    for tag in chosen:
        try:
            visit.ask(endpoint, tag=tag)
        except Refused as one:
            refused.append((tag, one))
    if not chosen:
        raise Invalid("tags", "choose at least one")
    if len(refused) == len(chosen):
        raise refused[0][1]
    if refused:
        tag, why = refused[0]
        told = visit.words(
            "Begun for %(done)s of %(all)s. Not for %(tag)s: %(why)s",
            done=len(chosen) - len(refused), all=len(chosen), tag=tag, why=visit.words.said(why.message),
        )  # fmt: skip
    return visit.go(here(visit) + _question(visit, *_ADDRESS), told)


# Deleting: a preview, then the deed, then the way back ---------------------------------------------------------------


@pages.get(_TAG + "/delete")
def ask_delete(visit: Visit) -> Response:
    return _preview(visit, {"tags": [visit.parts["tag"]]})


@pages.post(_PATH + "/tag-deletions/preview", again=tags)
def preview(visit: Visit) -> Response:
    """Of what is chosen. A form, as so many names do not fit into an address; nothing is deleted."""
    return _preview(visit, _order(visit))


@pages.post(_PATH + "/tag-deletions", again=tags)
def delete(visit: Visit) -> Response:
    order = _order(visit)
    # Of all that match, what the preview showed, and nothing else.
    seen = {"seen": visit.form.text("seen")} if "all_matching" in order else {}
    try:
        done = visit.ask(delete_tags, body={**order, **seen})
    except MatchesChanged as changed:
        visit.refused = changed
        return _preview(visit, order)
    if isinstance(done, Accepted):
        told = visit.words("The tags are being deleted; until the grace period is over, the recycle bin has them")
        return visit.go(visit.within("tasks", done.task.id), told)
    deleted = [one.tag for one in done.tags]
    told = visit.words.many("%(num)s tag deleted", "%(num)s tags deleted", len(deleted))
    if done.kept:
        told += visit.words(", %(num)s stayed", num=len(done.kept))
    if done.missing:
        told += visit.words(", %(num)s were gone already", num=len(done.missing))
    # Nothing would be left of what matched.
    narrowed = "" if "all_matching" in order else _question(visit, *_NARROWED)
    return visit.go(here(visit) + narrowed, told, _undo(visit, deleted))


def _order(visit: Visit) -> dict[str, object]:
    """Raises Invalid naming `tags`."""
    form = visit.form
    if form.yes("all_matching"):
        return {"all_matching": form.given("prefix", "search")}
    if not form.texts("tags"):
        raise Invalid("tags", "choose at least one")
    return {"tags": form.texts("tags")}


def _preview(visit: Visit, order: dict[str, object]) -> Response:
    told = visit.ask(delete_tags, body={**order, "dry_run": True})
    if isinstance(told, TagDeletion) and "tags" in order and not told.tags and not told.kept:
        raise NotFound("there is no such tag")
    return visit.show("tags/delete.html", repository=visit.ask(show_repository), order=order, told=told)


def _undo(visit: Visit, deleted: Collection[str]) -> str:
    """Accelerated versions come back with theirs. "" where they are too many for one click."""
    if not deleted or len(deleted) > _MOST_UNDONE:
        return ""
    entries = entries_of(visit, "tag", visit.ask(show_repository).full_name, deleted)
    return f"{here(visit)}/restore?{urlencode({'entries': '.'.join(entry.id for entry in entries)})}"


@pages.post(_PATH + "/restore", again=tags)
def undelete(visit: Visit) -> Response:
    """Takes a deletion back."""
    if not restore(visit, visit.query.get("entries", "").split(".")[:_MOST_UNDONE]):
        raise NotFound("it is not in the recycle bin any more")
    return visit.go(here(visit), visit.words("It is back"))


# Copies --------------------------------------------------------------------------------------------------------------


@pages.get(_TAG + "/copy")
def ask_copy(visit: Visit) -> Response:
    return visit.show(
        "tags/copy.html",
        repository=visit.ask(show_repository),
        tag=visit.ask(get_tag),
        namespaces=[(name, name) for name in _namespaces(visit)],
    )


def _namespaces(visit: Visit) -> list[str]:
    """The first 200, and the tag's own."""
    found = visit.ask(list_namespaces, query={"limit": 200}).items
    return sorted({visit.parts["namespace"], *(one.name for one in found)})


@pages.post(_TAG + "/copy", again=ask_copy)
def copy(visit: Visit) -> Response:
    form = visit.form
    wanted = form.given("namespace", "repository", "tag")
    made = visit.ask(copy_tag, body={"tag": "", **wanted, "referrers": form.yes("referrers")})
    # …/namespaces/{namespace}/repositories/{id}/tags/{tag}
    *_, namespace, _, repository, _, _ = made.location.split("/")
    told = visit.words("%(name)s is there", name=made.body.tag)
    return visit.go(visit.within("namespaces", namespace, "repositories", repository), told)
