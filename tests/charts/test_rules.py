"""H1: what holds for images holds for charts: quota, immutability, retention, pull policy, recycle bin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import QuotaExceeded, TagImmutable
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.annotation import kind_of
from chalicelib.registry.models import ManifestRecord
from tests.background import run_background
from tests.pull_policies.gated import set_policy
from tests.registry.library import Library, gone_for_good
from tests.registry.wire import Wire
from tests.stacks import FrozenClock

from .making import Chart, put_chart, put_over

NGINX = RepositoryName("library/nginx")
CHARTS = "/instances/ci/charts"


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


def versions(library: Library) -> list[str]:
    return [one["version"] for one in library.api().get(f"{CHARTS}/library/nginx").json()["versions"]]


def test_a_version_under_a_rule_is_neither_pushed_again_nor_deleted(library: Library) -> None:
    rule = {"namespace": "library", "repositories": "nginx", "tags": "1.*"}
    made = library.api().post("/instances/ci/immutability-rules", rule)
    assert made.status == 201, made.text
    put_chart(library, Chart(version="1.0.0"))
    put_chart(library, Chart(version="2.0.0"))
    with pytest.raises(TagImmutable):
        put_chart(library, Chart(version="1.0.0", more={"appVersion": "other"}))
    assert library.api().delete(library.path("/tags/1.0.0", NGINX)).code == "TAG_IMMUTABLE"
    put_chart(library, Chart(version="2.0.0", more={"appVersion": "other"}))
    assert versions(library) == ["2.0.0", "1.0.0"]


def test_retention_keeps_the_newest_versions(library: Library, clock: FrozenClock) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0+a"):
        put_chart(library, Chart(version=version))
        clock.advance(60)
    api, path = library.api(), "/instances/ci/namespaces/library/retention"
    rule = api.post(f"{path}/rules", {"repositories": "nginx", "tags": "**", "keep_last": 2})
    assert rule.status == 201, rule.text
    run = api.post(f"{path}/runs", {"dry_run": False, "acknowledged": True})
    assert run.status == 202, run.text
    run_background(library.stack)
    assert versions(library) == ["1.2.0+a", "1.1.0"]


def test_charts_use_the_quota_of_repositories_and_of_storage(stack: Stack) -> None:
    library = Library.opened(stack)
    Instances(stack).change(library.instance, repository_limit=1)
    library = Library(stack, Instances(stack).get(library.instance.id))
    put_chart(library, Chart())
    with pytest.raises(QuotaExceeded):
        put_chart(library, Chart(name="redis"))
    used = Instances(stack).usage(library.instance)
    # The manifest is on a row; config and archive are bytes.
    assert (used.repositories.used, used.storage.used) == (1, sum(map(len, Chart().blobs)))


def test_a_pull_policy_lets_charts_go_by_both_ways(tmp_path: Path) -> None:
    """Nothing runs them, and no scan ever looks at them."""
    wire = Wire(tmp_path, edition="enterprise")
    try:
        put_over(wire, Chart())
        set_policy(wire.stack, "default", unscanned="block")
        assert wire.ask("GET", "/v2/library/nginx/manifests/1.0.0").status_code == 200
        assert wire.ask("GET", "/charts/default/library/nginx-1.0.0.tgz").content == Chart().archive
        assert wire.ask("GET", "/charts/default/library/index.yaml").json()["entries"]["nginx"]
    finally:
        wire.close()


def test_a_deleted_repository_of_charts_leaves_nothing_behind(library: Library, clock: FrozenClock) -> None:
    put_chart(library, Chart(provenance=b"signed"))
    deleted = library.api().delete(library.path("", NGINX), confirm="nginx")
    assert deleted.status in (200, 202, 204), deleted.text
    assert library.api().get(CHARTS).json()["items"] == []
    gone_for_good(library, clock)


def test_what_brings_content_elsewhere_can_tell_charts_from_images(library: Library) -> None:
    """Y1: `content` of a sync rule."""
    digest = put_chart(library, Chart())
    image = library.push("v1", name=NGINX)
    repository = library.repository(NGINX)
    rows = [library.stack.table.get(keys.manifest(repository.id, one)) for one in (digest, image)]
    assert [kind_of(ManifestRecord.model_validate(row)) for row in rows] == ["chart", "image"]
    assert repository.kind == "chart"


def test_the_personal_edition_has_charts_too(tmp_path: Path) -> None:
    """I3"""
    wire = Wire(tmp_path)
    try:
        put_over(wire, Chart())
        assert json.loads(wire.ask("GET", "/charts/default/library/index.yaml").content)["entries"]["nginx"]
        assert (
            Library(wire.stack, wire.instance).api().get("/instances/default/charts").json()["items"][0]["name"]
            == "nginx"
        )
    finally:
        wire.close()
