"""C1: what was refused comes back as it was typed, says what is wrong in the reader's words, and can be sent again."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode

import pytest

from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
from tests.registry.library import Library

NAMESPACE: Final = "/instances/ci/namespaces/library"


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


def test_logins_that_were_pasted_are_not_shown_again_and_the_form_says_so(library: Library) -> None:
    """K2, G4: all else is as it was typed."""
    browser, path = Browser.signed_in(library.stack), "/instances/ci/migrations/new"
    anew = "What you entered here is not shown again: enter it anew."
    assert anew not in browser.get(path).words
    auth = '{"registry.example.com": {"username": "me", "password": "hunter2-of-mine"}}'
    seen = browser.post(path, images='{"nginx": "elsewhere/', auth=auth)
    assert (seen.status, "hunter2-of-mine" in seen.html, anew in seen.words) == (400, False, True)
    assert "&#34;elsewhere/</textarea>" in seen.html
    assert " checked" not in seen.html
    assert anew not in browser.post(path, images="{", auth="").words


def test_a_password_that_may_be_left_out_is_asked_for_again(library: Library) -> None:
    """Y1: sent again without it, the remote would have none."""
    remote = {"name": "far", "address": "not an address", "username": "robot", "password": "hunter2-of-mine"}
    seen = Browser.signed_in(library.stack).post("/instances/ci/remotes/new", remote)
    assert (seen.status, "hunter2-of-mine" in seen.html) == (400, False)
    assert "enter it anew" in seen.words


@pytest.mark.parametrize(("language", "label"), [("en", "Network or address"), ("zh-CN", "网段或地址")])
def test_what_is_wrong_is_told_by_the_labels_of_its_fields(library: Library, language: str, label: str) -> None:
    """Without scripts too."""
    browser = Browser.signed_in(library.stack, language=language)
    seen = browser.post("/instances/ci/allowlist", cidr="nowhere")
    assert seen.status == 400
    assert f'<a href="#cidr">{label}</a>' in seen.html
    assert f">{label}<" in seen.html.partition("<form")[2]


def test_rows_and_boxes_are_told_by_their_labels_too(library: Library) -> None:
    """X6, X5"""
    browser = Browser.signed_in(library.stack)
    rows = {"version": "0", "severity": "high", "exceptions.0.id": "no id!", "exceptions.0.reason": "why"}
    assert '<a href="#exceptions.0.id">Vulnerability 1</a>' in browser.post(f"{NAMESPACE}/pull-policy", rows).html
    seen = browser.post("/instances/ci/webhooks/new", url="https://hooks.example.com/")
    assert '<a href="#events">Events</a>' in seen.html


def test_a_policy_that_somebody_else_changed_is_shown_beside_what_was_typed(library: Library) -> None:
    """X6: and sent again, what was typed holds."""
    browser, api, path = Browser.signed_in(library.stack), library.api(), f"{NAMESPACE}/pull-policy"
    theirs = {"id": "CVE-2024-0001", "reason": "<i>not reachable</i>"}
    api.put(path, {"severity": "low", "exceptions": [theirs], "version": 0})
    mine = {
        "severity": "critical",
        "unscanned": "block",
        "exceptions.0.id": "CVE-2024-0002",
        "exceptions.0.reason": "b",
    }
    seen = browser.post(path, mine, version="0")
    now = seen.html.partition('id="now"')[2].partition("</section>")[0]
    assert (seen.status, "owner changed it while you were writing" in seen.words) == (409, True)
    assert all(text in now for text in ("that are low or worse", "may be pulled", "CVE-2024-0001", "&lt;i&gt;"))
    assert '<option value="critical" selected>' in seen.html
    assert 'value="CVE-2024-0002"' in seen.html
    (version,) = re.findall(r'name="version" value="(\d+)"', seen.html)
    assert "while you were writing" not in browser.post(path, mine, version=version).words
    kept = api.get(path).json()
    assert (kept["severity"], [one["id"] for one in kept["exceptions"]]) == ("critical", ["CVE-2024-0002"])


def test_a_policy_that_is_wrong_but_nobody_changed_is_not_shown_twice(library: Library) -> None:
    """X6"""
    seen = Browser.signed_in(library.stack).post(f"{NAMESPACE}/pull-policy", version="0", unscanned="block")
    assert (seen.status, 'id="now"' in seen.html) == (400, False)


@pytest.mark.parametrize(
    ("sent", "form"),
    [
        ("/instances/ci/allowlist", "/instances/ci/allowlist"),
        (f"{NAMESPACE}/repositories/app/tag-deletions", f"{NAMESPACE}/repositories/app"),
        ("/instances/ci/credentials/-/new", "/instances/ci/credentials/-/new"),
    ],
)
def test_another_language_leads_back_to_the_page_of_a_form_that_was_refused(
    library: Library, sent: str, form: str
) -> None:
    library.push("v1")
    browser = Browser.signed_in(library.stack)
    seen = browser.post(sent)
    assert seen.status == 400
    (back,) = re.findall(r'action="/console/preferences">\s*<input type="hidden" name="to" value="([^"]*)"', seen.html)
    chinese = browser.post("/preferences", to=back, language="zh-CN")
    assert (chinese.status, chinese.path, 'lang="zh-CN"' in chinese.html) == (200, form, True)


def test_another_language_leads_back_from_a_question_that_a_form_asked(library: Library) -> None:
    """N4: a preview is no page of its own; the list is."""
    library.push("v1")
    path = f"{NAMESPACE}/repositories/app"
    seen = Browser.signed_in(library.stack).post(f"{path}/tag-deletions/preview", tags="v1")
    assert (seen.status, f'name="to" value="/console{path}"' in seen.html) == (200, True)


@pytest.mark.parametrize(("to", "chosen"), [("tag-scans", []), ("tag-deletions", ["v2", "no tag!"])])
def test_versions_that_were_chosen_stay_chosen_in_the_same_list(library: Library, to: str, chosen: list[str]) -> None:
    """N4: of what was narrowed, in its order; and what is sent from there remembers it again."""
    library.push("v1", "v2", "v3", "latest")
    browser, path = Browser.signed_in(library.stack), f"{NAMESPACE}/repositories/app"
    narrowed = {"search": "v", "sort": "-name", "limit": "200"}

    def remembered(html: str) -> dict[str, str]:
        form = html.partition('id="chosen"')[2].partition("</form>")[0]
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))

    assert remembered(browser.get(f"{path}?{urlencode(narrowed)}").html) == narrowed
    seen = browser.post(f"{path}/{to}", narrowed, tags=chosen)
    boxes = re.findall(r'form="chosen" name="tags" value="([^"]+)"( checked)?', seen.html)
    assert (seen.status, remembered(seen.html)) == (400, narrowed)
    assert [tag for tag, _ in boxes] == ["v3", "v2", "v1"]
    assert [tag for tag, checked in boxes if checked] == chosen[:1]


def test_the_page_of_a_long_list_is_come_back_to(library: Library) -> None:
    """N4: after what was sent from it, refused or not."""
    library.push("v1", "v2", "v3")
    browser, path = Browser.signed_in(library.stack), f"{NAMESPACE}/repositories/app"
    (second,) = re.findall(rf'href="/console{path}(\?limit=2&amp;cursor=[^"]*)"', browser.get(f"{path}?limit=2").html)
    query = dict(parse_qsl(second.replace("&amp;", "&")[1:]))
    assert 'name="cursor"' in browser.get(f"{path}?{urlencode(query)}").html
    for tags in ([], ["v3"]):
        seen = browser.post(f"{path}/tag-scans", query, tags=tags)
        assert (">v3<" in seen.html, ">v1<" in seen.html) == (True, False)
