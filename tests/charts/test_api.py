"""H1: charts through the API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Update
from tests.registry.library import Library
from tests.stacks import FrozenClock, make_namespace

from .making import FILES, Chart, put_chart

CHARTS = "/instances/ci/charts"
FULL: dict[str, Any] = {
    "appVersion": "1.27",
    "type": "application",
    "home": "https://example.com",
    "icon": "https://example.com/icon.png",
    "keywords": ["web", "proxy"],
    "sources": ["https://example.com/git"],
    "maintainers": [{"name": "Ada", "email": "ada@example.com"}],
    "dependencies": [
        {"name": "common", "version": "1.x", "repository": "oci://example.com/charts", "condition": "common.on"}
    ],
    "annotations": {"category": "web"},
    "kubeVersion": ">=1.25",
}


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


def ask(library: Library, path: str, **query: object) -> Any:
    answer = library.api(Role.READER).get(path, **query)
    assert answer.status == 200, answer.text
    return answer.json()


def test_charts_are_listed_apart_from_images_with_their_highest_release(library: Library, clock: FrozenClock) -> None:
    """H1: in the order of versions and not of pushes or letters; an early version is not the newest."""
    library.push("v1", name=RepositoryName("library/image"))
    put_chart(library, Chart(version="1.10.0", more={"appVersion": "10", "deprecated": True, "icon": "https://x/i"}))
    clock.advance(60)
    put_chart(library, Chart(version="1.9.0"))
    put_chart(library, Chart(version="2.0.0-rc.1"))
    put_chart(library, Chart(name="redis", more={"type": "library"}))
    nginx, redis = ask(library, CHARTS)["items"]
    assert (nginx["name"], nginx["version"], nginx["app_version"], nginx["versions"]) == ("nginx", "1.10.0", "10", 3)
    assert nginx["deprecated"] is True
    assert nginx["icon"] == "https://x/i"
    assert nginx["pushed_at"] == "2026-01-31T08:00:00.000000Z"
    assert nginx["address"].endswith("/library/nginx")
    assert (redis["full_name"], redis["type"], redis["more_versions"]) == ("library/redis", "library", False)


def test_a_list_is_paged_searched_sorted_and_narrowed_to_a_namespace(library: Library) -> None:
    """H1"""
    make_namespace(library.stack, library.instance, "team")
    for name in ("a", "b", "c"):
        put_chart(library, Chart(name=name))
    put_chart(library, Chart(name="b"), "team")
    names = [one["full_name"] for one in ask(library, CHARTS)["items"]]
    assert names == ["library/a", "library/b", "library/c", "team/b"]
    page = ask(library, CHARTS, limit=2, namespace="library", sort="-name")
    assert [one["name"] for one in page["items"]] == ["c", "b"]
    rest = ask(library, CHARTS, limit=2, namespace="library", sort="-name", cursor=page["next"])
    assert [one["name"] for one in rest["items"]] == ["a"]
    assert [one["full_name"] for one in ask(library, CHARTS, search="b", namespace="team")["items"]] == ["team/b"]


def test_a_chart_shows_its_versions_and_what_the_newest_holds(library: Library) -> None:
    """H1"""
    put_chart(library, Chart(version="0.9.0+build.7"))
    signed = Chart(version="1.0.0", more=FULL, provenance=b"-----BEGIN PGP SIGNED MESSAGE-----")
    digest = put_chart(library, signed)
    shown = ask(library, f"{CHARTS}/library/nginx")
    versions = [(one["version"], one["tag"], one["provenance"]) for one in shown["versions"]]
    assert versions == [("1.0.0", "1.0.0", True), ("0.9.0+build.7", "0.9.0_build.7", False)]
    assert (shown["version"], shown["tag"], shown["digest"]) == ("1.0.0", "1.0.0", digest)
    assert (shown["app_version"], shown["kube_version"], shown["home"]) == ("1.27", ">=1.25", "https://example.com")
    assert shown["keywords"] == ["web", "proxy"]
    assert shown["maintainers"] == [{"name": "Ada", "email": "ada@example.com", "url": ""}]
    assert shown["dependencies"] == [
        {"name": "common", "version": "1.x", "repository": "oci://example.com/charts", "condition": "common.on",
         "alias": ""}
    ]  # fmt: skip
    assert shown["annotations"] == {"category": "web"}
    assert (shown["readme"], shown["values"]) == (FILES["README.md"].decode(), "replicas: 2\n")
    assert (shown["archive_state"], shown["values_schema"], shown["cut"]) == ("shown", True, [])
    assert shown["templates"] == ["templates/deployment.yaml", "templates/service.yaml"]
    assert shown["archive"] == Digest.of(signed.archive)
    assert shown["provenance"] == Digest.of(signed.provenance)


def test_commands_can_be_pasted(library: Library) -> None:
    """H1"""
    put_chart(library, Chart(version="0.9.0+build.7"), into="library/team/nginx")
    (found,) = ask(library, CHARTS)["items"]
    shown = ask(library, f"{CHARTS}/library/{found['repository']}")
    address = found["address"].removesuffix("/library/team/nginx")
    assert {one["purpose"]: one["command"] for one in shown["commands"]} == {
        "login": f"helm registry login --plain-http {address} --username <user name>",
        "pull": f"helm pull --plain-http oci://{address}/library/team/nginx --version 0.9.0+build.7",
        "install": f"helm install --plain-http <release> oci://{address}/library/team/nginx --version 0.9.0+build.7",
        "add": f"helm repo add library-team http://{address}/charts/ci/library/team --username <user name> "
        "--password-stdin",
        "search": "helm search repo library-team/nginx --versions",
    }


def test_any_version_is_shown_by_its_own_words_its_tag_or_its_digest(library: Library) -> None:
    """H1"""
    old = put_chart(library, Chart(version="0.9.0+build.7", files={"values.yaml": b"old: true\n"}))
    put_chart(library, Chart(version="1.0.0"))
    for version in ("0.9.0+build.7", "0.9.0_build.7"):
        shown = ask(library, f"{CHARTS}/library/nginx", version=version)
        assert (shown["digest"], shown["values"]) == (old, "old: true\n")
    by_digest = ask(library, library.path(f"/manifests/{old}/chart", RepositoryName("library/nginx")))
    assert (by_digest["version"], by_digest["values"]) == ("0.9.0+build.7", "old: true\n")


def test_what_is_no_chart_is_not_shown_as_one(library: Library) -> None:
    """H1"""
    image = library.push("v1")
    put_chart(library, Chart())
    api = library.api()
    for path in (
        f"{CHARTS}/library/app", f"{CHARTS}/library/none", f"{CHARTS}/none/nginx", f"{CHARTS}/library/nginx%2Fx",
        library.path(f"/manifests/{image}/chart"), library.path("/manifests/sha256:0/chart"),
    ):  # fmt: skip
        assert api.get(path).status == 404
    assert api.get(f"{CHARTS}/library/nginx", version="9.9.9").status == 404
    assert [one["name"] for one in ask(library, CHARTS)["items"]] == ["nginx"]


def test_a_deleted_version_is_gone_and_comes_back_out_of_the_recycle_bin(library: Library) -> None:
    """H1: deleted like images."""
    put_chart(library, Chart(version="1.0.0"))
    put_chart(library, Chart(version="1.1.0"))
    api = library.api()
    assert api.delete(library.path("/tags/1.1.0", RepositoryName("library/nginx"))).status == 200
    (nginx,) = ask(library, CHARTS)["items"]
    assert (nginx["version"], nginx["versions"]) == ("1.0.0", 1)
    assert api.get(f"{CHARTS}/library/nginx", version="1.1.0").status == 404
    (entry,) = api.get("/instances/ci/recycle-bin").json()["items"]
    assert api.post(f"/instances/ci/recycle-bin/{entry['id']}/restore").status in (200, 201, 202)
    assert ask(library, f"{CHARTS}/library/nginx")["version"] == "1.1.0"


def test_the_row_of_a_chart_from_before_is_completed_as_somebody_looks(library: Library) -> None:
    """H1: what was pushed to an older version of the service."""
    digest = put_chart(library, Chart(more={"appVersion": "7"}))
    key = keys.manifest(library.repository(RepositoryName("library/nginx")).id, digest)
    library.stack.table.update(Update(key, remove=("chart",)))
    (nginx,) = ask(library, CHARTS)["items"]
    assert nginx["app_version"] == "7"
    noted = library.stack.table.get(key)
    assert noted is not None
    assert json.loads(noted["chart"])["appVersion"] == "7"


def test_a_tag_that_only_looks_like_a_version_does_not_name_the_chart(library: Library) -> None:
    """H1: an image under a high number; a chart under another tag."""
    put_chart(library, Chart(version="1.0.0"))
    library.push("9.0.0", name=RepositoryName("library/nginx"))
    put_chart(library, Chart(version="1.0.0"), tag="8.0.0")
    (nginx,) = ask(library, CHARTS)["items"]
    assert (nginx["version"], nginx["versions"]) == ("1.0.0", 3)


def test_a_version_beyond_those_that_are_listed_is_shown_when_it_is_named(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H1"""
    monkeypatch.setattr("chalicelib.charts.service.MOST_VERSIONS", 1)
    put_chart(library, Chart(version="1.0.0"))
    put_chart(library, Chart(version="1.1.0"))
    shown = ask(library, f"{CHARTS}/library/nginx", version="1.0.0")
    assert (shown["version"], len(shown["versions"]), shown["more_versions"]) == ("1.0.0", 1, True)


def test_a_chart_without_an_archive_shows_what_it_says_of_itself(library: Library) -> None:
    """H1"""
    library.push_with(Chart().config, "1.0.0", name=RepositoryName("library/nginx"), config_type=media.HELM_CONFIG)
    library.handle_events()
    shown = ask(library, f"{CHARTS}/library/nginx")
    assert (shown["archive_state"], shown["version"], shown["readme"]) == ("missing", "1.0.0", "")
