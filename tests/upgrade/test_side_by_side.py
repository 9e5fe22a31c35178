"""R8: the last release and this code on one table, bucket and set of queues (table engine, S3 and SQS on loopback).

Every request goes to the other gateway than the one before it; what one version's API makes the other one's shows, and
one version's consumers do the work of both.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conformance.client import Registry, Repository, TokenLogin, error_code
from tests.conformance.content import Content
from tests.notifications.receiver import Receiver, receiving
from tests.ports_aws.adapters import REQUIRED
from tests.ports_aws.emulators import installed
from tests.ports_aws.serving import PASSWORD, SPARSE_NAMESPACE

from .sides import Both, both_sides

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(not (REQUIRED or installed()), reason="needs what .ci/install-emulators brings"),
]
DAY_S = 86_400
INSTANCE = "/instances/default"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with both_sides(tmp_path_factory.mktemp("sides")) as opened:
        yield opened


@pytest.fixture(scope="module")
def registry(both: Both) -> Iterator[Registry]:
    """Two gateways that look like one."""
    with both.client(auth=TokenLogin("admin", PASSWORD)) as http:
        yield Registry(both.earlier.url, "admin", PASSWORD, "library", SPARSE_NAMESPACE, http)


# The whole protocol, as it is asked of one version alone.
for _module in ("blobs", "uploads", "manifests", "lists", "authentication", "data_sets"):
    _found = importlib.import_module(f"tests.conformance.test_{_module}")
    for _name, _thing in vars(_found).items():
        if _name.startswith("test_") or getattr(_thing, "_fixture_function", None) is not None:
            globals().setdefault(_name, _thing)


def token_of(url: str, repository: str) -> str:
    asked = {"service": "", "scope": f"repository:{repository}:pull,push"}
    challenge = httpx.get(f"{url}/v2/", trust_env=False).headers["WWW-Authenticate"]
    asked["service"] = challenge.partition('service="')[2].partition('"')[0]
    answer = httpx.get(f"{url}/token", params=asked, auth=("admin", PASSWORD), trust_env=False)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def tags_at(url: str, repository: str) -> list[str]:
    headers = {"Authorization": f"Bearer {token_of(url, repository)}"}
    answer = httpx.get(f"{url}/v2/{repository}/tags/list", headers=headers, trust_env=False)
    return sorted(answer.json()["tags"])


def test_a_token_of_one_is_taken_by_the_other(both: Both, registry: Registry) -> None:
    """R8, G2"""
    repository = registry.repository()
    repository.push_blob(b"something")
    for maker, taker in ((both.earlier, both.present), (both.present, both.earlier)):
        headers = {"Authorization": f"Bearer {token_of(maker.url, repository.name)}"}
        answer = httpx.get(f"{taker.url}/v2/{repository.name}/tags/list", headers=headers, trust_env=False)
        assert answer.status_code in (200, 404), answer.text
        assert answer.status_code != 401


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


@pytest.mark.parametrize(("asked", "other"), [("earlier", "present"), ("present", "earlier")])
@pytest.mark.parametrize("consumers", ["earlier", "present"])
def test_a_life_of_images(
    both: Both, registry: Registry, receiver: Receiver, asked: str, other: str, consumers: str
) -> None:
    """R8: push, events, webhooks, deletion, restore, immutability, retention, collection. `asked` and `other` take
    turns, and `consumers` do the work of both."""
    one, two, work = both.named(asked), both.named(other), both.named(consumers)
    token = one.ask("sign_in", username="admin", password=PASSWORD)
    name = f"by-{asked}-for-{consumers}"
    one.call(token, "POST", f"{INSTANCE}/namespaces", {"name": name, "auto_create_repository": True})
    assert two.call(token, "GET", f"{INSTANCE}/namespaces/{name}")["auto_create_repository"]
    new = {"url": f"{receiver.url}/{name}", "events": ["image.pushed", "image.deleted"], "namespaces": name}
    webhook = two.call(token, "POST", f"{INSTANCE}/webhooks", new)["id"]
    repository = Repository(registry, f"{name}/app")
    _push(repository)
    work.ask("work", ahead_s=60)
    _told(receiver, name, "image.pushed")
    deliveries = one.call(token, "GET", f"{INSTANCE}/webhooks/{webhook}/deliveries")["items"]
    assert {delivery["state"] for delivery in deliveries} == {"delivered"}
    _deletes_and_restores(both, repository, token, one, two)
    _rules(repository, token, one, two)
    _retains(repository, token, one, two, work)
    left = tags_at(both.earlier.url, repository.name)
    assert left == tags_at(both.present.url, repository.name)
    for days in (8, 10, 12):
        work.ask("work", ahead_s=days * DAY_S)
    _told(receiver, name, "image.deleted")
    assert both.earlier.ask("fsck") == []
    assert both.present.ask("fsck") == []
    for tag in left * 2:
        assert repository.manifest("GET", tag).status_code == 200
    two.call(token, "DELETE", f"{INSTANCE}/webhooks/{webhook}")


def _push(repository: Repository) -> None:
    for number in range(4):
        content = Content()
        content.image(f"v{number}")
        repository.push(content)


def _told(receiver: Receiver, name: str, kind: str) -> None:
    told = {one.event["type"] for one in receiver.received if one.path.endswith(f"/{name}")}
    assert kind in told


def _deletes_and_restores(both: Both, repository: Repository, token: str, one: Any, two: Any) -> None:
    for tag, deleter, restorer in (("v0", one, two), ("v1", two, one)):
        headers = {"Authorization": f"Bearer {_deleting(deleter.url, repository.name)}"}
        path = f"{deleter.url}/v2/{repository.name}/manifests/{tag}"
        assert httpx.delete(path, headers=headers, trust_env=False).status_code == 202
        bin_path = f"{INSTANCE}/recycle-bin"
        entries = restorer.call(token, "GET", bin_path, search=repository.name)["items"]
        [entry] = [entry for entry in entries if tag in str(entry)]
        restorer.call(token, "POST", f"{bin_path}/{entry['id']}/restore", {})
        assert tag in tags_at(deleter.url, repository.name)


def _deleting(url: str, repository: str) -> str:
    challenge = httpx.get(f"{url}/v2/", trust_env=False).headers["WWW-Authenticate"]
    asked = {
        "service": challenge.partition('service="')[2].partition('"')[0],
        "scope": f"repository:{repository}:pull,push,delete",
    }
    return str(httpx.get(f"{url}/token", params=asked, auth=("admin", PASSWORD), trust_env=False).json()["token"])


def _rules(repository: Repository, token: str, one: Any, two: Any) -> None:
    """A rule made through one version binds pushes through both."""
    namespace = repository.name.partition("/")[0]
    rule = one.call(
        token,
        "POST",
        f"{INSTANCE}/immutability-rules",
        {"namespace": namespace, "repositories": "**", "tags": "v3"},
    )
    content = Content()
    image = content.image()
    repository.push(content)
    for _ in range(2):
        refused = repository.put_manifest(image, "v3")
        assert refused.status_code >= 400, refused.text
        assert error_code(refused)
    two.call(token, "DELETE", f"{INSTANCE}/immutability-rules/{rule['id']}")
    assert repository.put_manifest(image, "v3").status_code == 201


def _retains(repository: Repository, token: str, one: Any, two: Any, work: Any) -> None:
    namespace = repository.name.partition("/")[0]
    path = f"{INSTANCE}/namespaces/{namespace}/retention"
    two.call(token, "POST", f"{path}/rules", {"repositories": "**", "tags": "**", "keep_last": 2})
    run = one.call(token, "POST", f"{path}/runs", {"dry_run": False, "acknowledged": True})
    work.ask("work", ahead_s=0)
    shown = two.call(token, "GET", f"{path}/runs/{run['id']}")
    assert shown["state"] == "succeeded", shown
    assert len(tags_at(one.url, repository.name)) == 2
