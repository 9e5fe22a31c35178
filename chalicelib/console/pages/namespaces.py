"""Namespaces, their switches (N1), their pull policy (X6), and their end (N2)."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from chalicelib.namespaces.api import create_namespace, edit_namespace, list_namespaces, show_namespace
from chalicelib.pull_policies.api import set_pull_policy, show_pull_policy
from chalicelib.registry.deletions_api import delete_namespace, show_namespace_losses
from chalicelib.repositories.api import list_repositories_of_namespace
from chalicelib.scanning.api import scan_namespace

from ..places import NEW, reference
from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/namespaces"
_ONE: Final = _PATH + "/{namespace}"
_SWITCHES: Final = ("auto_create_repository", "scan_on_push", "allow_sparse_indexes")
# Of the pull policy's exceptions: the empty rows of the form, and all that are read from it.
_EMPTY_ROWS: Final = 3
_MOST_ROWS: Final = 200 + _EMPTY_ROWS


@pages.get(_PATH)
def namespaces(visit: Visit) -> Response:
    return visit.show(
        "namespaces/list.html", page=visit.ask(list_namespaces, query=visit.asked("cursor", "search", "sort"))
    )


@pages.get(_PATH + NEW)
def new(visit: Visit) -> Response:
    return visit.show("namespaces/new.html")


@pages.post(_PATH + NEW, again=new)
def create(visit: Visit) -> Response:
    made = visit.ask(create_namespace, body={"name": visit.form.text("name"), **_settings(visit)})
    return visit.go(visit.within("namespaces", made.body.name), visit.words("The namespace is there"))


# Whoever cuts the end off a repository's address arrives at the second.
@pages.get(_ONE + "/repositories")
@pages.get(_ONE)
def repositories(visit: Visit) -> Response:
    return visit.show(
        "namespaces/repositories.html",
        namespace=visit.ask(show_namespace),
        page=visit.ask(list_repositories_of_namespace, query=visit.asked("cursor", "search", "sort", "kind")),
        reference=reference,
    )


@pages.post(_ONE + "/scan", again=repositories)
def scan(visit: Visit) -> Response:
    task = visit.ask(scan_namespace).task
    return visit.go(visit.within("tasks", task.id), visit.words("All tags of the namespace are being scanned"))


# Settings ------------------------------------------------------------------------------------------------------------


@pages.get(_ONE + "/settings")
def settings(visit: Visit) -> Response:
    return visit.show("namespaces/settings.html", namespace=visit.ask(show_namespace))


@pages.post(_ONE + "/settings", again=settings)
def change(visit: Visit) -> Response:
    visit.ask(edit_namespace, body=_settings(visit))
    return visit.go(visit.within("namespaces", visit.parts["namespace"], "settings"), visit.words("Saved"))


@pages.get(_ONE + "/pull-policy")
def pull_policy(visit: Visit) -> Response:
    policy = visit.ask(show_pull_policy)
    rows = _typed_rows(visit) if visit.refused else [one.model_dump(mode="json") for one in policy.exceptions]
    shown = [{**row, "expires_at": (row["expires_at"] or "").removesuffix("Z")[:19]} for row in rows]
    empty = {"id": "", "reason": "", "expires_at": "", "expired": False}
    return visit.show(
        "namespaces/pull_policy.html",
        policy=policy,
        rows=[*shown, *[empty] * _EMPTY_ROWS],
        # Sent again, the form has the version that this page shows.
        overtaken=visit.refused is not None and visit.form.number("version") != policy.version,
    )


@pages.post(_ONE + "/pull-policy", again=pull_policy)
def change_pull_policy(visit: Visit) -> Response:
    form = visit.form
    order = {
        "severity": form.text("severity") or None,
        "unscanned": form.text("unscanned", "allow"),
        "exceptions": [{name: row[name] for name in ("id", "reason", "expires_at")} for row in _typed_rows(visit)],
        "version": form.number("version"),
    }
    visit.ask(set_pull_policy, body=order)
    return visit.go(visit.within("namespaces", visit.parts["namespace"], "pull-policy"), visit.words("Saved"))


def _settings(visit: Visit) -> dict[str, object]:
    """As the form has them. What the edition lacks is not in the form."""
    chosen: dict[str, object] = {name: visit.form.yes(name) for name in _SWITCHES}
    if visit.instance.edition == "enterprise":
        chosen["acceleration"] = visit.form.yes("acceleration")
    return {**chosen, "default_visibility": visit.form.text("default_visibility")}


def _typed_rows(visit: Visit) -> list[dict[str, Any]]:
    """Exceptions as they were typed, without empty rows and those to be removed."""
    form = visit.form
    rows = []
    for number in range(_MOST_ROWS):
        name = f"exceptions.{number}"
        vulnerability, reason = form.text(f"{name}.id"), form.text(f"{name}.reason")
        if (vulnerability or reason) and not form.yes(f"{name}.remove"):
            ends = form.moment(f"{name}.expires_at")
            rows.append({"id": vulnerability, "reason": reason, "expires_at": ends, "expired": False})
    return rows


# The end -------------------------------------------------------------------------------------------------------------


@pages.get(_ONE + "/delete")
def ask_delete(visit: Visit) -> Response:
    return visit.show("namespaces/delete.html", lost=visit.ask(show_namespace_losses))


@pages.post(_ONE + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    task = visit.ask(delete_namespace, query={"confirm": visit.form.text("confirm")}).task
    return visit.go(
        visit.within("tasks", task.id),
        visit.words("The namespace is on its way into the recycle bin, from where it can be restored"),
    )
