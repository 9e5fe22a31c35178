"""Screens of synchronisation, remotes, caches, migrations and tasks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.background import run_tasks
from tests.console.browsing import Browser
from tests.management import Api
from tests.stacks import make_instance, make_namespace
from tests.sync.estate import Estate

SYNC = "/instances/ci/sync"
RULE = {"name": "released", "source_namespace": "dev", "target_instance": "ci", "target_namespace": "prod"}


@pytest.fixture
def estate(stack: Stack) -> Estate:
    return Estate.opened(stack)


@pytest.fixture
def browser(estate: Estate) -> Browser:
    return Browser.signed_in(estate.stack)


def test_what_was_brought_is_told_of_while_the_instance_is_frozen(stack: Stack) -> None:
    """I6, Y4"""
    make_instance(stack, expires_at=stack.clock.now() - timedelta(days=1))
    assert Browser.signed_in(stack).get(f"{SYNC}/tasks").status == 200


def test_a_rule_is_made_switched_changed_and_deleted(estate: Estate, browser: Browser) -> None:
    """Y1"""
    seen = browser.post(f"{SYNC}/new", RULE, image="yes", source_tags="v*", bandwidth="1048576", enabled="yes")
    assert (seen.status, seen.path) == (200, SYNC)
    rule = estate.api.get(f"{estate.path}/sync-rules").json()["items"][0]
    assert (rule["content"], rule["source_tags"], rule["bandwidth"]) == (["image"], "v*", 1048576)
    path = f"{SYNC}/rules/{rule['id']}"
    assert "released is switched off" in browser.post(f"{path}/switch", enabled="no").words
    browser.post(f"{path}/edit", {**RULE, "name": "renamed"}, image="yes", chart="yes", override="yes")
    changed = estate.api.get(f"{estate.path}/sync-rules/{rule['id']}").json()
    assert (changed["name"], changed["override"], changed["source_tags"], changed["enabled"]) == (
        ("renamed", True, "", False)
    )
    assert "Nothing is brought from dev to prod any more" in browser.get(f"{path}/delete").words
    browser.post(f"{path}/delete")
    assert estate.api.get(f"{estate.path}/sync-rules").json()["items"] == []


def test_a_refused_rule_names_the_one_in_the_way_and_leads_to_it(estate: Estate, browser: Browser) -> None:
    """Y2"""
    rule = estate.rule(name="first")
    make_namespace(estate.stack, estate.instance, "third")
    seen = browser.post(f"{SYNC}/new", {**RULE, "source_namespace": "third"}, image="yes")
    assert seen.status == 409
    assert "In the way is rule first" in seen.words
    assert f"/console{SYNC}/rules/{rule['id']}/edit" in seen.html
    assert 'value="released"' in seen.html


def test_patterns_are_tried_out_before_a_rule_has_them(estate: Estate, browser: Browser) -> None:
    """Y1"""
    estate.push("v1", b"one")
    estate.push("latest", b"two")
    form = "try=yes&image=yes&name=mine&source_namespace=dev&source_repositories=app&source_tags="
    seen = browser.get(f"{SYNC}/new?{form}v*")
    assert "dev/app:v1" in seen.words
    assert "dev/app:latest" not in seen.words
    assert 'value="mine"' in seen.html
    assert browser.get(f"{SYNC}/new?{form}{{v").status == 200


def test_a_task_brings_what_is_there_and_its_records_say_what_moved(estate: Estate, browser: Browser) -> None:
    """Y4"""
    estate.push("v1", b"one")
    order = {name: RULE[name] for name in ("source_namespace", "target_instance", "target_namespace")}
    begun = browser.post(f"{SYNC}/tasks/new", order, image="yes")
    assert 'hx-trigger="every' in begun.html
    run_tasks(estate.stack)
    records = browser.get(begun.path)
    assert "dev/app:v1" in records.words
    assert "1 copied" in records.words
    assert 'hx-trigger="every' not in records.html
    assert "dev/app:v1" not in browser.part(f"{begun.path}?verdict=failed", "list").words


def test_a_task_is_cancelled_after_a_question_and_retried(estate: Estate, browser: Browser) -> None:
    """C1"""
    task = estate.task()
    path = f"/instances/ci/tasks/{task['id']}"
    assert f"/console{path}/cancel" in browser.get(path).html
    assert "Cancel this task?" in browser.get(f"{path}/cancel").words
    assert "cancelled" in browser.post(f"{path}/cancel").words
    assert "queued" in browser.post(f"{path}/retry").words
    assert "dev" in browser.part("/instances/ci/tasks?kind=sync&search=de", "list").words
    assert "No task matches" in browser.get("/instances/ci/tasks?kind=scan").words


def test_a_remote_is_added_tried_and_deleted_and_its_password_stays_unless_it_is_changed(
    estate: Estate, browser: Browser
) -> None:
    """Y1"""
    remote = {"name": "far", "address": "http://127.0.0.1:9", "username": "robot", "remark": "<b>"}
    seen = browser.post("/instances/ci/remotes/new", remote, password="correct-horse-there")
    assert "not reached" in browser.post(seen.path).words
    path = seen.path.removesuffix("/test")
    edited = browser.post(f"{path}/edit", {**remote, "remark": "other"}, password="")
    assert "correct-horse-there" not in edited.html
    assert estate.api.get(f"{estate.path}/remotes/far").json()["has_password"] is True
    browser.post(f"{path}/edit", remote, password="", no_password="yes")
    assert estate.api.get(f"{estate.path}/remotes/far").json()["has_password"] is False
    browser.post(f"{path}/delete")
    assert estate.api.get(f"{estate.path}/remotes").json()["items"] == []


def test_a_cache_is_made_with_its_pull_command_and_changed(estate: Estate, browser: Browser) -> None:
    """X7"""
    make_namespace(estate.stack, estate.instance, "hub")
    upstream = {"upstream": "127.0.0.1:9", "repositories": "**"}
    seen = browser.post("/instances/ci/caches/new", {**upstream, "namespace": "hub"}, ttl_seconds="60")
    assert "/hub/name:latest" in seen.html
    wrong = browser.post("/instances/ci/caches/hub/edit", upstream, ttl_seconds="soon")
    assert (wrong.status, 'value="soon"' in wrong.html, 'id="ttl_seconds-wrong"' in wrong.html) == (400, True, True)
    browser.post("/instances/ci/caches/hub/edit", upstream, ttl_seconds="0")
    assert estate.api.get(f"{estate.path}/caches/hub").json()["ttl_seconds"] == 0
    browser.post("/instances/ci/caches/hub/delete")
    assert estate.api.get(f"{estate.path}/caches").json()["items"] == []


def test_a_migration_is_told_as_image_syncer_is_and_its_mistakes_are_shown(estate: Estate, browser: Browser) -> None:
    """K2"""
    estate.push("v1", b"one")
    here = estate.api.get(estate.path).json()["public_address"]
    told = f'{{"{here}/dev/app:v1": "prod/app" // as it is\n}}'
    # An example is shown, and nobody sends it by accident.
    form = browser.get("/instances/ci/migrations/new").html
    assert form.partition("</textarea>")[0].endswith(">")
    begun = browser.post("/instances/ci/migrations/new", images=told, auth="", override="yes")
    assert begun.path.startswith("/instances/ci/tasks/")
    run_tasks(estate.stack)
    assert "prod/app:v1" in browser.get(begun.path).words
    wrong = browser.post("/instances/ci/migrations/new", images="{", auth="")
    assert (wrong.status, 'id="images-wrong"' in wrong.html) == (400, True)


def test_readers_see_rules_and_records_and_are_offered_nothing(estate: Estate) -> None:
    """G5"""
    rule, task = estate.rule(), estate.task()
    reader = Browser.signed_in(estate.stack, Role.READER)
    for path in (SYNC, f"{SYNC}/tasks", f"/instances/ci/tasks/{task['id']}", "/instances/ci/migrations"):
        seen = reader.get(path)
        assert seen.status == 200
        assert all(word not in seen.html for word in ("/new", "/cancel", "/delete", "/switch"))
    assert reader.get("/instances/ci/remotes").status == 403
    assert reader.post(f"{SYNC}/rules/{rule['id']}/switch", enabled="no").status == 403
    assert Api.signed_in(estate.stack).get(f"{estate.path}/sync-rules/{rule['id']}").json()["enabled"] is True
