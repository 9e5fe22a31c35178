"""Security scanning (S1): what is being scanned, by which database, and which findings documents silence."""

from __future__ import annotations

import json
from typing import Final

from starlette.responses import Response

from chalicelib.findings.api import (
    create_vex_document,
    delete_vex_document,
    list_vex_documents,
    show_vex_document,
)
from chalicelib.kernel.errors import Invalid
from chalicelib.namespaces.api import list_namespaces
from chalicelib.scanning.api import scan_namespace
from chalicelib.scanning.database_api import show_vulnerability_database
from chalicelib.tasks.api import list_tasks

from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/scans"
_DOCUMENTS: Final = _PATH + "/documents"
_DOCUMENT: Final = _DOCUMENTS + "/{document}"
_NAMESPACES: Final = 200


@pages.get(_PATH)
def scans(visit: Visit) -> Response:
    asked = visit.asked("cursor", "search", "state", "sort", kind="scan")
    whole = visit.fragment != "list"
    return visit.show(
        "scans/list.html",
        page=visit.ask(list_tasks, query=asked),
        database=visit.ask(show_vulnerability_database) if whole else None,
        namespaces=visit.ask(list_namespaces, query={"limit": _NAMESPACES}).items if whole else (),
    )


@pages.post(_PATH, again=scans)
def scan(visit: Visit) -> Response:
    name = visit.form.text("namespace")
    if not name:
        raise Invalid("namespace", "is missing")
    visit.ask(scan_namespace, namespace=name)
    return visit.go(visit.within("scans"), visit.words("All of %(name)s is being scanned", name=name))


# Documents


@pages.get(_DOCUMENTS)
def documents(visit: Visit) -> Response:
    asked = visit.asked("cursor", "search", "sort")
    return visit.show("scans/documents.html", page=visit.ask(list_vex_documents, query=asked))


@pages.get(_DOCUMENTS + "/new")
def new(visit: Visit) -> Response:
    return visit.show("scans/new_document.html")


@pages.post(_DOCUMENTS + "/new", again=new)
def add(visit: Visit) -> Response:
    try:
        document = json.loads(visit.form.text("document"))
    except (ValueError, RecursionError) as malformed:
        raise Invalid("document", "is no JSON") from malformed
    body = {"document": document, "expires_at": visit.form.moment("expires_at")}
    made = visit.ask(create_vex_document, body=body)
    told = visit.words("The document holds; images are judged again in the background")
    return visit.go(visit.within("scans", "documents", made.body.id), told)


@pages.get(_DOCUMENT)
def document(visit: Visit) -> Response:
    shown = visit.ask(show_vex_document)
    text = json.dumps(shown.document, indent=2, ensure_ascii=False)
    return visit.show("scans/document.html", document=shown, text=text)


@pages.get(_DOCUMENT + "/delete")
def ask_delete(visit: Visit) -> Response:
    return visit.show("scans/delete_document.html", document=visit.ask(show_vex_document))


@pages.post(_DOCUMENT + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    visit.ask(delete_vex_document)
    told = visit.words("The document is gone; images are judged again in the background")
    return visit.go(visit.within("scans", "documents"), told)
