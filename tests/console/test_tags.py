"""N4: the list of a repository's tags, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.kernel import media
from chalicelib.kernel.names import TagName
from chalicelib.ports.stack import Stack
from chalicelib.registry import store
from tests.calls.counting import Calls, counted, told
from tests.console.browsing import Browser, Seen
from tests.registry.images import NAME
from tests.registry.library import Library
from tests.scanning.shelf import PYTHON, Shelf

APP = "/instances/ci/namespaces/library/repositories/app"


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


@pytest.fixture
def browser(library: Library) -> Browser:
    return Browser.signed_in(library.stack)


def told_apart(preview: Seen) -> str:
    """What the preview saw, as its form sends it."""
    return preview.html.partition('name="seen" value="')[2].partition('"')[0]


def more_tags(library: Library, name: str, count: int) -> None:
    """Rows as pushes leave them, which point to what the tag points to."""
    repository = library.repository()
    tag = library.registry.tag(repository, TagName(name))
    rows: list[dict[str, Any]] = []
    for number in range(count):
        named = tag.model_copy(update={"name": TagName(f"more-{number:05d}")})
        rows += [store.tag_item(named), store.hold_item(repository.id, tag.digest, "TAG", named.name)]
    library.stack.table.put_many(rows, relaxed=True)


def order(seen: Seen, *names: str) -> list[str]:
    """Names as the list has them."""
    at = {name: seen.html.find(f'/tags/{name}"') for name in names}
    assert -1 not in at.values(), at
    return sorted(names, key=lambda name: at[name])


def undo(seen: Seen) -> str:
    (found,) = [part.split('"')[0] for part in seen.html.split('action="/console') if "/restore" in part.split('"')[0]]
    return found.replace("&amp;", "&")


def test_the_list_is_in_version_order_and_sorted_searched_and_narrowed_by_the_server(
    library: Library, browser: Browser
) -> None:
    """N4, C1"""
    library.push("1.10.0", layers=(b"one",))
    library.push("1.9.0", layers=(b"two", b"x" * 90))
    library.push("2.0-beta")
    assert order(browser.get(APP), "1.10.0", "1.9.0") == ["1.9.0", "1.10.0"]
    assert order(browser.get(f"{APP}?sort=-size"), "1.10.0", "1.9.0") == ["1.9.0", "1.10.0"]
    assert order(browser.get(f"{APP}?sort=size"), "1.10.0", "1.9.0") == ["1.10.0", "1.9.0"]
    found = browser.part(f"{APP}?search=beta", "list")
    assert "<html" not in found.html
    assert "2.0-beta" in found.words
    assert "1.9.0" not in found.words
    assert "1.9.0" not in browser.get(f"{APP}?prefix=1.1").words
    assert "No tag matches here" in browser.get(f"{APP}?search=none").words


def test_the_pull_command_is_that_of_the_client_the_reader_chose(library: Library, browser: Browser) -> None:
    """N4, C1"""
    library.push("v1")
    address = library.api().get(APP).json()["address"]
    # What the button copies is what stands before it; without scripts it is there to read.
    assert f'<code class="unscripted">docker pull {address}:v1</code><button' in browser.get(APP).html
    seen = browser.post(f"{APP}/client", client="podman", search="v", sort="-size")
    assert seen.path == f"{APP}?search=v&sort=-size"
    assert f'<code class="unscripted">podman pull --tls-verify=false {address}:v1</code>' in seen.html
    assert "docker pull" in browser.post(f"{APP}/client", client="no-such-client").html


def test_what_is_chosen_is_shown_before_it_goes_and_comes_back_with_one_click(
    library: Library, browser: Browser
) -> None:
    """N4, X1, C1"""
    library.push("v1", "v1-too")
    library.push("v2", layers=(b"three",))
    preview = browser.post(f"{APP}/tag-deletions/preview", tags=["v1", "v2"])
    assert preview.status == 200
    assert "2 tags go" in preview.words
    assert "1 image or attachment (digest) goes with it" in preview.words
    assert "1 other tag of the same image stays" in preview.words
    assert library.api().get(f"{APP}/tags/v2").status == 200
    seen = browser.post(f"{APP}/tag-deletions", tags=["v1", "v2"])
    assert "2 tags deleted" in seen.words
    assert library.api().get(f"{APP}/tags/v2").status == 404
    assert "It is back" in browser.post(undo(seen)).words
    assert [library.api().get(f"{APP}/tags/{tag}").status for tag in ("v1", "v2")] == [200, 200]
    assert browser.post(f"{APP}/tag-deletions/preview").status == 400


def test_what_is_attached_to_an_image_is_told_apart_and_shown_for_what_it_is(
    library: Library, browser: Browser
) -> None:
    """X1, C1: its type is whatever whoever pushed it says."""
    digest = library.push("v1")
    size = len(library.registry.pull(library.owner, NAME, digest).body)
    subject = {"mediaType": media.OCI_MANIFEST, "digest": digest, "size": size}
    library.push_with(b"{}", subject=subject, artifactType="<b>\u202esbom")
    preview = browser.get(f"{APP}/tags/v1/delete")
    assert "2 images and attachments (digests) go with them" in preview.words
    assert "<b>\\u202esbom" in preview.words
    assert "\u202e" not in preview.html


def test_what_cannot_come_back_keeps_nothing_else_from_it(library: Library, browser: Browser) -> None:
    """X1, C1"""
    library.push("v1", "v2")
    deleted = browser.post(f"{APP}/tag-deletions", tags=["v1", "v2"])
    # `v1` comes first, and is somebody else's by now.
    library.push("v1", layers=(b"another",))
    assert browser.post(undo(deleted)).status == 409
    assert library.api().get(f"{APP}/tags/v2").status == 200


def test_all_that_match_go_but_those_that_a_rule_keeps(library: Library, browser: Browser) -> None:
    """N4, P1, C1"""
    library.push("v1", "v2", "release")
    rule = {"namespace": "library", "tags": "v2"}
    assert library.api().post("/instances/ci/immutability-rules", rule).status == 201
    preview = browser.post(f"{APP}/tag-deletions/preview", all_matching="yes", prefix="v")
    assert "1 tag goes" in preview.words
    assert "1 tag stays, kept by a rule" in preview.words
    assert 'name="prefix" value="v"' in preview.html
    seen = browser.post(f"{APP}/tag-deletions", all_matching="yes", prefix="v", seen=told_apart(preview))
    assert "1 tag deleted, 1 stayed" in seen.words
    assert [library.api().get(f"{APP}/tags/{tag}").status for tag in ("v1", "v2", "release")] == [404, 200, 200]


def test_more_than_a_hundred_go_by_a_task(library: Library, browser: Browser) -> None:
    """N4"""
    library.push("v1")
    more_tags(library, "v1", 120)
    preview = browser.post(f"{APP}/tag-deletions/preview", all_matching="yes")
    assert "121 tags go" in preview.words
    answer = browser.post(f"{APP}/tag-deletions", all_matching="yes", seen=told_apart(preview))
    assert answer.path.startswith("/instances/ci/tasks/")


@pytest.mark.parametrize("change", ["pushed", "moved", "gone", "nobody looked"])
def test_all_that_match_stay_where_the_preview_saw_something_else(
    library: Library, browser: Browser, change: str
) -> None:
    """N4, C1: it is shown anew, and says why"""
    library.push("v1", "v2")
    seen = told_apart(browser.post(f"{APP}/tag-deletions/preview", all_matching="yes", prefix="v"))
    match change:
        case "pushed":
            library.push("v3")
        case "moved":
            library.push("v2", layers=(b"another",))
        case "gone":
            library.api().delete(f"{APP}/tags/v2")
        case _:
            seen = ""
    before = library.api().get(f"{APP}/tags").json()["items"]
    told = browser.post(f"{APP}/tag-deletions", all_matching="yes", prefix="v", seen=seen)
    assert (told.status, "what matches has changed" in told.words) == (409, True)
    assert library.api().get(f"{APP}/tags").json()["items"] == before
    assert f"Delete {len(before)} tag" in told.words
    browser.post(f"{APP}/tag-deletions", all_matching="yes", prefix="v", seen=told_apart(told))
    assert library.api().get(f"{APP}/tags").json()["items"] == []


def test_a_tag_called_like_a_page_is_deleted_like_any_other(library: Library, browser: Browser) -> None:
    """N4"""
    library.push("delete")
    assert "Delete library/app:delete?" in browser.get(f"{APP}/tags/delete/delete").words
    assert browser.get(f"{APP}/tags/none/delete").status == 404


def test_a_tag_is_copied_and_what_is_wrong_stands_at_its_field(library: Library, browser: Browser) -> None:
    """N4"""
    digest = library.push("v1")
    seen = browser.post(f"{APP}/tags/v1/copy", tag="v1.0", namespace="library", repository="app")
    assert "v1.0 is there" in seen.words
    assert library.api().get(f"{APP}/tags/v1.0").json()["digest"] == digest
    seen = browser.post(f"{APP}/tags/v1/copy", tag="not a tag", namespace="library", repository="app")
    assert (seen.status, 'id="tag-wrong"' in seen.html, 'value="not a tag"' in seen.html) == (400, True, True)


def test_scans_begin_for_what_is_chosen_and_the_list_follows_them(stack: Stack) -> None:
    """S1, C1"""
    shelf = Shelf.opened(stack)
    shelf.push(PYTHON, tag="v1")
    browser = Browser.signed_in(stack)
    seen = browser.post(f"{APP}/tag-scans", tags=["v1"])
    assert "1 scan begun" in seen.words
    assert "queued" in seen.words
    assert 'hx-select-oob="#ticker' in seen.html
    assert browser.post(f"{APP}/tag-scans", tags=["none"]).status == 404
    assert browser.post(f"{APP}/tag-scans").status == 400


def test_a_page_of_the_list_asks_the_table_as_often_whatever_there_is(library: Library) -> None:
    """N4, C1"""
    library.push("v1")
    calls = Calls()
    browser = Browser.signed_in(counted(library.stack, calls))
    made: dict[int, str] = {}

    def count(ask: Callable[[str], object], path: str = APP) -> str:
        # What the process knows by heart it has looked up by then.
        ask(path)
        ask(path)
        with calls.counting() as counting:
            ask(path)
        return told(counting)

    for tags in (1, 10, 300):
        more_tags(library, "v1", tags)
        made[tags] = count(browser.get)
    assert made[1] == made[10] == made[300]
    assert "table.query 1" in made[300]
    assert count(browser.get, f"{APP}?sort=-pushed_at&limit=200") == made[300]


def test_a_row_is_small(library: Library, browser: Browser) -> None:
    """C1: a page of 50 rows, each with everything there is to say."""
    library.push("v1")
    nothing = len(browser.get(f"{APP}?limit=1").html)
    more_tags(library, "v1", 99)
    assert (len(browser.get(f"{APP}?limit=100").html) - nothing) / 99 < 1350
