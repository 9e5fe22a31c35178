"""Every page of the console, one line a module."""

from __future__ import annotations

from typing import Final

from .pages import Page, allowlist, sessions

PAGES: Final[tuple[Page, ...]] = tuple(page for module in (sessions, allowlist) for page in module.pages.all)
