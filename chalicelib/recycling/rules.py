"""Pure decisions about entries of the recycle bin."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.ports.table import Item
from chalicelib.registry.models import BinEntry

from .models import Kind


def wanted(kind: Kind | None, search: str) -> Callable[[Item], bool] | None:
    """Which rows a list asks for; None for all of them."""
    if kind is None and not search:
        return None
    return lambda row: kind in (None, row["kind"]) and (search in row["name"] or search in row["repository"])


def home(entry: BinEntry, pointer: Item | None) -> str:
    """The full name of the repository that an entry is about or in, as it is called now; a namespace's own name.

    pointer   the row of the repository's id
    """
    if entry.kind in ("tag", "manifest") and pointer is not None:
        return str(pointer["name"])
    return entry.repository or entry.name


def why_not(entry: BinEntry, home: str, pointer: Item | None, namespace: Item | None) -> str:
    """Why the entry cannot be restored at this moment, "" if it can. Whether its name is taken is not looked at.

    pointer, namespace   the rows of its repository's id and of its namespace's name
    """
    if entry.kind == "namespace":
        return _why_not_namespace(entry)
    if namespace is None or "deletion" in namespace:
        return f"there is no namespace {home.partition('/')[0]}; restore or create it first"
    if entry.kind == "repository":
        return ""
    if pointer is None or pointer.get("state") == "purging":
        return f"repository {home} is gone for good"
    return f"repository {home} is in the recycle bin itself; restore it first" if "state" in pointer else ""


def _why_not_namespace(entry: BinEntry) -> str:
    if not entry.whole:
        return "it is still being deleted"
    if entry.returns:
        return "it is being restored"
    return "it is being freed" if entry.ends else ""
