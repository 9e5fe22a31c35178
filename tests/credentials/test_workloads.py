"""Logins of CI jobs: which tokens are taken, once; what the credential may do, how long; what strangers are told."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.access.service import Access
from chalicelib.credentials.service import Credentials
from chalicelib.credentials.workloads import MOST_WORKLOADS
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Unauthenticated
from chalicelib.kernel.ids import moment_of, new_id
from chalicelib.kernel.principal import Action
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.identity.issuer import Issuer, issuing
from tests.management import Api, Reply
from tests.ports_aws.adapters import open_moto_table
from tests.stacks import FrozenClock, embedded_stack, make_instance, with_table

RULES = "/instances/ci/workload-identities"
PUSH = [{"namespaces": "library", "repositories": "app*", "actions": ["pull", "push"]}]
HOME = "127.0.0.1"


@dataclass(frozen=True)
class Ci:
    """An instance that knows an identity provider."""

    stack: Stack
    clock: FrozenClock
    instance: Instance
    owner: Api
    issuer: Issuer

    def rule(self, **more: Any) -> dict[str, Any]:
        body = {
            "issuer": self.issuer.url,
            "audience": "registry",
            "subject": "repo:acme/*",
            "permissions": PUSH,
            **more,
        }
        answer = self.owner.post(RULES, body)
        assert answer.status == 201, answer.text
        made: dict[str, Any] = answer.json()
        while moment_of(new_id()) == moment_of(made["id"]):
            pass  # Ids of one millisecond have no order; the next rule is younger.
        return made

    def log_in(self, token: str, instance: str = "") -> Reply:
        return Api(self.stack).post(f"/instances/{instance or self.instance.id}/workload-logins", {"token": token})


@pytest.fixture(params=["embedded", "aws"])
def ci(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ci]:
    clock = FrozenClock()
    with (
        embedded_stack(tmp_path, clock, allow_private_addresses=True) as opened,
        open_moto_table(tmp_path) as table,
        issuing(clock) as issuer,
    ):
        stack = opened if request.param == "embedded" else with_table(opened, table)
        instance = make_instance(stack)
        yield Ci(stack, clock, instance, Api.signed_in(stack), issuer)


def refused(answer: Reply) -> dict[str, Any]:
    """What a stranger sees, save the request's id."""
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    return {**answer.json(), "request_id": ""}


def test_a_job_gets_a_credential_of_minutes_for_its_token(ci: Ci) -> None:
    """X4"""
    rule = ci.rule(lifetime_s=600)
    answer = ci.log_in(ci.issuer.token())
    assert answer.status == 201
    login = answer.json()
    assert login["username"].startswith("workload-")
    assert login["expires_at"] == "2026-01-31T08:10:00.000000Z"
    assert login["login_command"].endswith(f" -u {login['username']}")
    credentials = Credentials(ci.stack)
    principal = credentials.basic(ci.instance, login["username"], login["password"], HOME)
    assert principal.allowed is not None
    assert [one.actions for one in principal.allowed] == [frozenset({Action.PULL, Action.PUSH})]
    shown = ci.owner.get(f"/instances/ci/credentials/{login['username']}").json()
    assert (shown["kind"], shown["workload"], shown["created_by"]) == ("robot", rule["id"], "repo:acme/app")
    ci.clock.advance(600)
    with pytest.raises(Unauthenticated):
        credentials.basic(ci.instance, login["username"], login["password"], HOME)


def test_a_token_is_taken_once(ci: Ci) -> None:
    """X4"""
    ci.rule()
    token = ci.issuer.token(jti="one")
    assert ci.log_in(token).status == 201
    refused(ci.log_in(token))
    assert len(ci.owner.get("/instances/ci/credentials").json()["items"]) == 1


def test_of_many_logins_at_once_with_one_token_one_succeeds(tmp_path: Path) -> None:
    """X4"""
    clock = FrozenClock()
    with embedded_stack(tmp_path, clock, allow_private_addresses=True) as stack, issuing(clock) as issuer:
        ci = Ci(stack, clock, make_instance(stack), Api.signed_in(stack), issuer)
        ci.rule()
        token = issuer.token()
        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(lambda _: ci.log_in(token).status, range(16)))
        assert sorted(statuses) == [201] + [401] * 15
        assert issuer.asked.count("/keys") == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "repo:other/app"},
        {"aud": "elsewhere"},
        {"iss": "https://other.example"},
        {"environment": "staging"},
        {"environment": None},
        {"run": "7"},
        {"run": True},
        {"protected": 1},
        {"exp": 1},
    ],
    ids=str,
)
def test_a_token_that_the_rule_is_not_about_is_refused_like_a_missing_instance(ci: Ci, claims: dict[str, Any]) -> None:
    """X4: alike, save the request's id."""
    ci.rule(claims={"environment": "production", "run": 7, "protected": True})
    given: dict[str, Any] = {"environment": "production", "run": 7, "protected": True}
    assert ci.log_in(ci.issuer.token(**given)).status == 201
    bad = refused(ci.log_in(ci.issuer.token(**{**given, **claims})))
    missing = refused(ci.log_in(ci.issuer.token(**given, jti="new"), new_id()))
    by_name = refused(ci.log_in(ci.issuer.token(**given, jti="new"), "ci"))
    assert bad == missing == by_name == refused(ci.log_in("no token"))


def test_a_forged_token_is_refused(ci: Ci) -> None:
    """X4"""
    ci.rule()
    header, _, signature = ci.issuer.token(sub="repo:acme/a").split(".")
    claims = ci.issuer.token(sub="repo:acme/b").split(".")[1]
    refused(ci.log_in(f"{header}.{claims}.{signature}"))


def test_the_oldest_rule_that_fits_decides(ci: Ci) -> None:
    """X4"""
    ci.rule(subject="repo:acme/other", lifetime_s=60)
    first = ci.rule(lifetime_s=120)
    ci.rule(subject="repo:acme/app", lifetime_s=180)
    assert ci.log_in(ci.issuer.token(jti="1")).json()["expires_at"] == "2026-01-31T08:02:00.000000Z"
    assert ci.owner.delete(f"{RULES}/{first['id']}").status == 204
    assert ci.log_in(ci.issuer.token(jti="2")).json()["expires_at"] == "2026-01-31T08:03:00.000000Z"


def test_an_instance_has_no_more_rules_than_a_strangers_login_may_cost(tmp_path: Path) -> None:
    """X4: a login looks through all of them, for anybody who asks."""
    with embedded_stack(tmp_path, allow_private_addresses=True) as stack:
        make_instance(stack)
        owner = Api.signed_in(stack)
        body = {"issuer": "http://127.0.0.1:9", "audience": "registry", "subject": "repo:acme/*", "permissions": PUSH}
        answers = [owner.post(RULES, body) for _ in range(MOST_WORKLOADS + 1)]
        assert [answer.status for answer in answers] == [201] * MOST_WORKLOADS + [409]
        assert owner.delete(f"{RULES}/{answers[0].json()['id']}").status == 204
        assert owner.post(RULES, body).status == 201


def test_without_its_rule_nobody_logs_in_any_more(ci: Ci) -> None:
    """X4"""
    rule = ci.rule()
    ci.owner.delete(f"{RULES}/{rule['id']}")
    refused(ci.log_in(ci.issuer.token()))
    assert ci.owner.delete(f"{RULES}/{rule['id']}").status == 404


def test_an_address_off_the_allowlist_is_refused(ci: Ci) -> None:
    """G2, X4"""
    ci.rule()
    Access(ci.stack).add(ci.instance, "192.0.2.0/24")
    assert ci.log_in(ci.issuer.token()).code == "ADDRESS_NOT_ALLOWED"
    inside = Api(ci.stack).at("192.0.2.7")
    path = f"/instances/{ci.instance.id}/workload-logins"
    assert inside.post(path, {"token": ci.issuer.token()}).status == 201


def test_a_frozen_instance_lets_no_job_in_and_takes_no_token(ci: Ci) -> None:
    """I6"""
    ci.rule()
    instances = Instances(ci.stack)
    frozen = instances.change(instances.of_account("default", "ci"), expires_at=ci.clock.now())
    token = ci.issuer.token()
    assert ci.log_in(token).code == "INSTANCE_FROZEN"
    instances.change(frozen, expires_at=None)
    assert ci.log_in(token).status == 201


def test_a_silent_issuer_is_said_to_be_that(ci: Ci) -> None:
    """X4"""
    ci.rule()
    ci.issuer.broken = True
    assert ci.log_in(ci.issuer.token()).status == 503


def test_rules_are_listed_shown_and_default_to_the_instances_address(ci: Ci) -> None:
    """X4"""
    made = [ci.rule(subject=f"repo:acme/{name}", audience=None) for name in ("a", "b", "c")]
    first = ci.owner.get(RULES, limit=2).json()
    second = ci.owner.get(RULES, limit=2, cursor=first["next"]).json()
    assert len(first["items"]) == 2
    assert first["items"] + second["items"] == sorted(made, key=lambda rule: rule["id"])
    newest = ci.owner.get(RULES, search="ACME/", sort="-subject").json()["items"]
    assert [rule["subject"] for rule in newest] == ["repo:acme/c", "repo:acme/b", "repo:acme/a"]
    assert ci.owner.get(RULES, search="acme/b").json()["items"] == [made[1]]
    assert ci.owner.get(f"{RULES}/{made[0]['id']}").json() == made[0]
    assert made[0]["audience"] == Instances(ci.stack).public_address(ci.instance)
    assert (made[0]["lifetime_s"], made[0]["claims"], made[0]["permissions"]) == (900, {}, PUSH)
    assert ci.owner.get(f"{RULES}/{new_id()}").status == 404
    assert ci.owner.get(f"{RULES}/x").status == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"issuer": "https://10.0.0.1.:x"}, "issuer"),
        ({"issuer": "ftp://issuer.example"}, "issuer"),
        ({"issuer": "https://169.254.169.254/"}, "issuer"),
        ({"audience": ""}, "audience"),
        ({"audience": "a b"}, "audience"),
        ({"subject": "repo:*:x"}, "subject"),
        ({"subject": "**"}, "subject"),
        ({"claims": {"a": None}}, "claims.a"),
        ({"claims": {"a": 1.5}}, "claims.a"),
        ({"permissions": []}, "permissions"),
        ({"lifetime_s": 3601}, "lifetime_s"),
        ({"lifetime_s": 59}, "lifetime_s"),
        ({"name": "x"}, "name"),
    ],
    ids=str,
)
def test_a_bad_rule_is_refused_by_its_field(ci: Ci, change: dict[str, Any], field: str) -> None:
    """X4"""
    body = {"issuer": ci.issuer.url, "audience": "registry", "subject": "a", "permissions": PUSH, **change}
    answer = ci.owner.post(RULES, body)
    assert (answer.status, [one["field"] for one in answer.json()["errors"]]) == (400, [field])
    assert ci.owner.get(RULES).json()["items"] == []


@pytest.mark.parametrize(("role", "reads"), [(Role.AUDITOR, 200), (Role.DEVELOPER, 403), (Role.READER, 403)])
def test_the_owner_alone_changes_rules(ci: Ci, role: Role, reads: int) -> None:
    """G5"""
    rule = ci.rule()
    other = Api.signed_in(ci.stack, role)
    assert other.get(RULES).status == reads
    assert other.delete(f"{RULES}/{rule['id']}").status == 403
    assert other.post(RULES, {k: rule[k] for k in ("issuer", "subject", "permissions")}).status == 403
