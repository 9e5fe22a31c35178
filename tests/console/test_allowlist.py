"""G2: the allowlist's screen."""

from __future__ import annotations

from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
from tests.management import Api
from tests.registry.library import Library


def test_a_network_is_added_and_the_list_says_so(stack: Stack) -> None:
    """G2"""
    Library.opened(stack)
    seen = Browser.signed_in(stack).post("/instances/ci/allowlist", cidr="127.0.0.0/8", remark="<b>here</b>")
    assert (seen.status, seen.path) == (200, "/instances/ci/allowlist")
    assert "127.0.0.0/8 gets in now" in seen.words
    assert "&lt;b&gt;here&lt;/b&gt;" in seen.html


def test_what_is_wrong_with_a_network_stands_beside_its_field_with_what_was_typed(stack: Stack) -> None:
    """G2"""
    Library.opened(stack)
    seen = Browser.signed_in(stack).post("/instances/ci/allowlist", cidr="300.1.2.3", remark="kept")
    assert seen.status == 400
    assert 'value="300.1.2.3"' in seen.html
    assert 'value="kept"' in seen.html
    assert 'id="cidr-wrong"' in seen.html


def test_who_may_not_change_it_is_offered_no_form_and_refused_without_one(stack: Stack) -> None:
    """G2, G5"""
    Library.opened(stack)
    auditor = Browser.signed_in(stack, Role.AUDITOR)
    assert 'name="cidr"' not in auditor.get("/instances/ci/allowlist").html
    assert auditor.post("/instances/ci/allowlist", cidr="127.0.0.1").status == 403


def test_deleting_the_last_network_says_loudly_that_everybody_gets_in(stack: Stack) -> None:
    """G2, C1"""
    Library.opened(stack)
    browser, api = Browser.signed_in(stack), Api.signed_in(stack)
    last = api.post("/instances/ci/allowlist", {"cidr": "127.0.0.0/8"}).json()["id"]
    path = f"/instances/ci/allowlist/{last}/delete"
    assert "This is the last network. Without it the instance is open" in browser.get(path).words
    assert browser.post(path).status == 428
    assert browser.post(path, confirm="open-to-everyone").path == "/instances/ci/allowlist"
    assert api.get("/instances/ci/allowlist").json()["items"] == []


def test_nobody_is_locked_out_without_having_been_told(stack: Stack) -> None:
    """G2, C1"""
    Library.opened(stack)
    browser, api = Browser.signed_in(stack), Api.signed_in(stack)
    asked = browser.post("/instances/ci/allowlist", cidr="192.0.2.0/24", remark="kept")
    assert ("lock yourself out?" in asked.words, 'value="kept"' in asked.html) == (True, True)
    assert api.get("/instances/ci/allowlist").json()["items"] == []
    own = api.post("/instances/ci/allowlist", {"cidr": "127.0.0.1"}).json()["id"]
    browser.post("/instances/ci/allowlist", cidr="192.0.2.0/24")
    assert "That locks you out" in browser.get(f"/instances/ci/allowlist/{own}/delete").words


def test_what_is_no_address_is_said_beside_the_field_that_asks(stack: Stack) -> None:
    """G2, C1"""
    Library.opened(stack)
    seen = Browser.signed_in(stack).get("/instances/ci/allowlist?check=nowhere")
    assert (seen.status, 'id="check-wrong"' in seen.html, 'value="nowhere"' in seen.html) == (400, True, True)
