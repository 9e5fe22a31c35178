"""What stands beside every page of an instance, and what the command palette knows.

A line a screen: its path below the instance, its name, the right that its first endpoint needs, and whether it is for
enterprise instances alone. Names are marked with `_` here and translated where they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.kernel.roles import Right

if TYPE_CHECKING:
    from .visit import Visit


def _(text: str) -> str:
    return text


@dataclass(frozen=True)
class Screen:
    """path: below the instance; "" for its overview."""

    path: str
    name: str
    icon: str
    needs: Right = Right.READ_CONTENT
    enterprise: bool = False


@dataclass(frozen=True)
class Section:
    name: str
    screens: tuple[Screen, ...]


_SETTINGS: Final = Right.READ_SETTINGS
SECTIONS: Final[tuple[Section, ...]] = (
    Section(
        "",
        (Screen("", _("Overview"), "overview"),),
    ),
    Section(
        _("Content"),
        (
            Screen("namespaces", _("Namespaces"), "namespace"),
            Screen("repositories", _("Image repositories"), "image"),
            Screen("charts", _("Helm charts"), "chart"),
            Screen("recycle-bin", _("Recycle bin"), "bin"),
        ),
    ),
    Section(
        _("Versions"),
        (
            Screen("immutability", _("Immutability"), "lock", enterprise=True),
            Screen("retention", _("Retention"), "clock", enterprise=True),
            Screen("scans", _("Security scanning"), "shield"),
            Screen("vulnerabilities", _("Find a vulnerability"), "search"),
        ),
    ),
    Section(
        _("Delivery"),
        (
            Screen("sync", _("Synchronisation"), "sync", enterprise=True),
            Screen("caches", _("Pull-through caches"), "cache", needs=_SETTINGS),
            Screen("migrations", _("Migration"), "migrate"),
            Screen("tasks", _("Tasks"), "task"),
        ),
    ),
    Section(
        _("Access"),
        (
            Screen("credentials", _("Credentials"), "key", needs=_SETTINGS),
            Screen("workloads", _("Keyless logins"), "robot", needs=_SETTINGS),
            Screen("allowlist", _("Allowlist"), "gate", needs=_SETTINGS, enterprise=True),
            Screen("sharing", _("Sharing"), "share", needs=_SETTINGS),
            Screen("webhooks", _("Webhooks"), "hook", needs=_SETTINGS),
            Screen("remotes", _("Remote registries"), "remote", needs=_SETTINGS),
            Screen("audit", _("Audit"), "audit", needs=Right.READ_AUDIT, enterprise=True),
            Screen("settings", _("Instance settings"), "settings"),
        ),
    ),
)
_INSTANCE: Final = "/instances/{instance}"
# What belongs to the account, below `/console`.
ACCOUNT: Final[tuple[Screen, ...]] = (
    Screen("instances", _("Instances"), "instance"),
    Screen("environments", _("Service bindings"), "binding"),
    Screen("shared-with-me", _("Shared with me"), "share"),
    Screen("billing", _("Billing"), "billing", needs=Right.READ_BILLING),
    Screen("users", _("Users"), "users", needs=Right.READ_USERS),
    Screen("account-audit", _("Audit of the account"), "audit", needs=Right.READ_AUDIT),
    Screen("accounts", _("Accounts"), "accounts", needs=Right.OPERATE),
    Screen("me", _("My profile"), "user", needs=Right.SELF),
)


def sections(visit: Visit, edition: str) -> list[Section]:
    """What this user may open in an instance of that edition; sections without any are left out."""
    shown = [Section(one.name, tuple(s for s in one.screens if _open(visit, s, edition))) for one in SECTIONS]
    return [section for section in shown if section.screens]


def account_screens(visit: Visit) -> list[Screen]:
    return [screen for screen in ACCOUNT if visit.may(screen.needs)]


def here(visit: Visit) -> Screen | None:
    """The screen that the page is, or lies below; None for one that no menu has."""
    if visit.route.startswith(_INSTANCE):
        screens = [screen for section in SECTIONS for screen in section.screens]
    else:
        screens = list(ACCOUNT)
    first = visit.route.removeprefix(_INSTANCE).strip("/").partition("/")[0]
    return next((screen for screen in screens if screen.path == first), None)


def _open(visit: Visit, screen: Screen, edition: str) -> bool:
    return visit.may(screen.needs) and (edition == "enterprise" or not screen.enterprise)
