"""What becomes of a visit: the page's answer, the form again, the way to the sign-in, or a page that says why not."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlencode

from starlette.responses import RedirectResponse, Response

from chalicelib.edge.endpoint import InternalError
from chalicelib.edge.log import logger
from chalicelib.kernel.errors import Refused, Unauthenticated
from chalicelib.kernel.origin import following

from .pages import Page
from .visit import ROOT, SESSION_COOKIE, Visit


def answer(page: Page, visit: Visit, path_of: Callable[[object], str]) -> Response:
    """path_of: of a page's function. Raises nothing: whatever goes wrong becomes a page."""
    visit.form_path = path_of(page.again).format(**visit.parts) if page.again else ""
    try:
        with following(visit.request_id, visit.request_id):
            return _answer(page, visit, path_of)
    except Refused as refused:
        return _refusal(visit, refused)
    except Exception:
        logger.exception("failed to answer", request_id=visit.request_id, method=visit.method, path=page.path)
        return _refusal(visit, InternalError("something went wrong here; ask the operator about this request id"))


def _answer(page: Page, visit: Visit, path_of: Callable[[object], str]) -> Response:
    if visit.refused is not None:
        # A forged request does nothing, and shows nothing of what it was about.
        raise visit.refused
    if not visit.signed_in and not page.open:
        return _to_sign_in(visit)
    try:
        return _page_or_form(page, visit, path_of)
    except Unauthenticated:
        if page.open:
            raise
        return _to_sign_in(visit)


def _page_or_form(page: Page, visit: Visit, path_of: Callable[[object], str]) -> Response:
    """What the page answers; where it is refused, the page with its form, which says why."""
    try:
        return page.function(visit)
    except Refused as refused:
        if page.again is None or (isinstance(refused, Unauthenticated) and not page.open):
            raise
        visit.refused = refused
        visit.path, visit.route = visit.form_path, path_of(page.again)
        return page.again(visit)


def _to_sign_in(visit: Visit) -> Response:
    """And from there back to the page."""
    back = _came_from(visit)
    path = f"{ROOT}/sign-in" + (f"?{urlencode({'to': back})}" if back else "")
    # htmx would put the sign-in into the middle of a page.
    response = (
        Response(status_code=204, headers={"HX-Redirect": path}) if visit.partial else RedirectResponse(path, 303)
    )
    response.delete_cookie(SESSION_COOKIE, path=ROOT)
    return response


def _came_from(visit: Visit) -> str:
    if visit.method != "GET":
        return ROOT + quote(visit.form_path) if visit.form_path else ""
    if visit.path == "/":
        return ""
    return ROOT + quote(visit.path) + (f"?{urlencode(visit.query)}" if visit.query else "")


def _refusal(visit: Visit, refused: Refused) -> Response:
    if visit.partial and visit.method == "GET":
        # A list that cannot be shown any more: the whole page says why.
        return Response(status_code=204, headers={"HX-Redirect": visit.here(cursor=visit.query.get("cursor"))})
    visit.refused, visit.fragment = refused, ""
    try:
        return visit.show("refused.html")
    except Exception:
        # Who asks was not to be found out either.
        logger.exception("failed to show a refusal", request_id=visit.request_id)
        return Response(
            f"{refused.message}\n\nrequest id: {visit.request_id}\n", refused.status, media_type="text/plain"
        )
