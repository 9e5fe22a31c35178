"""C1: every screen is there, in both languages, and none of them fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.console.screens import PAGES
from chalicelib.console.texts import LANGUAGES
from tests.console.browsing import Browser
from tests.console.furnished import SCREENS, furnished
from tests.console.world import World
from tests.stacks import embedded_stack

# Pages that only send on to others.
SIGNPOSTS = {"/", "/sign-in/callback"}
# What browsers save ends so.
FILES = ("/download", "/export")


def test_every_page_is_among_the_screens_that_are_looked_at() -> None:
    routes = {page.path for page in PAGES if page.method == "GET" and not page.path.endswith(FILES)}
    assert routes - SIGNPOSTS - {screen.route for screen in SCREENS} == set()


def test_every_screen_has_a_picture_of_its_own() -> None:
    assert len({screen.name for screen in SCREENS}) == len(SCREENS)


@pytest.mark.campaign
def test_every_screen_shows_itself_in_every_language_and_looking_is_no_deed(tmp_path: Path) -> None:
    """C1, G1"""
    with embedded_stack(tmp_path, allow_private_addresses=True) as stack:
        world, failed = furnished(stack), []
        before = recorded(world)
        for code in LANGUAGES:
            for screen in SCREENS:
                browser = Browser(stack, world.api.token if screen.signed_in else "", code)
                seen = browser.get(screen.path(world))
                if seen.status != 200 or f'<html lang="{code}"' not in seen.html:
                    failed.append(f"{screen.name} ({code}): {seen.status} {seen.words[:200]}")
        assert recorded(world) == before
    assert failed == []


def recorded(world: World) -> list[Any]:
    """The newest entries of both audit records."""
    paths = ("/audit-events", "/instances/ci/audit-events")
    return [world.api.get(path, limit=200).json()["items"] for path in paths]
