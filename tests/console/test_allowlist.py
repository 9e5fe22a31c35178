"""G2: the allowlist's screen."""

from __future__ import annotations

from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
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
