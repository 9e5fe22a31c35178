"""docs/console has pictures of every screen, and of none that is gone. `make pictures` makes them."""

from __future__ import annotations

from tests.console.browser.pictures import index, wanted
from tests.house.project import ROOT

FOLDER = ROOT / "docs" / "console"


def test_every_screen_has_its_pictures_and_no_picture_is_left_over() -> None:
    """C1"""
    assert {file.name for file in FOLDER.iterdir()} == wanted()


def test_the_index_shows_every_screen() -> None:
    """C1"""
    assert (FOLDER / "README.md").read_text() == index()
