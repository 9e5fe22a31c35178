"""C1: the pages of an image, by its tag and by its digest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.background import run_tasks
from tests.console.browsing import Browser, Seen
from tests.console.screens import images
from tests.console.world import World
from tests.registry.library import DAY, Library
from tests.scanning.shelf import DEBIAN, Shelf
from tests.stacks import FrozenClock, embedded_stack

APP = "/instances/ci/namespaces/library/repositories/app"
SHOP = "/instances/ci/namespaces/library/repositories/shop"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with embedded_stack(Path(tmp_path_factory.mktemp("images"))) as stack:
        shelf = Shelf.opened(stack)
        made = World(stack, shelf.library.api(), shelf)
        images.furnish(made)
        yield made


def look(world: World, path: str, role: Role = Role.OWNER) -> Seen:
    seen = Browser.signed_in(world.stack, role).get(f"{SHOP}/{path}")
    assert seen.status == 200, seen.words
    return seen


def test_an_image_says_what_it_is_and_how_a_container_of_it_starts(world: World) -> None:
    """N4"""
    seen = look(world, "tags/2.4.0")
    assert f'data-copy="{world.known["shop"]}"' in seen.html
    for told in ("docker pull", "/docker-entrypoint.sh", "gunicorn", "8080/tcp", "SHOP_SETTINGS", "6c9f2b1e"):
        assert told in seen.words, told


def test_an_index_leads_to_the_images_of_its_platforms(world: World) -> None:
    """N4"""
    seen, arm = look(world, "tags/2.4.1"), world.known["shop for arm"]
    assert f'href="/console{SHOP}/manifests/{arm.replace(":", "%3A")}"' in seen.html
    of_arm = look(world, f"manifests/{arm}")
    assert "linux/arm64" in of_arm.words
    assert "no tag points here" in of_arm.words
    assert Browser.signed_in(world.stack).get(f"{SHOP}/manifests/sha256:{'0' * 64}").status == 404


def test_what_an_image_says_of_itself_does_nothing_and_hides_nothing(world: World) -> None:
    """C1"""
    for page in ("", "/layers", "/attachments", "/advice"):
        seen = look(world, f"tags/hostile{page}")
        assert "<script>alert" not in seen.html
        assert not {"\u202e", "\x1b"} & set(seen.html)
    shown = look(world, "tags/hostile").words
    assert "<script>alert(1)</script>{{7*7}}\\u202egnp.exe\\u001b[31m" in shown


def test_findings_are_filtered_sorted_and_lead_to_where_one_reads_on(world: World) -> None:
    """S1, C1"""
    page = "tags/2.4.1/vulnerabilities"
    every = look(world, page)
    places = [every.words.index(one) for one in ("CVE-2024-0001", "CVE-2024-0003", "CVE-2024-0002")]
    assert places == sorted(places)
    assert 'cve-2024-0001" rel="noopener noreferrer">CVE-2024-0001</a>' in every.html
    assert "3.0.13-1" in every.words
    for query, left in (("severity=high", "CVE-2024-0003"), ("fixable=false", "CVE-2024-0002")):
        seen = Browser.signed_in(world.stack).part(f"{SHOP}/{page}?{query}", "list")
        assert "<html" not in seen.html
        assert seen.html.count("CVE-2024-") == 1, seen.html
        assert left in seen.html
    assert "No finding matches" in look(world, f"{page}?search=nothing").words


@pytest.mark.parametrize(
    ("rest", "media_type", "name"),
    [
        ("vulnerabilities/download?format=csv&severity=critical", "text/csv", "shop.csv"),
        ("vulnerabilities/download?format=sarif", "application/sarif+json", "shop.sarif"),
        ("sbom/download?format=spdx", "application/spdx+json", "shop.spdx.json"),
    ],
)
def test_findings_and_bills_of_materials_are_files_to_save(world: World, rest: str, media_type: str, name: str) -> None:
    """S1, S4"""
    seen = Browser.signed_in(world.stack, Role.READER).get(f"{SHOP}/manifests/{world.known['shop']}/{rest}")
    assert seen.headers["content-type"].startswith(media_type)
    assert seen.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert "openssl" in seen.html
    assert rest in look(world, "tags/2.4.0/attachments").html.replace("&amp;", "&") or "vulnerabilities" in rest


def test_advice_names_the_layer_what_it_saves_and_what_to_write(world: World) -> None:
    """D1"""
    seen = look(world, "tags/2.4.0/advice")
    assert "layer 2" in seen.words
    assert "saves 117 KiB" in seen.words
    assert "rm -rf /var/lib/apt/lists/*" in seen.words


def test_signatures_and_attestations_are_told_by_what_they_are(world: World) -> None:
    """R9"""
    seen = look(world, "tags/2.4.0/attachments")
    for told in ("Signature (Sigstore)", "Attestation", "release@example.com", "Bill of materials (SPDX)"):
        assert told in seen.words, told


def test_layers_and_what_is_attached_are_sorted_and_layers_keep_their_numbers(world: World) -> None:
    """C1, R9"""

    def numbers(query: str) -> list[int]:
        rows = look(world, f"tags/2.4.0/layers{query}").html.partition("<tbody>")[2]
        return [int(number) for number in re.findall(r'<td class="number">([0-9]+)</td>', rows)]

    built, by_size = numbers(""), numbers("?sort=size")
    assert built == sorted(by_size) == [*range(1, len(built) + 1)]
    assert numbers("?sort=-number") == built[::-1]
    assert by_size not in (built, built[::-1])
    kinds = [look(world, f"tags/2.4.0/attachments?sort={sort}").words for sort in ("kind", "-kind")]
    signed, stated = "Signature (Sigstore)", "Bill of materials (SPDX)"
    assert [one.index(signed) < one.index(stated) for one in kinds] in ([True, False], [False, True])


def test_an_accelerated_image_shows_both_sizes_and_how_nodes_run_it(world: World) -> None:
    """A3"""
    seen = look(world, "tags/2.4.0/acceleration")
    assert "2.4.0-accelerated" in seen.words
    assert "--snapshotter=stargz" in seen.words
    assert "more than the original" in seen.words
    begun = Browser.signed_in(world.stack).post(f"{SHOP}/tags/hostile/acceleration")
    assert 'hx-trigger="every 2s"' in begun.html
    run_tasks(world.stack)
    assert "hx-trigger" not in look(world, "tags/hostile/acceleration").html.partition('id="acceleration"')[2]


@pytest.mark.parametrize("role", [Role.READER, Role.AUDITOR])
def test_who_may_only_look_is_offered_nothing_else_and_refused_it(world: World, role: Role) -> None:
    """G5"""
    pages = ("tags/2.4.0", "tags/2.4.0/vulnerabilities", "tags/2.4.0/history", "tags/2.4.0/acceleration")
    for page in pages:
        shown = look(world, page, role).html.partition("<main")[2]
        assert 'method="post"' not in shown, page
        assert "data-dialog" not in shown, page
    browser = Browser.signed_in(world.stack, role)
    for page in pages[1:2] + pages[3:]:
        assert browser.post(f"{SHOP}/{page}").status == 403
    assert browser.post(f"{SHOP}/tags/2.4.0/rollback", digest=world.known["shop before"]).status == 403


def test_a_scan_is_begun_shows_how_far_it_is_and_what_it_found(stack: Stack) -> None:
    """S1, C1"""
    shelf = Shelf.opened(stack)
    shelf.import_database()
    shelf.push(DEBIAN)
    browser = Browser.signed_in(stack)
    assert "not scanned" in browser.get(f"{APP}/tags/v1/vulnerabilities").words
    begun = browser.post(f"{APP}/tags/v1/vulnerabilities")
    assert begun.path == f"{APP}/tags/v1/vulnerabilities"
    assert 'hx-trigger="every 2s"' in begun.html
    run_tasks(stack)
    part = browser.part(f"{APP}/tags/v1/vulnerabilities", "scan")
    assert "CVE-2024-0001" in part.words
    assert "every 2s" not in part.html


def test_why_a_scan_came_to_nothing_is_said(stack: Stack) -> None:
    """S1"""
    shelf = Shelf.opened(stack)
    shelf.push(DEBIAN)
    shelf.scan()
    seen = Browser.signed_in(stack, language="zh-CN").get(f"{APP}/tags/v1/vulnerabilities")
    assert "还没有漏洞库" in seen.words


def test_an_image_is_looked_over_when_somebody_asks(stack: Stack) -> None:
    """D1"""
    Shelf.opened(stack).push(DEBIAN)
    browser = Browser.signed_in(stack)
    assert "not looked over" in browser.get(f"{APP}/tags/v1/advice").words
    assert 'hx-trigger="every 2s"' in browser.post(f"{APP}/tags/v1/advice").html
    run_tasks(stack)
    assert "not looked over" not in browser.get(f"{APP}/tags/v1/advice").words


def test_a_tag_goes_back_after_the_page_has_asked(stack: Stack) -> None:
    """X2"""
    library = Library.opened(stack)
    first = library.push("v1", layers=(b"first",))
    library.push("v1", layers=(b"second",))
    browser = Browser.signed_in(stack)
    asked = browser.get(f"{APP}/tags/v1/rollback?digest={first}")
    assert "Its content is held until" in asked.words
    assert library.api().get(library.path("/tags/v1")).json()["digest"] != first
    done = browser.post(f"{APP}/tags/v1/rollback", digest=first)
    assert done.path == f"{APP}/tags/v1/history"
    assert f"v1 points to {first[:19]}… again" in done.words
    assert library.api().get(library.path("/tags/v1")).json()["digest"] == first


def test_why_a_tag_cannot_go_back_is_said_where_it_was_asked(stack: Stack) -> None:
    """X2"""
    assert isinstance(stack.clock, FrozenClock)
    library = Library.opened(stack)
    first = library.push("v1", layers=(b"first",))
    library.push("v1", layers=(b"second",))
    stack.clock.advance(8 * DAY)
    browser = Browser.signed_in(stack)
    assert "rollback?digest" not in browser.get(f"{APP}/tags/v1/history").html
    refused = browser.post(f"{APP}/tags/v1/rollback", digest=first)
    assert refused.status == 409
    assert "Something stands in the way" in refused.words
    assert "nothing has held its content since" in refused.words


def test_a_tag_that_was_deleted_comes_back_by_its_history(stack: Stack) -> None:
    """X2"""
    library = Library.opened(stack)
    digest = library.push("v1")
    assert library.api().delete(library.path("/tags/v1")).status == 200
    browser = Browser.signed_in(stack)
    seen = browser.get(f"{APP}/tags/v1/history")
    assert "This tag was deleted" in seen.words
    assert browser.get(f"{APP}/tags/v1").status == 404
    assert browser.post(f"{APP}/tags/v1/rollback", digest=digest).status == 200
    assert json.loads(library.api().get(library.path("/tags/v1")).text)["digest"] == digest
