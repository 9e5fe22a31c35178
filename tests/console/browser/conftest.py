"""One browser and one furnished world a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.console.browser import site
from tests.console.browser.chromium import Windows, launched
from tests.console.browser.site import Site


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def furnished_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site.opened(tmp_path_factory.mktemp("console")) as opened:
        yield opened


@pytest.fixture(scope="session")
def windows(chromium: Browser, furnished_site: Site) -> Iterator[Windows]:
    """On the furnished world, whose pages change nothing."""
    opened = Windows(chromium, furnished_site.base, {True: furnished_site.world.api.token, False: ""})
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures are kept: where CRS_PICTURES says, or nowhere for long."""
    kept = os.environ.get("CRS_PICTURES", "")
    chosen = Path(kept) if kept else tmp_path_factory.mktemp("pictures")
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen
