"""What the command palette finds: screens, instances, and what an instance holds, by a few letters."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.instances.api import list_instances, read_instance
from chalicelib.kernel.errors import Refused
from chalicelib.namespaces.api import list_namespaces
from chalicelib.repositories.api import list_all_repositories

from .navigation import Screen, account_screens, sections
from .places import reference
from .rendering import to

if TYPE_CHECKING:
    from .visit import Visit

# Of each kind. Whoever wants more types more.
_MOST: Final = 10


def _(text: str) -> str:
    return text


@dataclass(frozen=True)
class Found:
    """where: what stands behind it, such as the instance that a screen belongs to."""

    icon: str
    text: str
    address: str
    where: str = ""


@dataclass(frozen=True)
class Group:
    """name: a word of the console."""

    name: str
    found: tuple[Found, ...]


def find(visit: Visit, text: str, instance: str) -> list[Group]:
    """Groups that have something, those of the instance first. Four queries at most, each of one short page.

    text: "" finds screens alone. instance: the one that the reader was in, "" for none, or one that is not theirs.
    """
    within: list[Group] = []
    if instance:
        # Frozen, off the allowlist, or gone: the rest can still be found.
        with suppress(Refused):
            within = _within(visit, text, instance)
    found = [
        *within,
        Group(_("Instances"), _instances(visit, text) if text else ()),
        Group(_("Account"), tuple(_screen(visit, one) for one in account_screens(visit) if _names(visit, one, text))),
    ]
    return [group for group in found if group.found]


def _within(visit: Visit, text: str, instance: str) -> list[Group]:
    edition = visit.ask(read_instance, instance=instance).edition
    screens = [one for section in sections(visit, edition) for one in section.screens if _names(visit, one, text)]
    groups = [Group(_("Screens"), tuple(_screen(visit, one, instance) for one in screens))]
    if text:
        with suppress(Refused):
            groups += [
                Group(_("Namespaces"), _namespaces(visit, text, instance)),
                Group(_("Repositories"), _repositories(visit, text, instance)),
            ]
    return groups


def _names(visit: Visit, screen: Screen, text: str) -> bool:
    """In the reader's language, or in English, which documentation and colleagues may have said."""
    wanted = text.lower()
    return wanted in screen.name.lower() or wanted in visit.words(screen.name).lower()


def _screen(visit: Visit, screen: Screen, instance: str = "") -> Found:
    parts = [part for part in screen.path.split("/") if part]
    address = to("instances", instance, *parts) if instance else to(*parts)
    return Found(screen.icon, visit.words(screen.name), address, instance)


def _instances(visit: Visit, text: str) -> tuple[Found, ...]:
    if not visit.may("read_content"):
        return ()
    page = visit.ask(list_instances, query={"search": text, "limit": _MOST})
    return tuple(Found("instance", one.name, to("instances", one.name)) for one in page.items)


def _namespaces(visit: Visit, text: str, instance: str) -> tuple[Found, ...]:
    page = visit.ask(list_namespaces, query={"search": text, "limit": _MOST}, instance=instance)
    return tuple(
        Found("namespace", one.name, to("instances", instance, "namespaces", one.name), instance) for one in page.items
    )


def _repositories(visit: Visit, text: str, instance: str) -> tuple[Found, ...]:
    page = visit.ask(list_all_repositories, query={"search": text, "limit": _MOST}, instance=instance)
    found = []
    for one in page.items:
        below = ("charts", one.namespace) if one.kind == "chart" else ("namespaces", one.namespace, "repositories")
        address = to("instances", instance, *below, reference(one))
        found.append(Found("chart" if one.kind == "chart" else "image", one.full_name, address, instance))
    return tuple(found)
