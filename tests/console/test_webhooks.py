"""X5: webhooks in the console, and the log of what they were sent."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from chalicelib.console.rendering import templates
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
from tests.management import Api
from tests.notifications.receiver import Receiver, receiving
from tests.notifications.story import tell
from tests.registry.library import Library
from tests.stacks import embedded_stack

PATH = "/instances/ci/webhooks"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with embedded_stack(tmp_path_factory.mktemp("webhooks"), allow_private_addresses=True) as opened:
        Library.opened(opened)
        yield opened


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def made(stack: Stack, url: str, **more: object) -> str:
    body = {"url": url, "events": ["image.pushed"], **more}
    return str(Api.signed_in(stack).post(PATH, body).json()["id"])


def test_a_webhook_is_made_and_its_secret_shown_this_once(stack: Stack) -> None:
    """X5"""
    browser = Browser.signed_in(stack)
    seen = browser.post(
        f"{PATH}/new", url="http://127.0.0.1:9/<b>", description="<i>mine</i>", events=["image.pushed", "task.finished"]
    )
    secret = re.search(r"whsec_\S+", seen.words)
    assert secret is not None
    listed = browser.get(PATH)
    assert secret[0] not in listed.html
    assert "image pushed, task finished" in listed.words
    assert "&lt;i&gt;mine&lt;/i&gt;" in listed.html


def test_without_an_event_a_webhook_is_refused_with_what_was_typed(stack: Stack) -> None:
    """X5, C1"""
    seen = Browser.signed_in(stack).post(f"{PATH}/new", url="http://127.0.0.1:9/kept", tags="v1*")
    assert (seen.status, 'id="events-wrong"' in seen.html) == (400, True)
    assert ('value="http://127.0.0.1:9/kept"' in seen.html, 'value="v1*"' in seen.html) == (True, True)


def test_a_test_shows_what_came_of_it_without_reloading_and_is_sent_again(stack: Stack, receiver: Receiver) -> None:
    """X5, C1"""
    browser = Browser.signed_in(stack)
    home = f"{PATH}/{made(stack, receiver.url)}"
    sent = browser.post(f"{home}/test")
    assert ("on its way" in sent.words, 'hx-trigger="every 1s"' in sent.html) == (True, True)
    receiver.status, receiver.body = 500, b"<script>no\xe2\x80\xae</script>"
    tell(stack)
    done = browser.part(sent.path, "progress")
    assert ("not delivered" in done.words, "hx-trigger" in done.html) == (True, False)
    assert "&lt;script&gt;no\\u202e" in done.html
    receiver.status = 204
    browser.post(f"{sent.path}/redeliver")
    tell(stack)
    assert "delivered" in browser.part(f"{home}?state=delivered", "list").words
    assert "No delivery matches" in browser.part(f"{home}?type=task.finished", "list").words


def test_a_webhook_is_changed_switched_off_and_given_a_new_secret(stack: Stack) -> None:
    """X5"""
    browser, api = Browser.signed_in(stack), Api.signed_in(stack)
    home = f"{PATH}/{made(stack, 'http://127.0.0.1:9/before', description='gone')}"
    browser.post(f"{home}/edit", url="http://127.0.0.1:9/after", events="image.deleted", tags="")
    changed = api.get(home).json()
    assert (changed["url"], changed["events"], changed["tags"], changed["description"]) == (
        "http://127.0.0.1:9/after", ["image.deleted"], "**", "",
    )  # fmt: skip
    assert "whsec_" in browser.post(f"{home}/secret").words
    assert "It is off" in browser.post(f"{home}/switch", enabled="no").words
    refused = browser.post(f"{home}/test")
    assert (refused.status, "switched off" in refused.words) == (409, True)


def test_deleting_one_says_how_much_goes_along(stack: Stack) -> None:
    """X5, C1"""
    browser, api = Browser.signed_in(stack), Api.signed_in(stack)
    home = f"{PATH}/{made(stack, 'http://127.0.0.1:9/')}"
    for _ in range(2):
        api.post(f"{home}/test")
    asked = browser.get(f"{home}/delete").words
    assert "The log of 2 deliveries goes along" in asked
    assert "2 deliveries that still wait are never sent" in asked
    assert browser.post(f"{home}/delete").path == PATH
    assert api.get(home).status == 404


def test_an_auditor_looks_on(stack: Stack) -> None:
    """G5"""
    home = f"{PATH}/{made(stack, 'http://127.0.0.1:9/')}"
    auditor = Browser.signed_in(stack, Role.AUDITOR)
    assert ("Send a test" in auditor.get(home).words, '<form class="act"' in auditor.get(home).html) == (False, False)
    assert auditor.post(f"{home}/test").status == 403
    assert Browser.signed_in(stack, Role.READER).get(PATH).status == 403


def test_of_a_digest_the_log_shows_the_beginning(stack: Stack) -> None:
    """X5, C1"""
    parts = templates("en").environment.get_template("webhooks/parts.html").module
    told = parts.subject("library/app@sha256:" + "ab" * 32)  # type: ignore[attr-defined]
    assert ">library/app@sha256:abababababab…<" in told
    assert "ab" * 32 in told
    assert ">library/app:v1<" in parts.subject("library/app:v1")  # type: ignore[attr-defined]
