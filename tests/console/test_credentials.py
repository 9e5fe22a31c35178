"""G3, X4: registry credentials and keyless logins in the console."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.credentials.models import Permission
from chalicelib.credentials.robots import Robots
from chalicelib.credentials.service import Credentials
from chalicelib.instances.service import Instances
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
from tests.management import Api
from tests.registry.library import Library
from tests.stacks import FrozenClock, embedded_stack

HOME = "/instances/ci"
ROW = {"permissions.0.namespaces": "library", "permissions.0.repositories": "**"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with embedded_stack(tmp_path_factory.mktemp("credentials"), allow_private_addresses=True) as opened:
        library = Library.opened(opened)
        Credentials(opened).create(library.instance, "admin", "secret")
        yield opened


def permissions_of(stack: Stack, username: str) -> object:
    return Api.signed_in(stack).get(f"{HOME}/credentials/{username}").json()["permissions"]


def test_the_primary_credential_is_shown_with_the_command_of_the_client_asked_for(stack: Stack) -> None:
    """G3"""
    browser = Browser.signed_in(stack)
    address = Api.signed_in(stack).get(HOME).json()["public_address"]
    assert f"docker login {address} -u admin" in browser.get(f"{HOME}/credentials").words
    assert (
        f"helm registry login --plain-http {address} -u admin" in browser.get(f"{HOME}/credentials?client=helm").words
    )


def test_a_robot_is_made_with_rows_of_permissions_and_its_password_shown_once(stack: Stack) -> None:
    """X4"""
    browser = Browser.signed_in(stack)
    form: dict[str, str | list[str]] = {"username": "robby", **ROW, "permissions.0.actions": ["pull", "push"]}
    more = browser.post(f"{HOME}/credentials/-/new", {**form, "more": "yes"})
    assert ('value="robby"' in more.html, 'name="permissions.1.namespaces"' in more.html) == (True, True)
    second = {
        "permissions.1.namespaces": "team-*",
        "permissions.1.repositories": "web",
        "permissions.1.actions": "pull",
    }
    made = browser.post(f"{HOME}/credentials/-/new", {**form, **second, "days": "30"})
    password = re.search(r"crsp_[A-Za-z0-9_-]{20,}", made.words)
    assert password is not None
    assert f"printf %s '{password[0]}' | docker login" in made.words
    assert password[0] not in browser.get(f"{HOME}/credentials/robby").html
    assert permissions_of(stack, "robby") == [
        {"namespaces": "library", "repositories": "**", "actions": ["pull", "push"]},
        {"namespaces": "team-*", "repositories": "web", "actions": ["pull"]},
    ]


def test_what_is_wrong_with_a_robot_stands_at_its_row_with_what_was_typed(stack: Stack) -> None:
    """X4, C1"""
    form = {"username": "no spaces", "permissions.0.namespaces": "a?b", "permissions.0.repositories": "**"}
    seen = Browser.signed_in(stack).post(f"{HOME}/credentials/-/new", form)
    assert seen.status == 400
    assert 'id="username-wrong"' in seen.html
    assert 'id="permissions.0.namespaces-wrong"' in seen.html
    assert 'value="a?b"' in seen.html


def test_a_password_is_reset_to_a_chosen_or_a_generated_one(stack: Stack) -> None:
    """G3"""
    browser, instance = Browser.signed_in(stack), Instances(stack).named("default", "ci")
    chosen = "a-password-that-nobody-guesses-7"
    seen = browser.post(f"{HOME}/credentials/admin/reset", password=chosen)
    assert (seen.status, seen.path) == (200, f"{HOME}/credentials/admin")
    assert chosen not in seen.html
    Credentials(stack).basic(instance, "admin", chosen, "192.0.2.7", fresh=True)
    assert 'id="password-wrong"' in browser.post(f"{HOME}/credentials/admin/reset", password="short").html
    assert "crsp_" in browser.post(f"{HOME}/credentials/admin/reset", password="").words


def test_credentials_are_found_and_go_after_a_question(stack: Stack) -> None:
    """X4, C1"""
    api, browser = Api.signed_in(stack), Browser.signed_in(stack)
    permission = {"namespaces": "library", "repositories": "**", "actions": ["pull"]}
    for name in ("find-me", "not-this"):
        api.post(f"{HOME}/credentials", {"username": name, "permissions": [permission]})
    listed = browser.part(f"{HOME}/credentials?search=find&kind=robot", "list").words
    assert ("find-me" in listed, "not-this" in listed) == (True, False)
    assert "library/**" in browser.get(f"{HOME}/credentials/find-me/delete").words
    assert browser.post(f"{HOME}/credentials/find-me/delete").path == f"{HOME}/credentials"
    assert api.get(f"{HOME}/credentials/find-me").status == 404


def test_an_auditor_looks_on_and_a_reader_sees_no_credential(stack: Stack) -> None:
    """G5"""
    auditor = Browser.signed_in(stack, Role.AUDITOR)
    assert "-/new" not in auditor.get(f"{HOME}/credentials").html
    assert auditor.post(f"{HOME}/credentials/admin/reset").status == 403
    reader = Browser.signed_in(stack, Role.READER).get(f"{HOME}/credentials")
    assert (reader.status, "docker login" in reader.words) == (403, False)


def test_a_rule_for_jobs_is_made_shown_with_an_example_and_deleted(stack: Stack) -> None:
    """X4"""
    browser = Browser.signed_in(stack)
    rule = {
        "issuer": "https://gitlab.com", "subject": "project_path:acme/*",
        "claims": "project_id=42\nref_protected:=true",
        **ROW, "permissions.0.actions": "push", "lifetime_s": "600",
    }  # fmt: skip
    made = browser.post(f"{HOME}/workloads/new", {**rule})
    assert "/workload-logins" in made.words
    assert "id_tokens:" in made.words
    (kept,) = Api.signed_in(stack).get(f"{HOME}/workload-identities").json()["items"]
    assert (kept["claims"], kept["lifetime_s"]) == ({"project_id": "42", "ref_protected": True}, 600)
    assert browser.post(f"{made.path}/delete").path == f"{HOME}/workloads"
    assert "No job logs in without a password yet" in browser.get(f"{HOME}/workloads").words


@pytest.mark.parametrize(
    ("change", "field"),
    [({"claims": "nothing"}, "claims"), ({"subject": "**"}, "subject"), ({"lifetime_s": "5"}, "lifetime_s")],
)
def test_a_bad_rule_is_refused_at_its_field(stack: Stack, change: dict[str, str], field: str) -> None:
    """X4, C1"""
    rule = {"issuer": "https://gitlab.com", "subject": "a:*", "lifetime_s": "600", **ROW, **change}
    seen = Browser.signed_in(stack).post(f"{HOME}/workloads/new", {**rule, "permissions.0.actions": "push"})
    assert (seen.status, f'id="{field}-wrong"' in seen.html) == (400, True)


@pytest.mark.parametrize("page", ["credentials/-/new", "workloads/new"])
def test_an_empty_row_moves_nothing_that_was_typed_into_those_below(stack: Stack, page: str) -> None:
    """X4, C1"""
    rows = {
        **ROW,
        "permissions.0.actions": "pull",
        "permissions.1.namespaces": "",
        "permissions.1.repositories": "**",
        "permissions.2.namespaces": "a?b",
        "permissions.2.repositories": "web",
        "permissions.2.actions": "push",
    }
    seen = Browser.signed_in(stack).post(f"{HOME}/{page}", rows)
    assert seen.status == 400
    field = re.search(r'name="permissions\.1\.namespaces"[^>]*', seen.html)
    assert field is not None
    assert 'value="a?b"' in field[0]
    assert 'id="permissions.1.namespaces-wrong"' in seen.html
    assert 'name="permissions.2' not in seen.html


def test_deleting_a_rule_counts_the_logins_that_still_live(tmp_path: Path) -> None:
    """X4"""
    clock = FrozenClock()
    with embedded_stack(tmp_path, clock, allow_private_addresses=True) as stack:
        instance = Library.opened(stack).instance
        permission = {"namespaces": "**", "repositories": "**", "actions": ["pull"]}
        rule = {"issuer": "https://gitlab.com", "subject": "a:*", "lifetime_s": 600, "permissions": [permission]}
        made = Api.signed_in(stack).post(f"{HOME}/workload-identities", rule).json()["id"]
        for ends in (60, 600):
            pull, expires_at = (Permission.model_validate(permission),), clock.now() + timedelta(seconds=ends)
            Robots(stack).add(instance, f"workload-{ends}", None, pull, expires_at, "job", workload=made)
        clock.advance(120)
        assert "1 login that a job got" in Browser.signed_in(stack).get(f"{HOME}/workloads/{made}/delete").words
