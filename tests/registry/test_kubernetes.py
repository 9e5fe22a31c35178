"""What Kubernetes is given to run a repository's images (K1)."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from chalicelib.credentials.service import Credentials
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.kernel.principal import Action
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry
from chalicelib.repositories.kubernetes import PASSWORD_PLACEHOLDER, USERNAME_PLACEHOLDER, PullLogin, manifests
from chalicelib.repositories.service import Repositories
from tests.management import Api, Reply
from tests.registry.images import owner_of, push_image
from tests.stacks import make_instance, make_namespace

NGINX = RepositoryName("library/nginx")
KUBERNETES = "/instances/ci/namespaces/library/repositories/nginx/kubernetes"
# Source: Kubernetes, "Object Names and IDs".
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@pytest.fixture
def instance(stack: Stack) -> Instance:
    made = make_instance(stack)
    make_namespace(stack, made, "library")
    Repositories(stack).create(made, NGINX, "private", "ada")
    return made


@pytest.fixture
def owner(stack: Stack, instance: Instance) -> Api:
    return Api.signed_in(stack)


def documents(reply: Reply) -> list[dict[str, Any]]:
    """Held to what Kubernetes asks of each, field by field."""
    assert reply.headers["Content-Type"] == "application/yaml"
    found = list(yaml.safe_load_all(reply.text))
    for one in found:
        assert LABEL.fullmatch(one["metadata"]["name"])
        assert set(one) <= {"apiVersion", "kind", "metadata", "type", "stringData", "spec"}
    deployment = found[-1]
    assert (deployment["apiVersion"], deployment["kind"]) == ("apps/v1", "Deployment")
    template = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    assert set(template["spec"]) <= {"imagePullSecrets", "containers"}
    for secret in found[:-1]:
        assert (secret["apiVersion"], secret["kind"]) == ("v1", "Secret")
        assert secret["type"] == "kubernetes.io/dockerconfigjson"
        assert list(secret["stringData"]) == [".dockerconfigjson"]
        assert template["spec"]["imagePullSecrets"] == [{"name": secret["metadata"]["name"]}]
    return found


def login_in(secret: dict[str, Any], address: str) -> dict[str, str]:
    auths = yaml.safe_load(secret["stringData"][".dockerconfigjson"])["auths"]
    assert list(auths) == [address]
    login: dict[str, str] = auths[address]
    return login


def image_of(deployment: dict[str, Any]) -> str:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


def test_kubernetes_gets_a_secret_and_a_deployment_that_uses_it(owner: Api, stack: Stack, instance: Instance) -> None:
    """K1"""
    Credentials(stack).create(instance, "pusher", "correct-horse-battery")
    reply = owner.get(KUBERNETES, tag="v1.2")
    secret, deployment = documents(reply)
    address = Instances(stack).public_address(instance)
    assert login_in(secret, address) == {"username": "pusher", "password": PASSWORD_PLACEHOLDER}
    assert "correct-horse" not in reply.text
    assert image_of(deployment) == f"{address}/library/nginx:v1.2"
    chosen, _ = documents(owner.get(KUBERNETES, credential="deploy"))
    assert login_in(chosen, address)["username"] == "deploy"
    unknowing = Api.signed_in(stack, Role.DEVELOPER).get(KUBERNETES)
    assert "pusher" not in unknowing.text
    assert USERNAME_PLACEHOLDER in unknowing.text
    refused = owner.get(KUBERNETES, tag="no tag", credential='a" b')
    assert [error["field"] for error in refused.json()["errors"]] == ["tag", "credential"]


def test_a_robot_is_made_that_pulls_from_this_repository_alone(owner: Api, stack: Stack, instance: Instance) -> None:
    """K1, X4: the manifests are ready to apply."""
    made = owner.post(KUBERNETES, {"tag": "v1", "expires_at": "2026-03-01T00:00:00Z"})
    assert made.status == 201, made.text
    assert "REPLACE" not in made.text
    secret, deployment = documents(made)
    address = Instances(stack).public_address(instance)
    login = login_in(secret, address)
    principal = Credentials(stack).basic(instance, login["username"], login["password"], "192.0.2.1")
    repositories, nginx = Repositories(stack), Repositories(stack).get(instance.id, NGINX)
    other = repositories.create(instance, RepositoryName("library/nginx-2"), "private", "ada")
    allowed = [action for action in Action if repositories.may(principal, instance, nginx, NGINX, action)]
    assert allowed == [Action.PULL]
    assert not repositories.may(principal, instance, other, other.name, Action.PULL)
    assert image_of(deployment) == f"{address}/library/nginx:v1"
    (listed,) = owner.get("/instances/ci/credentials").json()["items"]
    assert (listed["username"], listed["expires_at"]) == (secret["metadata"]["name"], "2026-03-01T00:00:00.000000Z")
    assert listed["username"].startswith("k8s-nginx-")
    again, _ = documents(owner.post(KUBERNETES, {}))
    assert again["metadata"]["name"] != secret["metadata"]["name"]


def test_the_password_of_a_robot_is_answered_once(owner: Api, stack: Stack) -> None:
    """K1"""
    made = owner.send("POST", KUBERNETES, {}, None, **{"idempotency-key": "once-only-1"})
    replayed = owner.send("POST", KUBERNETES, {}, None, **{"idempotency-key": "once-only-1"})
    assert (made.status, replayed.status) == (201, 409)
    assert Api.signed_in(stack, Role.DEVELOPER).post(KUBERNETES, {}).status == 403
    assert len(owner.get("/instances/ci/credentials").json()["items"]) == 1


def test_a_pinned_deployment_runs_a_digest(owner: Api, stack: Stack, instance: Instance) -> None:
    """K1"""
    pushed = push_image(Registry(stack), owner_of(instance), b"a layer", tag="v1", name=NGINX)
    pinned = f"{Instances(stack).public_address(instance)}/library/nginx@{pushed.digest}"
    assert image_of(documents(owner.get(KUBERNETES, tag="v1", pin="true"))[-1]) == pinned
    assert image_of(documents(owner.post(KUBERNETES, {"tag": "v1", "pin": True}))[-1]) == pinned
    assert owner.get(KUBERNETES, tag="v9", pin="true").status == 404
    assert owner.post(KUBERNETES, {"tag": "v9", "pin": True}).status == 404


def test_what_everybody_may_pull_needs_no_secret(owner: Api) -> None:
    """K1"""
    owner.patch(KUBERNETES.removesuffix("/kubernetes"), {"visibility": "public"})
    (deployment,) = documents(owner.get(KUBERNETES))
    assert "imagePullSecrets" not in deployment["spec"]["template"]["spec"]
    assert len(documents(owner.get(KUBERNETES, credential="deploy"))) == 2
    assert owner.post(KUBERNETES, {}).status == 409


def test_charts_are_for_helm(owner: Api, stack: Stack, instance: Instance) -> None:
    """K1"""
    Repositories(stack).mark_kind(Repositories(stack).get(instance.id, NGINX), "chart")
    for refused in (owner.get(KUBERNETES), owner.post(KUBERNETES, {})):
        assert refused.status == 409
        assert re.search(r"helm install <name> .*oci://\S+/library/nginx --version <version>", refused.json()["detail"])
    assert owner.get("/instances/ci/credentials").json()["items"] == []


@pytest.mark.parametrize("short", ["123", "null", "yes", "1e3", "a_b.c/d--e", "x" * 200, "0x10"])
def test_every_name_is_read_as_text_that_kubernetes_takes(short: str) -> None:
    """K1"""
    name, address = RepositoryName.parse(f"library/{short}"), "ci-12345678.localhost:5000"
    text = manifests(address, name, TagName.parse("1.0"), PullLogin("ci-12345678-pull", "a.b@c_d"))
    secret, deployment = yaml.safe_load_all(text)
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    for label in (secret["metadata"]["name"], deployment["metadata"]["name"], container["name"]):
        assert LABEL.fullmatch(label)
    assert container["image"] == f"{address}/{name}:1.0"


def test_a_robots_name_is_a_secrets_name_whatever_the_repository_is_called(
    owner: Api, stack: Stack, instance: Instance
) -> None:
    """K1"""
    made = Repositories(stack).create(instance, RepositoryName("library/a_b.c/" + "x" * 150), "private", "ada")
    path = f"/instances/ci/namespaces/library/repositories/{made.id}/kubernetes"
    secret, _ = documents(owner.post(path, {}))
    assert len(secret["metadata"]["name"]) <= 48
