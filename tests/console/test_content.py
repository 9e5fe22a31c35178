"""N1, N2, N3, X6, K1: the screens of namespaces and image repositories."""

from __future__ import annotations

from itertools import combinations
from typing import Final

import pytest

from chalicelib.console.screens import PAGES
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
from tests.registry.library import Library

NAMESPACE = "/instances/ci/namespaces/library"
APP = f"{NAMESPACE}/repositories/app"
# Of paths: what stands there by its id alone.
BY_ID: Final = ("{workload}", "{webhook}", "{document}")


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


@pytest.fixture
def browser(library: Library) -> Browser:
    return Browser.signed_in(library.stack)


def test_a_namespace_is_made_with_the_switches_that_are_ticked(library: Library, browser: Browser) -> None:
    """N1, C1"""
    seen = browser.post(
        "/instances/ci/namespaces/-/new",
        name="team",
        default_visibility="public",
        scan_on_push="yes",
        acceleration="yes",
    )
    assert (seen.status, seen.path) == (200, "/instances/ci/namespaces/team")
    made = library.api().get("/instances/ci/namespaces/team").json()
    assert (made["default_visibility"], made["scan_on_push"], made["acceleration"]) == ("public", True, True)
    assert (made["auto_create_repository"], made["allow_sparse_indexes"]) == (False, False)
    seen = browser.post("/instances/ci/namespaces/-/new", name="Team!", default_visibility="private")
    assert seen.status == 400
    assert 'id="name-wrong"' in seen.html
    assert 'value="Team!"' in seen.html


def test_namespaces_and_repositories_called_new_have_their_pages(library: Library, browser: Browser) -> None:
    """N1, N3"""
    api = library.api()
    api.post("/instances/ci/namespaces", {"name": "new"})
    made = api.post("/instances/ci/namespaces/new/repositories", {"name": "new"}).json()
    api.post("/instances/ci/namespaces/new/repositories", {"name": "a/b"})
    assert 'href="/console/instances/ci/namespaces/new"' in browser.get("/instances/ci/namespaces").html
    seen = browser.get("/instances/ci/namespaces/new")
    assert 'href="/console/instances/ci/namespaces/new/repositories/new"' in seen.html
    assert "a%2Fb" not in seen.html
    assert made["address"] in browser.get("/instances/ci/namespaces/new/repositories/new").words


def test_no_name_is_hidden_by_a_page_of_its_own() -> None:
    """C1: beside what stands in paths by its name there is `-`, which nothing can be called."""
    paths = sorted({page.path for page in PAGES if page.method == "GET"})
    hidden = [(one, other) for one, other in combinations(paths, 2) if _meet(one.split("/"), other.split("/"))]
    assert hidden == []


def _meet(one: list[str], other: list[str]) -> bool:
    """Whether some address is both."""
    return len(one) == len(other) and all(
        a == b or _names(a, b) or _names(b, a) for a, b in zip(one, other, strict=True)
    )


def _names(parameter: str, part: str) -> bool:
    return parameter.startswith("{") and parameter not in BY_ID and part != "-"


def test_a_pull_policy_is_edited_row_by_row(library: Library, browser: Browser) -> None:
    """X6, C1"""
    path = f"{NAMESPACE}/pull-policy"
    form: dict[str, str | list[str]] = {
        "version": "0", "severity": "high", "unscanned": "block",
        "exceptions.0.id": "CVE-2024-0001", "exceptions.0.reason": "<i>not reachable</i>",
        "exceptions.0.expires_at": "2030-01-01T00:00",
        "exceptions.2.id": "no id!", "exceptions.2.reason": "why",
    }  # fmt: skip
    seen = browser.post(path, form)
    assert seen.status == 400
    # The row in between was empty: the second that counts is where the complaint stands.
    assert 'id="exceptions.1.id-wrong"' in seen.html
    assert 'value="no id!"' in seen.html
    assert "&lt;i&gt;not reachable" in seen.html
    seen = browser.post(path, {**form, "exceptions.2.remove": "yes"})
    assert (seen.status, seen.path) == (200, path)
    policy = library.api().get(path).json()
    assert (policy["severity"], policy["unscanned"], len(policy["exceptions"])) == ("high", "block", 1)
    assert policy["exceptions"][0]["expires_at"].startswith("2030-01-01T00:00:00")
    assert browser.post(path, form | {"exceptions.2.remove": "yes"}).status == 409


def test_when_an_exception_ends_stays_to_the_second(library: Library, browser: Browser) -> None:
    """X6: also where another row is changed, or the form comes back."""
    path, ends = f"{NAMESPACE}/pull-policy", "2030-01-02T03:04:05"
    exception = {"id": "CVE-2024-1", "reason": "not reachable", "expires_at": f"{ends}Z"}
    library.api().put(path, {"severity": "high", "exceptions": [exception], "version": 0})
    assert f'value="{ends}"' in browser.get(path).html
    sent = {"exceptions.0.id": "CVE-2024-1", "exceptions.0.reason": "", "exceptions.0.expires_at": ends}
    refused = browser.post(path, sent, severity="high", version="1")
    assert (refused.status, f'value="{ends}"' in refused.html) == (400, True)


def test_manifests_of_what_is_no_tag_are_refused_at_the_field(library: Library, browser: Browser) -> None:
    """K1, C1"""
    library.push("v1")
    seen = browser.get(f"{APP}/kubernetes?tag=v1!&credential=deploy")
    assert (seen.status, 'id="tag-wrong"' in seen.html) == (400, True)
    assert ('value="v1!"' in seen.html, 'value="deploy"' in seen.html) == (True, True)


def test_a_namespace_goes_only_under_its_name_and_after_it_was_said_what_goes(
    library: Library, browser: Browser
) -> None:
    """N2, C1"""
    library.push("v1", "v2")
    asked = browser.get(f"{NAMESPACE}/delete").words
    assert "1 repository" in asked
    assert "2 tags" in asked
    assert library.api().get(NAMESPACE).status == 200
    assert browser.post(f"{NAMESPACE}/delete", confirm="other").status == 428
    browser.post(f"{NAMESPACE}/delete", confirm="library")
    assert library.api().get(NAMESPACE).status == 404


def test_a_deleted_repository_comes_back_with_one_click(library: Library, browser: Browser) -> None:
    """N3, X1, C1"""
    library.push("v1")
    assert "1 tag" in browser.get(f"{APP}/delete").words
    seen = browser.post(f"{APP}/delete", confirm="app")
    assert "Deleted: library/app" in seen.words
    (undo,) = [part.split('"')[0] for part in seen.html.split('action="/console') if "/restore/" in part.split('"')[0]]
    assert library.api().get(APP).status == 404
    assert "It is back" in browser.post(undo).words
    assert library.api().get(f"{APP}/tags/v1").status == 200


def test_acceleration_is_shown_and_not_offered_where_the_namespace_decides(library: Library, browser: Browser) -> None:
    """N3, A1"""
    library.push("v1")
    assert 'name="acceleration"' in browser.get(f"{APP}/settings").html
    library.api().patch(NAMESPACE, {"acceleration": True})
    seen = browser.get(f"{APP}/settings")
    assert 'name="acceleration"' not in seen.html
    assert "The namespace accelerates all its images" in seen.words
    seen = browser.post(f"{APP}/settings", decided="yes", visibility="public", summary="<b>mine</b>")
    assert seen.status == 200
    assert library.api().get(APP).json()["visibility"] == "public"
    assert "&lt;b&gt;mine" in seen.html


def test_a_list_of_first_files_is_told_and_forgotten(library: Library, browser: Browser) -> None:
    """A3"""
    library.push("v1")
    browser.post(f"{APP}/first-files", files="/bin/app\r\n\r\n/etc/a,b\r\n")
    assert library.api().get(f"{APP}/first-files").json()["files"] == ["/bin/app", "/etc/a,b"]
    assert browser.post(f"{APP}/first-files", files="/" + "x" * 4096).status == 400
    browser.post(f"{APP}/first-files", files="")
    assert library.api().get(f"{APP}/first-files").json()["files"] == []


def test_kubernetes_gets_a_robot_of_its_own_whose_password_is_shown_once(library: Library, browser: Browser) -> None:
    """K1"""
    library.push("v1")
    seen = browser.get(f"{APP}/kubernetes?tag=v1")
    assert "REPLACE-WITH-PASSWORD" in seen.words
    assert "library/app:v1" in seen.words
    seen = browser.post(f"{APP}/kubernetes", tag="v1", pin="yes")
    assert seen.status == 200
    assert "kind: Secret" in seen.words
    assert "REPLACE" not in seen.words
    assert "library/app@sha256:" in seen.words
    assert browser.post(f"{APP}/kubernetes", tag="none", pin="yes").status == 404


def test_who_only_reads_is_offered_no_change_and_refused_every_one(library: Library) -> None:
    """G5, C1"""
    library.push("v1")
    reader = Browser.signed_in(library.stack, Role.READER)
    for path in ("/instances/ci/namespaces", NAMESPACE, "/instances/ci/repositories", APP, f"{APP}/first-files"):
        seen = reader.get(path)
        assert seen.status == 200, seen.words
        assert "Delete" not in seen.words
        assert "Save" not in seen.words
    assert reader.get("/instances/ci/namespaces/library/settings").status == 200
    refused = [
        reader.post("/instances/ci/namespaces/-/new", name="mine", default_visibility="private"),
        reader.post(f"{NAMESPACE}/settings", default_visibility="public"),
        reader.post(f"{NAMESPACE}/delete", confirm="library"),
        reader.post(f"{APP}/delete", confirm="app"),
        reader.post(f"{APP}/tag-deletions", tags="v1"),
        reader.post(f"{APP}/kubernetes", tag="v1"),
    ]
    assert [seen.status for seen in refused] == [403] * len(refused)
