"""An image, by its tag or its digest: what it is made of, what is wrong with it, what is said of it."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from chalicelib.acceleration.api import accelerate_tag, show_acceleration
from chalicelib.advice.api import look_over_image, show_advice
from chalicelib.edge.answers import Text
from chalicelib.kernel.errors import Invalid, NotFound
from chalicelib.registry.history_api import list_tag_history, roll_tag_back
from chalicelib.scanning.api import list_vulnerabilities, scan_tag
from chalicelib.scanning.documents_api import download_sbom
from chalicelib.tasks.api import get_task, list_tasks
from chalicelib.tasks.models import TaskView

from ..image import Image
from ..ordering import ordered
from ..places import here
from ..visit import ROOT, Visit
from . import Pages

pages = Pages()

_REPOSITORY: Final = "/instances/{instance}/namespaces/{namespace}/repositories/{repository}"
_TAG: Final = _REPOSITORY + "/tags/{tag}"
_DIGEST: Final = _REPOSITORY + "/manifests/{digest}"


@pages.get(_TAG)
@pages.get(_DIGEST)
def image(visit: Visit) -> Response:
    return visit.show("images/overview.html", image=Image.of(visit))


@pages.get(_TAG + "/layers")
@pages.get(_DIGEST + "/layers")
def layers(visit: Visit) -> Response:
    shown = Image.of(visit)
    numbered = enumerate(shown.manifest.layers, 1)
    rows = ordered(visit, numbered, {"number": lambda row: row[0], "size": lambda row: row[1].size})
    return visit.show("images/layers.html", image=shown, rows=rows, total=sum(row.size for _, row in rows))


# Vulnerabilities


@pages.get(_TAG + "/vulnerabilities")
def vulnerabilities(visit: Visit) -> Response:
    shown = Image.of(visit)
    scan = shown.scan
    asked = visit.asked("cursor", "search", "severity", "fixable", "silenced", "platform", "sort")
    found = None
    if scan.state in ("succeeded", "partial"):
        found = visit.ask(list_vulnerabilities, query=asked, digest=shown.digest)
    task = _task(visit, scan.task_id)
    return visit.show("images/vulnerabilities.html", image=shown, scan=scan, page=found, task=task)


@pages.get(_DIGEST + "/vulnerabilities")
def vulnerabilities_of_digest(visit: Visit) -> Response:
    return vulnerabilities(visit)


@pages.post(_TAG + "/vulnerabilities", again=vulnerabilities)
def scan_now(visit: Visit) -> Response:
    visit.ask(scan_tag)
    return visit.go(here(visit, "tags", visit.parts["tag"], "vulnerabilities"), visit.words("The scan has begun"))


@pages.get(_DIGEST + "/vulnerabilities/download")
def download_vulnerabilities(visit: Visit) -> Response:
    query = visit.asked("format", "search", "severity", "fixable", "silenced", "platform", "sort", format="csv")
    return _file(visit.ask(list_vulnerabilities, query=query))


# What is attached to it


@pages.get(_TAG + "/attachments")
@pages.get(_DIGEST + "/attachments")
def attachments(visit: Visit) -> Response:
    shown = Image.of(visit)
    scan = shown.scan if shown.kind == "image" else None
    columns = {"kind": lambda one: one.artifact_type or one.media_type, "size": lambda one: one.size}
    rows = ordered(visit, shown.manifest.referrers, columns)
    return visit.show("images/attachments.html", image=shown, scan=scan, rows=rows)


@pages.get(_DIGEST + "/sbom/download")
def download_bill(visit: Visit) -> Response:
    return _file(visit.ask(download_sbom, query=visit.asked("format", "platform")))


# Advice


@pages.get(_TAG + "/advice")
def advice(visit: Visit) -> Response:
    shown = Image.of(visit)
    told = visit.ask(show_advice, digest=shown.digest)
    task = _advising(visit, shown.digest) if told.state == "pending" else None
    numbers = {layer.digest: number for number, layer in enumerate(shown.manifest.layers, 1)}
    return visit.show("images/advice.html", image=shown, advice=told, task=task, numbers=numbers)


@pages.get(_DIGEST + "/advice")
def advice_of_digest(visit: Visit) -> Response:
    return advice(visit)


@pages.post(_TAG + "/advice", again=advice)
def look_over(visit: Visit) -> Response:
    shown = Image.of(visit)
    visit.ask(look_over_image, digest=shown.digest)
    return visit.go(shown.path("advice"), visit.words("The image is being looked over"))


@pages.post(_DIGEST + "/advice", again=advice_of_digest)
def look_digest_over(visit: Visit) -> Response:
    return look_over(visit)


# History


@pages.get(_TAG + "/history")
def history(visit: Visit) -> Response:
    """Also of a tag that was deleted, which has nothing else to show."""
    page = visit.ask(list_tag_history, query=visit.asked("cursor", "search", "sort"))
    home = ROOT + here(visit)
    try:
        return visit.show("images/history.html", image=Image.of(visit), page=page, home=home)
    except NotFound:
        return visit.show("images/history_of_deleted.html", page=page, home=home)


@pages.get(_TAG + "/rollback")
def ask_rollback(visit: Visit) -> Response:
    digest = visit.form.text("digest") or visit.query.get("digest", "")
    newest = visit.ask(list_tag_history, query={"limit": 1}).items
    moves = visit.ask(list_tag_history, query={"search": digest, "limit": 1}).items
    if not digest or not moves:
        raise NotFound("the tag never pointed there")
    return visit.show("images/rollback.html", move=moves[0], newest=newest[0])


@pages.post(_TAG + "/rollback", again=ask_rollback)
def roll_back(visit: Visit) -> Response:
    moved = visit.ask(roll_tag_back, body=visit.form.given("digest"))
    told = visit.words("%(tag)s points to %(digest)s again", tag=moved.tag, digest=f"{moved.digest[:19]}…")
    return visit.go(here(visit, "tags", moved.tag, "history"), told)


# Acceleration


@pages.get(_TAG + "/acceleration")
def acceleration(visit: Visit) -> Response:
    state = visit.ask(show_acceleration)
    task = _task(visit, state.task)
    return visit.show("images/acceleration.html", image=Image.of(visit), acceleration=state, task=task)


@pages.post(_TAG + "/acceleration", again=acceleration)
def accelerate_now(visit: Visit) -> Response:
    visit.ask(accelerate_tag)
    return visit.go(here(visit, "tags", visit.parts["tag"], "acceleration"), visit.words("The conversion has begun"))


def _task(visit: Visit, task: str) -> TaskView | None:
    """One under way; None where there is none, or it is gone."""
    if not task:
        return None
    try:
        return visit.ask(get_task, task=task)
    except NotFound:
        return None


def _advising(visit: Visit, digest: str) -> TaskView | None:
    """The task that looks it over, or failed to, among the newest of its kind."""
    found = visit.ask(list_tasks, query={"kind": "advice", "limit": 50}).items
    return next((task for task in found if task.subject.get("digest") == digest), None)


def _file(answer: object) -> Response:
    """What an endpoint answers as a document, for the browser to save. Raises Invalid for what is a list."""
    if not isinstance(answer, Text):
        raise Invalid("format", "has to be that of a file")
    return Response(answer.body, 200, answer.headers, answer.media_type)
