"""Who gets in, who is told, and who did what: credentials, keyless logins, shares, webhooks, the audit record."""

from __future__ import annotations

from tests.console.world import Screen, World
from tests.management import Api
from tests.stacks import make_instance, make_namespace

PERMISSION = {"namespaces": "library", "repositories": "**", "actions": ["pull", "push"]}
SHARED = "/instances/ci/namespaces/library/repositories/shared"
RULES = (
    ("https://token.actions.githubusercontent.com", "repo:acme/web:ref:refs/heads/main", {"repository_owner_id": "12"}),
    ("https://gitlab.com", "project_path:acme/*", {"project_id": "42"}),
)


def furnish(world: World) -> None:
    api, home = world.api, "/instances/ci"
    for name, ends in (("build", "2099-01-01T00:00:00Z"), ("deploy", None), ("nightly-scan", None)):
        body = {"username": name, "permissions": [PERMISSION], "expires_at": ends}
        assert api.post(f"{home}/credentials", body).status == 201
    for issuer, subject, claims in RULES:
        rule = {"issuer": issuer, "subject": subject, "claims": claims, "permissions": [PERMISSION]}
        world.known["workload"] = api.post(f"{home}/workload-identities", rule).json()["id"]
    _share(world, api)
    hook = {
        "url": "http://127.0.0.1:9/images",
        "events": ["image.pushed", "task.finished"],
        "description": "Deployments",
    }
    made = api.post(f"{home}/webhooks", hook).json()
    world.known["webhook"] = made["id"]
    world.known["delivery"] = api.post(f"{home}/webhooks/{made['id']}/test").json()["id"]
    api.post(f"{home}/webhooks", {**hook, "url": "http://127.0.0.1:9/off", "enabled": False, "tags": "v1*"})


def _share(world: World, api: Api) -> None:
    made = api.post("/instances/ci/namespaces/library/repositories", {"name": "shared", "visibility": "private"})
    assert made.status == 201, made.text
    for account, username in (("acme", "alice"), ("globex", "bob")):
        world.known["share"] = api.post(f"{SHARED}/shares", {"account": account, "username": username}).json()["id"]
    lender = Api.signed_in(world.stack, account="lender")
    theirs = make_instance(world.stack, "theirs", account_id="lender")
    make_namespace(world.stack, theirs, "base")
    lender.post("/instances/theirs/namespaces/base/repositories", {"name": "jdk", "visibility": "private"})
    path = "/instances/theirs/namespaces/base/repositories/jdk/shares"
    assert lender.post(path, {"account": "default", "username": "owner"}).status == 201


def _screen(route: str, name: str, path: str, known: str = "") -> Screen:
    """path: `%s` where the world knows an id."""
    return Screen(route, name, lambda world: path % world.known[known] if known else path)


_HOME = "/instances/{instance}"
_HOOK = f"{_HOME}/webhooks/{{webhook}}"
SCREENS = (
    _screen(f"{_HOME}/credentials", "credentials", "/instances/ci/credentials"),
    _screen(f"{_HOME}/credentials/-/new", "credential-new", "/instances/ci/credentials/-/new"),
    _screen(f"{_HOME}/credentials/{{username}}", "credential", "/instances/ci/credentials/build?client=helm"),
    _screen(f"{_HOME}/credentials/{{username}}/reset", "credential-reset", "/instances/ci/credentials/build/reset"),
    _screen(f"{_HOME}/credentials/{{username}}/delete", "credential-delete", "/instances/ci/credentials/build/delete"),
    _screen(f"{_HOME}/workloads", "workloads", "/instances/ci/workloads"),
    _screen(f"{_HOME}/workloads/new", "workload-new", "/instances/ci/workloads/new?platform=gitlab"),
    _screen(f"{_HOME}/workloads/{{workload}}", "workload", "/instances/ci/workloads/%s", "workload"),
    _screen(
        f"{_HOME}/workloads/{{workload}}/delete", "workload-delete", "/instances/ci/workloads/%s/delete", "workload"
    ),
    _screen(f"{_HOME}/sharing", "sharing", "/instances/ci/sharing"),
    _screen(f"{_HOME}/namespaces/{{namespace}}/repositories/{{repository}}/shares", "shares", f"{SHARED}/shares"),
    _screen(
        f"{_HOME}/namespaces/{{namespace}}/repositories/{{repository}}/shares/{{share}}/delete",
        "share-revoke",
        f"{SHARED}/shares/%s/delete",
        "share",
    ),
    _screen("/shared-with-me", "shared-with-me", "/shared-with-me"),
    _screen(f"{_HOME}/webhooks", "webhooks", "/instances/ci/webhooks"),
    _screen(f"{_HOME}/webhooks/new", "webhook-new", "/instances/ci/webhooks/new"),
    _screen(_HOOK, "webhook", "/instances/ci/webhooks/%s", "webhook"),
    _screen(f"{_HOOK}/edit", "webhook-edit", "/instances/ci/webhooks/%s/edit", "webhook"),
    _screen(f"{_HOOK}/secret", "webhook-secret", "/instances/ci/webhooks/%s/secret", "webhook"),
    _screen(f"{_HOOK}/delete", "webhook-delete", "/instances/ci/webhooks/%s/delete", "webhook"),
    Screen(
        f"{_HOOK}/deliveries/{{delivery}}",
        "delivery",
        lambda world: f"/instances/ci/webhooks/{world.known['webhook']}/deliveries/{world.known['delivery']}",
    ),
    _screen(f"{_HOME}/audit", "audit", "/instances/ci/audit"),
    _screen("/account-audit", "account-audit", "/account-audit"),
)
