"""C1, H1: the pages of charts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.kernel.roles import Role
from tests.charts.making import FILES, Chart, put_chart
from tests.console.browsing import Browser
from tests.console.screens import charts
from tests.console.world import World
from tests.scanning.shelf import Shelf
from tests.stacks import embedded_stack

CHARTS = "/instances/ci/charts"
HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with embedded_stack(Path(tmp_path_factory.mktemp("charts"))) as stack:
        shelf = Shelf.opened(stack)
        made = World(stack, shelf.library.api(), shelf)
        charts.furnish(made)
        more = {
            "description": HOSTILE,
            "home": "javascript:alert(1)",
            "sources": ["https://example.com/a?<b>"],
            "keywords": [HOSTILE],
            "maintainers": [{"name": HOSTILE, "url": "data:text/html,x"}],
            "annotations": {HOSTILE: HOSTILE},
        }
        files = {**FILES, "README.md": HOSTILE.encode(), "values.yaml": f"a: {HOSTILE}\n".encode()}
        put_chart(shelf.library, Chart("hostile", "1.0.0", more, files))
        yield made


def test_charts_are_listed_searched_and_sorted(world: World) -> None:
    browser = Browser.signed_in(world.stack, Role.READER)
    seen = browser.get(CHARTS)
    assert seen.words.index("common") < seen.words.index("old-proxy") < seen.words.index("web")
    assert "deprecated" in seen.words
    found = browser.part(f"{CHARTS}?search=web&sort=-name", "list")
    assert f'href="/console{CHARTS}/library/web"' in found.html
    assert "old-proxy" not in found.html


def test_versions_of_a_chart_are_sorted_as_versions_by_size_and_by_time(world: World) -> None:
    browser, names = Browser.signed_in(world.stack), ("1.9.0", "1.10.0", "1.10.0-rc.1")
    for size, name in zip((40, 4000, 400), names, strict=True):
        put_chart(world.shelf.library, Chart("grown", name, {"keywords": [str(n) for n in range(size)]}))
        world.stack.clock.advance(60)  # type: ignore[attr-defined]
    page = f"{CHARTS}/library/grown/versions"

    def listed(sort: str) -> list[str]:
        html = browser.get(f"{page}?version=1.9.0&sort={sort}").html.partition("<tbody>")[2]
        return re.findall(r"<code>([^<]+)</code></a>", html)

    assert listed("") == listed("-version") == listed("nothing") == ["1.10.0", "1.10.0-rc.1", "1.9.0"]
    assert listed("version") == ["1.9.0", "1.10.0-rc.1", "1.10.0"]
    assert listed("-size") == ["1.10.0", "1.10.0-rc.1", "1.9.0"]
    assert listed("pushed_at") == ["1.9.0", "1.10.0", "1.10.0-rc.1"]
    head = browser.get(f"{page}?version=1.9.0&sort=-size").html
    assert '<th class="number" aria-sort="descending">' in head
    assert "version=1.9.0&amp;sort=size" in head


def test_a_chart_shows_what_it_holds_and_how_helm_gets_it(world: World) -> None:
    browser = Browser.signed_in(world.stack)
    seen = browser.get(f"{CHARTS}/library/web")
    for told in ("helm install", "helm repo add", "--version 1.0.0", ">=1.27.0", "common", "Web team", "# web"):
        assert told in seen.words, told
    assert "replicas: 2" in browser.get(f"{CHARTS}/library/web/values?version=0.9.0").words
    assert "templates/deployment.yaml" in browser.get(f"{CHARTS}/library/web/templates").words
    assert browser.get(f"{CHARTS}/library/nothing").status == 404


def test_a_version_is_deleted_as_its_tag_by_who_may(world: World) -> None:
    delete = 'href="/console/instances/ci/namespaces/library/repositories/old-proxy/tags/0.1.0_build.7/delete"'
    page = f"{CHARTS}/library/old-proxy/versions"
    assert delete in Browser.signed_in(world.stack, Role.DEVELOPER).get(page).html
    assert delete not in Browser.signed_in(world.stack, Role.READER).get(page).html


def test_what_charts_say_does_nothing_and_hides_nothing(world: World) -> None:
    browser = Browser.signed_in(world.stack)
    for page in ("", "/versions", "/values"):
        html = browser.get(f"{CHARTS}/library/hostile{page}").html
        assert "<script>alert" not in html
        assert "\u202e" not in html
        assert 'href="javascript:' not in html
        assert 'href="data:' not in html
    seen = browser.get(f"{CHARTS}/library/hostile")
    assert "{{7*7}}\\u202e" in seen.words
    assert 'rel="noopener noreferrer">https://example.com/a?&lt;b&gt;</a>' in seen.html
