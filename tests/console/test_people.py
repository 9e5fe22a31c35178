"""G5, C1: profile, users and accounts, and going elsewhere by a few letters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
from tests.management import PASSWORD, Api
from tests.registry.library import Library
from tests.stacks import FrozenClock, embedded_stack, make_instance, make_namespace

NEXT = "quite-another-horse-7"


def test_a_key_is_made_shown_once_switched_off_and_deleted(stack: Stack) -> None:
    """G5"""
    browser = Browser.signed_in(stack, Role.DEVELOPER)
    made = browser.post("/me/access-keys", remark="<b>laptop</b>")
    key, secret = re.search(r"Bearer (AK\w+)\.([\w-]{43})", made.words).groups()  # type: ignore[union-attr]
    program = Api(stack, f"{key}.{secret}")
    assert program.get("/me").json()["username"] == "developer"
    listed = browser.get("/me/access-keys")
    assert "&lt;b&gt;laptop&lt;/b&gt;" in listed.html
    assert secret not in listed.html
    assert "The access key is off" in browser.post(f"/me/access-keys/{key}", enabled="no").words
    assert program.get("/me").status == 401
    edited = browser.post(f"/me/access-keys/{key}", remark="desk", expires_at="2020-01-01T00:00")
    assert (edited.status, 'id="expires_at-wrong"' in edited.html, 'value="desk"' in edited.html) == (400, True, True)
    assert "The access key is deleted" in browser.post(f"/me/access-keys/{key}/delete").words


def test_a_new_password_ends_the_other_sessions(stack: Stack) -> None:
    """G5"""
    browser, elsewhere = (Browser.signed_in(stack, Role.DEVELOPER) for _ in range(2))
    wrong = browser.post("/me", current_password="not mine at all", password=NEXT)
    assert (wrong.status, 'id="current_password-wrong"' in wrong.html) == (400, True)
    assert "The new password holds" in browser.post("/me", current_password=PASSWORD, password=NEXT).words
    assert elsewhere.get("/me").path.startswith("/sign-in")


def test_users_are_added_changed_and_deleted_by_owners_alone(stack: Stack) -> None:
    """G5"""
    owner = Browser.signed_in(stack)
    weak = owner.post("/users", username="ann", password="short", role="reader")
    assert (weak.status, 'id="password-wrong"' in weak.html, "short" in weak.html) == (400, True, False)
    assert "ann may sign in now" in owner.post("/users", username="ann", password=PASSWORD, role="reader").words
    assert "Auditor" in owner.post("/users/ann", role="auditor").words
    assert Api.signed_in(stack).get("/users/ann").json()["role"] == "auditor"
    auditor = Browser.signed_in(stack, Role.AUDITOR)
    assert 'name="username"' not in auditor.get("/users").html
    assert auditor.post("/users/ann/delete").status == 403
    assert "Access keys that go with them: 0" in owner.get("/users/ann/delete").words
    assert owner.post("/users/ann/delete").path == "/users"
    assert owner.get("/users/ann").status == 404
    assert Browser.signed_in(stack, Role.READER).get("/users").status == 403


def test_accounts_are_the_operators(stack: Stack) -> None:
    """G5: made, given an identity provider, suspended, and let run again by the notice's button."""
    operator = Browser.signed_in(stack, operator=True)
    made = operator.post("/accounts", name="acme", username="ann", password=PASSWORD)
    assert "Account acme is there" in made.words
    wrong = operator.post(
        "/accounts/acme", {"oidc.issuer": "ftp://x.example", "oidc.client_id": "c", "oidc.claim": "email"}
    )
    assert (wrong.status, 'id="oidc.issuer-wrong"' in wrong.html) == (400, True)
    oidc = {"oidc.issuer": "https://id.example.com", "oidc.client_id": "c", "oidc.claim": "sub"}
    kept = operator.post("/accounts/acme", {**oidc, "oidc.client_secret": "s3cret"})
    assert ("One is kept" in kept.words, "s3cret" in kept.html) == (True, False)
    suspended = operator.post("/accounts/acme/suspend")
    assert 'action="/console/accounts/acme/resume"' in suspended.html
    assert Api(stack).post("/session", {"account": "acme", "username": "ann", "password": PASSWORD}).status == 403
    assert "runs again" in operator.post("/accounts/acme/resume").words
    assert operator.get("/accounts?search=cm").words.count("acme") == 1
    assert Browser.signed_in(stack).get("/accounts").status == 403


def test_a_few_letters_find_screens_namespaces_and_repositories(stack: Stack) -> None:
    """C1"""
    library = Library.opened(stack)
    api = library.api()
    api.post("/instances/ci/namespaces/library/repositories", {"name": "widgets"})
    browser = Browser.signed_in(stack, language="zh-CN")
    assert 'href="/console/instances/ci/allowlist"' in browser.get("/find?instance=ci&q=白名单").html
    assert 'href="/console/instances/ci/allowlist"' in browser.get("/find?instance=ci&q=allowl").html
    part = browser.part("/find?instance=ci&q=widg", "found").html
    assert "<html" not in part
    assert 'href="/console/instances/ci/namespaces/library/repositories/widgets"' in part
    assert 'href="/console/instances/ci"' in browser.get("/find?q=ci").html
    assert browser.get("/find?instance=nowhere&q=x").status == 200


def test_who_has_one_instance_arrives_there_and_is_told_how_to_begin(stack: Stack) -> None:
    """C1, G3"""
    Library.opened(stack)
    browser = Browser.signed_in(stack)
    assert browser.get("/").path.startswith("/instances/ci")
    start = browser.get("/instances/ci/start?client=skopeo")
    assert "skopeo copy --all" in start.words
    assert "Waiting for your first push" in start.words
    assert "every 2s" in start.html


def test_what_is_called_as_the_page_that_makes_one_is_found_all_the_same(stack: Stack) -> None:
    """C1: an instance `new`, a repository `new`."""
    instance = make_instance(stack, "new")
    make_namespace(stack, instance)
    api, browser = Api.signed_in(stack), Browser.signed_in(stack)
    api.post("/instances/new/namespaces/library/repositories", {"name": "new"})
    assert browser.get("/").path.startswith("/instances/new")
    assert 'href="/console/instances/new"' in browser.get("/find?q=new").html
    found = browser.get("/find?instance=new&q=new").html
    assert 'href="/console/instances/new/namespaces/library/repositories/new"' in found


def test_results_say_for_which_letters_they_are(stack: Stack) -> None:
    """C1: the palette's Enter goes nowhere by what was found for fewer letters."""
    assert '<data hidden value="in&lt;s"></data>' in Browser.signed_in(stack).part("/find?q=+in%3Cs+", "found").html


def test_a_remark_is_changed_without_the_expiry_which_may_be_over(tmp_path: Path) -> None:
    """G5"""
    clock = FrozenClock()
    with embedded_stack(tmp_path, clock) as stack:
        api, browser = Api.signed_in(stack), Browser.signed_in(stack)
        made = api.post("/access-keys", {"expires_at": "2026-01-31T09:00:30Z"}).json()
        clock.advance(2 * 3600)
        seen = browser.post(f"/me/access-keys/{made['id']}", remark="over", expires_at="2026-01-31T09:00")
        kept = api.get(f"/access-keys/{made['id']}").json()
        assert (seen.status, kept["remark"], kept["expires_at"]) == (200, "over", made["expires_at"])


def test_a_list_that_cannot_go_on_leads_to_its_beginning(stack: Stack) -> None:
    """C1"""
    lost = Browser.signed_in(stack).get("/users?sort=-name&search=a&cursor=%2A")
    assert (lost.status, "First page" in lost.words, "Try again" in lost.words) == (400, True, False)
    assert 'href="/console/users?sort=-name&amp;search=a"' in lost.html


@pytest.mark.parametrize(("language", "told"), [("en", "characters that are not allowed"), ("zh-CN", "不允许的字符")])
def test_what_validation_says_is_told_in_a_readers_words(stack: Stack, language: str, told: str) -> None:
    """C1"""
    seen = Browser.signed_in(stack, language=language).post("/users", username="a b", password=PASSWORD)
    assert (told in seen.words, "A-Za-z" in seen.words, "Field required" in seen.words) == (True, False, False)
