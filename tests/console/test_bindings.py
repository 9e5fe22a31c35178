"""Screens of environments, services, versions and images."""

from __future__ import annotations

import pytest

from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.bindings.desk import Desk
from tests.console.browsing import Browser

WEB = "/environments/dev/services/web"


@pytest.fixture
def desk(stack: Stack) -> Desk:
    return Desk.opened(stack)


@pytest.fixture
def browser(desk: Desk) -> Browser:
    return Browser.signed_in(desk.stack)


def test_an_environment_gets_services_with_a_default_repository_or_one_that_is_there(
    desk: Desk, browser: Browser
) -> None:
    """B1, B2"""
    seen = browser.post("/environments/-/new", name="dev", instance="ci", namespace="tcb-images", remark="ours")
    assert seen.path == "/environments/dev"
    form = browser.get("/environments/dev/services/-/new")
    assert "fixed for ever" in form.words
    assert "0 services of 5" in form.words
    made = browser.post("/environments/dev/services/-/new", {"name": "web", "binding.mode": "default"})
    assert (made.path, "tcb-images/dev_web" in made.words) == (WEB, True)
    existing = {"name": "api", "binding.mode": "existing", "binding.namespace": "tcb-images"}
    shared = browser.post("/environments/dev/services/-/new", {**existing, "binding.repository": "dev_web"})
    assert shared.path == "/environments/dev/services/api"
    lacking = browser.post("/environments/dev/services/-/new", {**existing, "name": "more"})
    assert (lacking.status, 'id="binding.repository-wrong"' in lacking.html) == (400, True)


def test_deleting_an_image_names_the_versions_it_would_break_first(desk: Desk, browser: Browser) -> None:
    """B3"""
    desk.environment()
    desk.service()
    desk.push(_repository(desk), "v1", "v2")
    browser.post(f"{WEB}/versions/new", name="web-001", tag="v1")
    assert "dev/web/web-001" in browser.get(f"{WEB}/images").words
    question = browser.get(f"{WEB}/images/v1/delete")
    assert "1 version would have no image any more: dev/web/web-001" in question.words
    assert browser.post(f"{WEB}/images/v1/delete").status == 428
    gone = browser.post(f"{WEB}/images/v1/delete", broken="dev/web/web-001")
    assert "v1 is in the recycle bin" in gone.words
    assert [one["tag"] for one in desk.images()] == ["v2"]
    assert "missing" in browser.get(WEB).words
    assert 'action="/console/instances/' in gone.html
    undo = gone.html.partition('action="/console/instances/')[2].partition('"')[0]
    browser.post(f"/instances/{undo}")
    assert [one["tag"] for one in desk.images()] == ["v1", "v2"]


def test_a_deleted_service_leaves_its_repository(desk: Desk, browser: Browser) -> None:
    """B4"""
    desk.environment()
    desk.service()
    name = _repository(desk)
    assert f"Repository {name} stays" in browser.get(f"{WEB}/delete").words
    assert browser.post(f"{WEB}/delete").path == "/environments/dev"
    again = browser.post("/environments/dev/services/-/new", {"name": "web", "binding.mode": "default"})
    assert "bound to the repository that was kept" in again.words
    assert browser.post("/environments/dev/delete").status == 409


def test_readers_see_services_and_are_offered_nothing(desk: Desk) -> None:
    """G5"""
    desk.environment()
    desk.service()
    reader = Browser.signed_in(desk.stack, Role.READER)
    for path in ("/environments", "/environments/dev", WEB, f"{WEB}/images"):
        seen = reader.get(path)
        assert seen.status == 200
        assert all(word not in seen.html for word in ("/new", "/edit", "/delete"))
    assert reader.post(f"{WEB}/delete").status == 403


def _repository(desk: Desk) -> str:
    """Of service `web`, in full."""
    binding = desk.owner.get(WEB).json()["binding"]
    return f"{binding['namespace']}/{binding['repository']}"
