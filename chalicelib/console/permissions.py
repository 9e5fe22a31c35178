"""Rows of a form that say what a credential may do, and where: `permissions.0.namespaces`, as the API names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chalicelib.credentials.shapes import MOST_PERMISSIONS
from chalicelib.kernel.principal import Action

from .forms import Form

ACTIONS: Final = tuple(action.value for action in Action)


@dataclass(frozen=True)
class Row:
    namespaces: str = ""
    repositories: str = "**"
    actions: tuple[str, ...] = ("pull",)


def rows(form: Form) -> list[Row]:
    """What was typed, without rows whose namespaces were left empty; one at least, and a new one where asked for."""
    found = [_row(form, number) for number in range(MOST_PERMISSIONS) if f"permissions.{number}.namespaces" in form]
    kept = [row for row in found if row.namespaces] or found[:1] or [Row()]
    return [*kept, Row()] if asks_for_more(form) and len(kept) < MOST_PERMISSIONS else kept


def asks_for_more(form: Form) -> bool:
    """Whether it was sent for another row, and not to be carried out."""
    return form.yes("more")


def given(form: Form) -> list[dict[str, object]]:
    """As the API takes them."""
    return [
        {"namespaces": row.namespaces, "repositories": row.repositories, "actions": list(row.actions)}
        for row in rows(form)
    ]


def _row(form: Form, number: int) -> Row:
    name = f"permissions.{number}"
    return Row(form.text(f"{name}.namespaces"), form.text(f"{name}.repositories"), tuple(form.texts(f"{name}.actions")))
