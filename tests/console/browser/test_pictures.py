"""Pictures of every screen, which `make pictures` keeps in docs/console."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.console.browser.chromium import NARROW, Look, Windows
from tests.console.browser.pictures import files_of, index, take, wanted
from tests.console.browser.site import Site
from tests.console.furnished import SCREENS
from tests.console.world import Screen

pytestmark = pytest.mark.browser

LOOKS = (Look(), Look(language="zh-CN", theme="dark", width=NARROW))
# A picture that takes more is a photograph, or a page without end.
LARGEST_BYTES = 150_000


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = os.environ.get("CRS_PICTURES", "")
    chosen = Path(kept) if kept else tmp_path_factory.mktemp("pictures")
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_a_screen_has_its_pictures(windows: Windows, furnished_site: Site, folder: Path, screen: Screen) -> None:
    """C1"""
    for look, name in zip(LOOKS, files_of(screen), strict=True):
        page = windows.of(look, signed_in=screen.signed_in).go(screen.path(furnished_site.world))
        take(page, folder / name)
        assert (folder / name).stat().st_size <= LARGEST_BYTES


def test_the_index_shows_every_screen_and_nothing_is_left_over(folder: Path) -> None:
    """C1"""
    (folder / "README.md").write_text(index())
    for file in folder.iterdir():
        if file.name not in wanted():
            file.unlink()
