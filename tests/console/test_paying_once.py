"""I4, I5: what is paid through a form is paid once, however often the form is sent."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chalicelib.instances.buckets import Buckets
from chalicelib.ports.embedded.stack import create_bucket
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser, Seen
from tests.management import PASSWORD, Api
from tests.stacks import make_instance

OPENING = {
    "edition": "enterprise",
    "name": "acme",
    "bucket": "acme-images",
    "username": "pusher",
    "password": PASSWORD,
    "months": "1",
}
# Page with the form, where it goes, what is typed, and another value of it.
FORMS = [
    pytest.param("/instances/ci/renew", "/instances/ci/renew", {"months": "1"}, {"months": "2"}, id="renewal"),
    pytest.param(
        "/instances/ci/settings", "/instances/ci/settings/packs", {"namespace_packs": "1"}, {"namespace_packs": "3"},
        id="quota packs",
    ),
    pytest.param("/billing/top-ups", "/billing/top-ups", {"amount": "700"}, {"amount": "900"}, id="top-up"),
    pytest.param("/instances/-/new", "/instances/-/new", OPENING, {**OPENING, "name": "other"}, id="opening"),
]  # fmt: skip


@pytest.fixture
def api(stack: Stack) -> Api:
    """Of an account with money and a bucket, whose instance `ci` runs for another 31 days."""
    make_instance(stack, expires_at=stack.clock.now() + timedelta(days=31))
    create_bucket(stack.settings, "acme-images")
    Buckets(stack).claim("default", "acme-images")
    owner = Api.signed_in(stack)
    owner.post("/account/top-ups", {"amount": 5000})
    return owner


def token(seen: Seen) -> str:
    """Of the form that a page shows."""
    return str(re.findall(r'name="once" value="([^"]+)"', seen.html)[0])


def paid(api: Api) -> tuple[float, int]:
    """The balance, and how often it changed."""
    payments = [one for path in ("top-ups", "orders") for one in api.get(f"/account/{path}").json()["items"]]
    return api.get("/account").json()["balance"], len(payments)


@pytest.mark.parametrize(("page", "path", "form", "changed"), FORMS)
def test_a_form_sent_twice_is_paid_once_and_both_times_answered_alike(
    api: Api, page: str, path: str, form: dict[str, str], changed: dict[str, str]
) -> None:
    """I4, C1"""
    browser = Browser(api.stack, api.token)
    once, before = token(browser.get(page)), paid(api)
    first = browser.post(path, form, once=once)
    after = paid(api)
    again = browser.post(path, form, once=once)
    assert (first.status, after[0] != before[0], after[1]) == (200, True, before[1] + 1)
    assert (again.status, again.path, again.words) == (first.status, first.path, first.words)
    assert paid(api) == after


@pytest.mark.parametrize(("page", "path", "form", "changed"), FORMS)
def test_a_changed_form_is_paid_only_after_its_sender_was_told(
    api: Api, page: str, path: str, form: dict[str, str], changed: dict[str, str]
) -> None:
    """I4: as through the API, a key of another request is refused; the page that says so has a new one"""
    browser = Browser(api.stack, api.token)
    once = token(browser.get(page))
    browser.post(path, form, once=once)
    after = paid(api)
    told = browser.post(path, changed, once=once)
    assert (told.status, paid(api)) == (409, after)
    assert "was used for another request" in told.words
    assert "This form was sent before" in told.words
    assert token(told) != once


def test_of_two_forms_pressed_at_once_one_is_paid_and_both_tell_so(api: Api) -> None:
    """I4"""
    browsers = [Browser(api.stack, api.token) for _ in range(4)]
    once, before = token(browsers[0].get("/instances/ci/renew")), paid(api)
    with ThreadPoolExecutor(len(browsers)) as threads:
        seen = list(threads.map(lambda one: one.post("/instances/ci/renew", months="1", once=once), browsers))
    assert {(one.status, "ci runs until 2026-04-03" in one.words) for one in seen} == {(200, True)}
    assert paid(api) == (before[0] - 780, before[1] + 1)


def test_a_form_that_was_refused_is_sent_again_as_the_same(api: Api) -> None:
    """I4: so that whoever presses on while nobody knows what became of it does not pay twice"""
    browser = Browser(api.stack, api.token)
    once = token(browser.get("/instances/ci/renew"))
    refused = browser.post("/instances/ci/renew", months="36", once=once)
    assert (refused.status, token(refused)) == (409, once)
    assert browser.post("/instances/ci/renew", months="1", once=once).path == "/instances/ci"
