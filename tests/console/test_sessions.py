"""G5, C1: signing in, with a password and by an identity provider; how a session ends, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.accounts.service import Accounts
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser, Seen
from tests.identity.issuer import Issuer, issuing
from tests.management import PASSWORD, Api
from tests.stacks import FrozenClock, embedded_stack

NEXT = "quite-another-horse-7"
FROM_ELSEWHERE = {"sec-fetch-site": "cross-site", "accept-language": "en"}


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock, allow_private_addresses=True) as opened:
        yield opened


@pytest.fixture
def issuer(clock: FrozenClock) -> Iterator[Issuer]:
    with issuing(clock) as opened:
        yield opened


def sign_in(browser: Browser, password: str = PASSWORD, to: str = "/console/me", **fields: str) -> Seen:
    return browser.post("/sign-in", {"username": "developer", "password": password, "to": to, **fields})


def test_who_signs_in_comes_back_to_where_they_were_going(stack: Stack) -> None:
    """G5"""
    Api.signed_in(stack, Role.DEVELOPER)
    browser = Browser(stack)
    asked = browser.get("/me/access-keys?search=a%26b")
    assert urlsplit(asked.path).path == "/sign-in"
    assert "Please sign in to go on." in asked.words
    to = parse_qs(urlsplit(asked.path).query)["to"][0]
    assert sign_in(browser, to=to).path == "/me/access-keys?search=a%26b"
    assert sign_in(browser, to="https://evil.example/console/").path != "/"


def test_a_wrong_password_too_many_guesses_and_a_suspended_account_are_said_plainly(stack: Stack) -> None:
    """G5"""
    Api.signed_in(stack, Role.DEVELOPER)
    browser = Browser(stack)
    wrong = sign_in(browser, "not the password")
    assert (wrong.status, "the user name or the password is wrong" in wrong.words) == (401, True)
    assert 'value="developer"' in wrong.html
    assert "not the password" not in wrong.html
    Accounts(stack).set_state("default", "suspended")
    assert "account default is suspended" in sign_in(browser).words
    for number in range(10):
        closed = sign_in(browser, f"guess {number}", username="somebody")
    assert "Nobody signs in with it for 30 seconds" in (closed if closed.status == 429 else sign_in(
        browser, "guess 11", username="somebody"
    )).words  # fmt: skip


@pytest.mark.parametrize("ending", ["signed out", "password", "role", "suspended"])
def test_a_session_that_ended_leads_to_the_sign_in_and_back(stack: Stack, ending: str) -> None:
    """G5"""
    owner = Api.signed_in(stack)
    browser = Browser.signed_in(stack, Role.DEVELOPER)
    assert browser.get("/me").path == "/me"
    if ending == "signed out":
        browser.post("/sign-out")
    elif ending == "suspended":
        Accounts(stack).set_state("default", "suspended")
        Accounts(stack).set_state("default", "running")
    else:
        changed = {"password": {"password": NEXT}, "role": {"role": "reader"}}[ending]
        assert owner.patch("/users/developer", changed).status == 200
    assert browser.get("/me").path == "/sign-in?to=%2Fconsole%2Fme"
    assert browser.post("/me/access-keys", remark="late").path == "/sign-in?to=%2Fconsole%2Fme%2Faccess-keys"
    assert owner_keys(stack) == 0
    back = sign_in(browser, NEXT if ending == "password" else PASSWORD, to="/console/me/access-keys")
    assert back.path == "/me/access-keys"


def owner_keys(stack: Stack) -> int:
    return len(Api.signed_in(stack).get("/access-keys").json()["items"])


# By an identity provider --------------------------------------------------------------------------------------------


@pytest.fixture
def begun(stack: Stack, issuer: Issuer) -> tuple[Browser, dict[str, str]]:
    """A browser on its way to the provider of account `acme`, and what the provider is asked with."""
    accounts = Accounts(stack)
    accounts.open("acme", "ann@example.com", PASSWORD)
    oidc = {"issuer": issuer.url, "client_id": "console"}
    assert Api.signed_in(stack, operator=True).patch("/accounts/acme", {"oidc": oidc}).status == 200
    browser = Browser(stack)
    left = browser.post("/sign-in/provider", account="acme", to="/console/me")
    assert left.status == 200, left.words
    url = left.headers["refresh"].removeprefix("0; url=")
    assert url.startswith(issuer.url + "/sign-in?")
    return browser, {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


def come_back(browser: Browser, issuer: Issuer, nonce: str, state: str) -> Seen:
    issuer.codes["c0de"] = issuer.token(
        sub="7", email="ann@example.com", email_verified=True, aud="console", nonce=nonce
    )
    return browser.get(f"/sign-in/callback?code=c0de&state={state}", FROM_ELSEWHERE)


def test_the_provider_vouches_and_the_reader_is_where_they_wanted(
    stack: Stack, issuer: Issuer, begun: tuple[Browser, dict[str, str]]
) -> None:
    """G5"""
    browser, asked = begun
    assert asked["redirect_uri"] == "http://127.0.0.1:5000/console/sign-in/callback"
    seen = come_back(browser, issuer, asked["nonce"], asked["state"])
    assert (seen.status, seen.path) == (200, "/me")
    assert "ann@example.com" in seen.words
    assert issuer.exchanges[0]["redirect_uri"] == asked["redirect_uri"]
    again = come_back(browser, issuer, asked["nonce"], asked["state"])
    assert (again.status, "not begun in this browser" in again.words) == (403, True)


def test_what_was_begun_elsewhere_is_refused(
    stack: Stack, issuer: Issuer, begun: tuple[Browser, dict[str, str]]
) -> None:
    """G5: another browser, another state, another nonce, and a provider that says no."""
    browser, asked = begun
    other = come_back(Browser(stack), issuer, asked["nonce"], asked["state"])
    assert (other.status, "not begun in this browser" in other.words) == (403, True)
    assert issuer.exchanges == []
    kept = list(browser.cookies.jar)
    for nonce, state, status in ((asked["nonce"], "x" * 43, 403), ("x" * 43, asked["state"], 401)):
        seen = come_back(browser, issuer, nonce, state)
        assert (seen.status, "Sign in" in seen.words) == (status, True)
        assert browser.get("/me").path.startswith("/sign-in")
        for cookie in kept:
            browser.cookies.jar.set_cookie(cookie)
    said_no = browser.get(f"/sign-in/callback?error=access_denied&state={asked['state']}", FROM_ELSEWHERE)
    assert "the identity provider did not sign you in" in said_no.words
    assert ('value="acme"' in said_no.html, 'name="to" value="/console/me"' in said_no.html) == (True, True)


def test_an_account_without_a_provider_is_told_so(stack: Stack) -> None:
    """G5"""
    seen = Browser(stack).post("/sign-in/provider", account="default")
    assert (seen.status, "no identity provider is set up" in seen.words) == (404, True)
