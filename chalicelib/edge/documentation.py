"""The API's documentation, served by the API: the OpenAPI document, and pages to browse it.

Everything the pages load comes from here. `docs/` holds Swagger UI as its makers publish it; `docs/README.md` says
which version, under which licence, and its checksums.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import RootModel, WithJsonSchema

from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.modelling import MADE

from .answers import Text
from .apicall import Call
from .endpoint import Routes
from .openapi import openapi

FOLDER: Final = Path(__file__).with_name("docs")
_MEDIA: Final = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
# Its icons are images inside its style sheet; it sets sizes of elements from its script, which needs no permission.
_POLICY: Final = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_PROTECTED: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# Their names do not change with their content: browsers ask again once a day.
_CACHED: Final = {"Cache-Control": "public, max-age=86400"}


class Document(RootModel[Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]]):
    """An OpenAPI 3.1 document."""

    model_config = MADE


def documentation(api: Callable[[], Sequence[Routes]]) -> Routes:
    """The room's routes. api: the whole API, itself included; asked with the first request."""
    routes = Routes("documentation")

    @cache
    def document() -> Document:
        return Document(openapi(api()))

    @routes.get("/openapi.json", needs=None)
    def openapi_document(call: Call) -> Document:
        """This document."""
        return document()

    @routes.get("/docs", needs=None, media=("text/html; charset=utf-8",))
    def documentation_page(call: Call) -> Text:
        """Browse this documentation, and try requests."""
        return _file("index.html")

    @routes.get("/docs/{asset}", needs=None, media=tuple(f"{media}; charset=utf-8" for media in _MEDIA.values()))
    def documentation_asset(call: Call) -> Text:
        """A script or a style sheet of the documentation's pages."""
        return _file(call.parts["asset"])

    return routes


def as_text(document: dict[str, Any]) -> str:
    """As it is checked in: one line a value, so that changes can be read."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _file(name: str) -> Text:
    """Raises NotFound."""
    content = _files().get(name)
    if content is None:
        raise NotFound("there is nothing at this path")
    media = _MEDIA[Path(name).suffix]
    return Text(f"{media}; charset=utf-8", content, _PROTECTED | _CACHED)


@cache
def _files() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir() if path.suffix in _MEDIA}
