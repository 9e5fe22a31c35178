"""Every page of the console, one line a module."""

from __future__ import annotations

from typing import Final

from .pages import Page, allowlist, namespaces, repositories, sessions, tags

PAGES: Final[tuple[Page, ...]] = tuple(
    page for module in (sessions, allowlist, namespaces, repositories, tags) for page in module.pages.all
)
