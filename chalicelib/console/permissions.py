"""Rows of a form that say what a credential may do, and where: `permissions.0.namespaces`, as the API names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chalicelib.credentials.shapes import MOST_PERMISSIONS
from chalicelib.kernel.principal import Action

from .forms import Form

ACTIONS: Final = tuple(action.value for action in Action)
# Of a row's fields, before its number.
_NAME: Final = "permissions."


@dataclass(frozen=True)
class Row:
    namespaces: str = ""
    repositories: str = "**"
    actions: tuple[str, ...] = ("pull",)


def rows(form: Form) -> list[Row]:
    """What was typed, without rows whose namespaces were left empty; one at least, and a new one where asked for."""
    kept = _kept(form)
    return [*kept, Row()] if asks_for_more(form) and len(kept) < MOST_PERMISSIONS else kept


def renumbered(form: Form) -> Form:
    """The form without its empty rows: what is wrong with a row is then said, and what was typed shown, at that row."""
    fields: dict[str, list[str]] = {}
    for number, row in enumerate(_kept(form)):
        fields[f"{_NAME}{number}.namespaces"] = [row.namespaces]
        fields[f"{_NAME}{number}.repositories"] = [row.repositories]
        fields[f"{_NAME}{number}.actions"] = list(row.actions)
    return form.replacing(_NAME, fields)


def asks_for_more(form: Form) -> bool:
    """Whether it was sent for another row, and not to be carried out."""
    return form.yes("more")


def given(form: Form) -> list[dict[str, object]]:
    """As the API takes them."""
    return [
        {"namespaces": row.namespaces, "repositories": row.repositories, "actions": list(row.actions)}
        for row in rows(form)
    ]


def _kept(form: Form) -> list[Row]:
    found = [_row(form, number) for number in range(MOST_PERMISSIONS) if f"{_NAME}{number}.namespaces" in form]
    return [row for row in found if row.namespaces] or found[:1] or [Row()]


def _row(form: Form, number: int) -> Row:
    name = f"{_NAME}{number}"
    return Row(form.text(f"{name}.namespaces"), form.text(f"{name}.repositories"), tuple(form.texts(f"{name}.actions")))
