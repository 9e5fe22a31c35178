"""Patterns in forms: tried out before they are saved, and where one goes wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chalicelib.edge.answers import Listing
from chalicelib.kernel.errors import Refused
from chalicelib.registry.matching import MatchingTag
from chalicelib.registry.tags_api import list_matching_tags

from .forms import Form
from .visit import Visit

SHOWN: Final = 20
_PLACE: Final = re.compile(r"\(character ([0-9]{1,5})\)")


@dataclass(frozen=True)
class Fault:
    """A pattern with the character at which it goes wrong; "" where something is missing at its end."""

    before: str
    character: str
    after: str


def fault(visit: Visit, name: str) -> Fault | None:
    """Of a field that was refused for its pattern."""
    for field, message in visit.refused.fields if visit.refused else ():
        found = _PLACE.search(message) if field == name else None
        if found:
            text, at = given(visit, name), int(found[1]) - 1
            return Fault(text[:at], text[at : at + 1], text[at + 1 :])
    return None


def given(visit: Visit, name: str, otherwise: str = "") -> str:
    """What stands in a field: sent, or in the address of a try-out."""
    return visit.form.text(name) if name in visit.form else visit.query.get(name, otherwise).strip()


def trying(visit: Visit) -> bool:
    """Whether the page's address has a form that is tried out. It is then shown as it was filled in."""
    asked = visit.method == "GET" and "try" in visit.query
    if asked:
        visit.form = Form({name: [text] for name, text in visit.query.items()})
    return asked


def tried(visit: Visit, namespace: str) -> Listing[MatchingTag] | None:
    """What the patterns in the page's address mean now; None where nothing was asked, or could be answered: then
    `visit.refused` says why."""
    if not trying(visit) or not namespace:
        return None
    query: Mapping[str, object] = {"limit": SHOWN, **visit.asked("repositories", "tags", "cursor")}
    try:
        return visit.ask(list_matching_tags, query=query, namespace=namespace)
    except Refused as refused:
        visit.refused = refused
        return None
