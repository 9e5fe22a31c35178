"""I1, I2: the screens of the account's instances, and of opening one."""

from __future__ import annotations

from chalicelib.instances.buckets import Buckets
from chalicelib.kernel.roles import Role
from chalicelib.ports.embedded.stack import create_bucket
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser, Seen
from tests.management import PASSWORD, Api
from tests.stacks import make_instance

FORM = {
    "edition": "enterprise",
    "name": "acme",
    "bucket": "acme-images",
    "username": "pusher",
    "password": PASSWORD,
    "months": "3",
    "namespace_packs": "2",
    "auto_renew": "yes",
}


def opened(stack: Stack, **changed: str) -> Seen:
    """What whoever sends the form sees."""
    return Browser.signed_in(stack).post("/instances/-/new", {**FORM, **changed})


def test_each_instance_shows_its_state_its_address_and_its_use(stack: Stack) -> None:
    """I7, C1"""
    make_instance(stack, "alpha")
    make_instance(stack, "beta", edition="personal")
    seen = Browser.signed_in(stack).get("/instances")
    for text in ("alpha", "beta", "Enterprise", "Personal", "Running", "0 / 1,000", "0 / 3", "0 B / 10.0 GiB"):
        assert text in seen.words
    assert "beta" not in Browser.signed_in(stack).part("/instances?search=alph", "list").words


def test_an_instance_is_opened_and_its_owner_told_how_to_log_in(stack: Stack) -> None:
    """I2, C1"""
    api = Api.signed_in(stack)
    api.post("/account/top-ups", {"amount": 5000})
    create_bucket(stack.settings, "acme-images")
    Buckets(stack).claim("default", "acme-images")
    seen = opened(stack)
    address = api.get("/instances/acme").json()["public_address"]
    assert (seen.status, seen.path) == (200, "/instances/acme")
    assert f"docker login -u pusher {address}" in seen.words
    assert api.get("/account").json()["balance"] == 5000 - 3 * (780 + 2 * 25)


def test_every_wrong_field_is_told_at_itself_and_no_password_comes_back(stack: Stack) -> None:
    """I2, C1"""
    seen = opened(stack, name="<b>", bucket="nobodys", months="99", password="short-secret")
    assert seen.status == 400
    for name in ("name", "bucket", "months"):
        assert f'id="{name}-wrong"' in seen.html
    assert 'value="&lt;b&gt;"' in seen.html
    assert 'value="pusher"' in seen.html
    assert "short-secret" not in seen.html


def test_asking_for_the_price_opens_nothing_and_keeps_what_was_typed(stack: Stack) -> None:
    """I4, C1: without scripts"""
    seen = opened(stack, ask_price="yes")
    assert (seen.status, seen.path) == (200, "/instances/-/new")
    assert "CN¥2,490.00" in seen.words
    assert 'value="acme"' in seen.html
    assert PASSWORD not in seen.html
    assert Api.signed_in(stack).get("/instances").json()["items"] == []


def test_the_price_changes_as_one_chooses_and_says_what_the_balance_lacks(stack: Stack) -> None:
    """I4, C1: with scripts"""
    part = Browser.signed_in(stack).part("/instances/-/new?edition=enterprise&months=2", "price")
    assert "CN¥1,560.00 are missing" in part.words
    assert "<form" not in part.html
    assert "200" in Browser.signed_in(stack).part("/instances/-/new?namespace_packs=900", "price").words


def test_a_personal_instance_takes_nothing_of_the_enterprise_edition(stack: Stack) -> None:
    """I1"""
    seen = opened(stack, edition="personal", name="mine")
    assert (seen.status, seen.path) == (200, "/instances/mine")


def test_who_may_not_open_one_is_not_offered_it_and_refused(stack: Stack) -> None:
    """G5"""
    developer = Browser.signed_in(stack, Role.DEVELOPER)
    assert "Open an instance" not in developer.get("/instances").words
    assert developer.get("/instances/-/new").status == 403
    assert developer.post("/instances/-/new", {**FORM}).status == 403


def test_an_instance_that_is_called_like_a_page_is_reached_by_its_name(stack: Stack) -> None:
    """I2"""
    make_instance(stack, "new")
    assert 'href="/console/instances/new"' in Browser.signed_in(stack).get("/instances").html
