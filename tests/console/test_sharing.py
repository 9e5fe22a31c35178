"""G4: sharing in the console, the owner's side and the guest's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
from tests.management import Api
from tests.registry.library import Library
from tests.stacks import embedded_stack

SHARES = "/instances/ci/namespaces/library/repositories/app/shares"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with embedded_stack(tmp_path_factory.mktemp("sharing")) as opened:
        Library.opened(opened)
        body = {"name": "app", "visibility": "private"}
        Api.signed_in(opened).post("/instances/ci/namespaces/library/repositories", body)
        yield opened


def test_a_share_goes_from_the_form_to_the_guest_and_away_again(stack: Stack) -> None:
    """G4"""
    owner, guest = Browser.signed_in(stack), Browser.signed_in(stack, account="guests")
    assert "guests/owner may pull now" in owner.post(SHARES, account="guests", username="owner").words
    mine = guest.get("/shared-with-me").words
    assert ("library/app" in mine, "docker pull" in mine, "docker login" in mine) == (True, True, True)
    listed = owner.get("/instances/ci/sharing")
    assert ("guests / owner" in listed.words, "library/app" in listed.words) == (True, True)
    (share,) = Api.signed_in(stack).get(SHARES).json()["items"]
    asked = owner.get(f"{SHARES}/{share['id']}/delete?all=yes")
    assert "guests/owner can pull nothing from library/app any more" in asked.words
    gone = owner.post(f"{SHARES}/{share['id']}/delete", all="yes")
    assert gone.path == "/instances/ci/sharing"
    assert "Nothing is shared with you" in guest.get("/shared-with-me").words


def test_a_share_with_nobody_in_particular_is_refused_at_its_field(stack: Stack) -> None:
    """G4, C1"""
    owner = Browser.signed_in(stack)
    seen = owner.post(SHARES, account="default", username="reader")
    assert (seen.status, 'id="account-wrong"' in seen.html, 'value="reader"' in seen.html) == (400, True, True)


def test_auditors_see_shares_without_being_offered_any(stack: Stack) -> None:
    """G4, G5"""
    auditor = Browser.signed_in(stack, Role.AUDITOR)
    assert 'name="account"' not in auditor.get(SHARES).html
    assert auditor.post(SHARES, account="acme", username="bob").status == 403
    assert Browser.signed_in(stack, Role.READER).get("/instances/ci/sharing").status == 403
