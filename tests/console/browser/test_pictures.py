"""docs/console: what `make pictures` makes of the pictures that the screens' tests take."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.browser.pictures import index, wanted

pytestmark = pytest.mark.browser


def test_the_index_shows_every_screen_and_nothing_is_left_over(album: Path) -> None:
    """C1"""
    (album / "README.md").write_text(index())
    for file in album.iterdir():
        if file.name not in wanted():
            file.unlink(missing_ok=True)
