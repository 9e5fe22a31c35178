"""H1: the classic repository, as `helm repo add` reads it: index, archives, provenance."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from chalicelib.charts.index import Indexes, Piece
from chalicelib.edge.tally import flush_tallies
from chalicelib.kernel.names import RepositoryName
from chalicelib.repositories.models import Repository
from tests.registry.library import Library
from tests.registry.wire import LOGIN, Wire

from .making import Chart, push_chart, put_over

INDEX = "/charts/default/library/index.yaml"


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    served = Wire(tmp_path, edition="enterprise")
    yield served
    served.close()


def entries(answer: httpx.Response) -> dict[str, list[dict[str, Any]]]:
    assert answer.status_code == 200, answer.text
    index = yaml.safe_load(answer.content)
    assert index == json.loads(answer.content)
    assert index["apiVersion"] == "v1"
    found: dict[str, list[dict[str, Any]]] = index["entries"]
    return found


def test_an_index_has_every_version_with_its_fields_the_newest_first(wire: Wire) -> None:
    """H1: all of Chart.yaml, the digest of the archive, and where it is."""
    more = {"appVersion": "1.27", "dependencies": [{"name": "common", "version": "1.x", "repository": "oci://x/y"}]}
    chart = Chart(version="1.10.0", more=more)
    put_over(wire, chart)
    put_over(wire, Chart(version="1.9.0+build.7"))
    put_over(wire, Chart(name="redis", version="0.1.0"))
    found = entries(wire.ask("GET", INDEX))
    assert list(found) == ["nginx", "redis"]
    newest, older = found["nginx"]
    assert newest == {
        "apiVersion": "v2",
        "name": "nginx",
        "version": "1.10.0",
        "appVersion": "1.27",
        "description": "serves pages",
        "dependencies": more["dependencies"],
        "created": "2026-01-31T08:00:00.000000Z",
        "digest": hashlib.sha256(chart.archive).hexdigest(),
        "urls": ["nginx-1.10.0.tgz"],
    }
    assert older["urls"] == ["nginx-1.9.0+build.7.tgz"]


def test_what_an_index_names_can_be_fetched_whole_and_in_part(wire: Wire) -> None:
    """H1: archive and provenance; a provenance that there is not, is not there."""
    signed, plain = Chart(version="1.0.0+a", provenance=b"-----BEGIN PGP"), Chart(version="0.1.0")
    put_over(wire, signed)
    put_over(wire, plain)
    (url,) = entries(wire.ask("GET", INDEX))["nginx"][0]["urls"]
    folder = INDEX.removesuffix("index.yaml")
    for path in (folder + url, folder + url.replace("+", "%2B")):
        whole = wire.ask("GET", path)
        assert (whole.content, whole.headers["content-type"]) == (signed.archive, "application/gzip")
    part = wire.ask("GET", folder + url, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, signed.archive[2:6])
    assert wire.ask("GET", folder + url, headers={"Range": "bytes=999999-"}).status_code == 416
    head = wire.ask("HEAD", folder + url)
    assert (int(head.headers["content-length"]), head.content) == (len(signed.archive), b"")
    assert wire.ask("GET", f"{folder}{url}.prov").content == signed.provenance
    assert wire.ask("GET", f"{folder}nginx-0.1.0.tgz").content == plain.archive
    assert wire.ask("GET", f"{folder}nginx-0.1.0.tgz.prov").status_code == 404
    assert wire.ask("GET", f"{folder}nginx-9.9.9.tgz").status_code == 404


def test_an_index_that_did_not_change_is_not_sent_again(wire: Wire) -> None:
    """H1: though other things were written meanwhile; and once it did change, it is."""
    put_over(wire, Chart())
    etag = wire.ask("GET", INDEX).headers["etag"]
    wire.push_image("library/other", "v1")
    again = wire.ask("GET", INDEX, headers={"If-None-Match": f'"x", W/{etag}'})
    assert (again.status_code, again.content) == (304, b"")
    put_over(wire, Chart(version="1.1.0"))
    assert wire.ask("GET", INDEX, headers={"If-None-Match": etag}).status_code == 200


def test_a_deleted_version_leaves_the_index_and_its_archive_is_gone(wire: Wire) -> None:
    """H1"""
    put_over(wire, Chart(version="1.0.0"))
    put_over(wire, Chart(version="1.1.0"))
    assert wire.ask("DELETE", "/v2/library/nginx/manifests/1.1.0").status_code == 202
    assert [one["version"] for one in entries(wire.ask("GET", INDEX))["nginx"]] == ["1.0.0"]
    assert wire.ask("GET", "/charts/default/library/nginx-1.1.0.tgz").status_code == 404


def test_folders_below_a_namespace_have_an_index_of_their_own(wire: Wire) -> None:
    """H1"""
    put_over(wire, Chart(), "library/team-a")
    put_over(wire, Chart(name="redis"))
    assert list(entries(wire.ask("GET", INDEX))) == ["redis"]
    assert list(entries(wire.ask("GET", "/charts/default/library/team-a/index.yaml"))) == ["nginx"]
    assert wire.ask("GET", "/charts/default/library/team-a/nginx-1.0.0.tgz").content == Chart().archive
    assert wire.ask("GET", "/charts/default/library%2Fteam-a/index.yaml").status_code == 404


def test_nobody_can_pass_off_a_chart_as_another(wire: Wire) -> None:
    """H1: a repository speaks for the chart of its own name, a tag for the version of its own name, and no file name
    means two charts."""
    put_over(wire, Chart(version="1.0.0"))
    put_over(wire, Chart(version="99.0.0"), into="library/mine")
    put_over(wire, Chart(version="1.0.0"), tag="98.0.0")
    put_over(wire, Chart(name="nginx-1.0.0", version="2.0.0"))
    found = entries(wire.ask("GET", INDEX))
    assert {name: [one["version"] for one in listed] for name, listed in found.items()} == {"nginx": ["1.0.0"]}


def test_images_and_broken_charts_are_in_no_index(wire: Wire) -> None:
    """H1"""
    put_over(wire, Chart(written=b"[]"))
    put_over(
        wire, Chart(name="half", written=json.dumps({"name": "half", "version": ["1.0.0"]}).encode(), version="1.0.0")
    )
    wire.push_image("library/app", "1.0.0")
    assert entries(wire.ask("GET", INDEX)) == {}
    assert wire.ask("GET", "/charts/default/library/app-1.0.0.tgz").status_code == 404


def test_texts_of_strangers_stay_texts_in_the_index(wire: Wire) -> None:
    """H1: quotes, line ends of every kind, YAML's own signs, half characters; PyYAML reads back what json reads."""
    nasty = "\"'}]\n- evil: !!python/object *x &y\u2028\u2029\x85\x00\x1b\ufeff\U0001f600 {{ }} %TAG # \\"
    half = json.dumps({"name": "nginx", "version": "1.0.0", "description": "x"}).replace('"x"', '"\\ud800!"').encode()
    put_over(
        wire, Chart(version="1.1.0", more={"description": nasty, "keywords": [nasty], "annotations": {nasty: nasty}})
    )
    put_over(wire, Chart(version="1.0.0", written=half))
    newest, older = entries(wire.ask("GET", INDEX))["nginx"]
    assert newest["description"] == "\"'}]\n- evil: !!python/object *x &y\U0001f600 {{ }} %TAG # \\"
    assert older["description"] == "?!"


def test_a_chart_is_in_the_index_as_soon_as_its_push_is_answered(wire: Wire) -> None:
    """H1: before the event of the push was handled, which tells what kind of repository it made."""
    library = Library(wire.stack, wire.instance)
    push_chart(library.registry, library.owner, Chart())
    assert list(entries(wire.ask("GET", INDEX))) == ["nginx"]


def test_of_many_who_ask_at_once_one_makes_the_index(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """H1: and nobody makes anew what did not change since."""
    for name in ("nginx", "redis"):
        put_over(wire, Chart(name=name))
    made: list[str] = []
    piece = Indexes._piece

    def counted(self: Indexes, instance_id: str, repository: Repository) -> Piece:
        made.append(repository.name)
        return piece(self, instance_id, repository)

    monkeypatch.setattr(Indexes, "_piece", counted)

    async def all_at_once() -> list[httpx.Response]:
        return await asyncio.gather(*(wire.client.get(INDEX, auth=LOGIN) for _ in range(10)))

    answers = wire.loop.run_until_complete(all_at_once())
    assert {answer.content for answer in answers} == {wire.ask("GET", INDEX).content}
    assert sorted(made) == ["library/nginx", "library/redis"]


def test_pulls_of_archives_count_as_pulls_of_the_tag(wire: Wire) -> None:
    """H1, I7: not those of heads, parts that are not there, or provenance."""
    put_over(wire, Chart(provenance=b"signed"))
    path = "/charts/default/library/nginx-1.0.0.tgz"
    wire.ask("GET", path)
    wire.ask("GET", path)
    wire.ask("HEAD", path)
    wire.ask("GET", f"{path}.prov")
    wire.ask("GET", path, headers={"Range": "bytes=999999-"})
    flush_tallies(wire.stack)
    library = Library(wire.stack, wire.instance)
    name = RepositoryName("library/nginx")
    shown = library.api().get(library.path("/tags/1.0.0", name).replace("/ci/", "/default/")).json()
    assert shown["pulls"] == 2


def test_an_index_past_its_limit_is_refused_and_not_half_sent(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """H1: archives stay to be had."""
    put_over(wire, Chart())
    monkeypatch.setattr("chalicelib.charts.index.MOST_BYTES", 10)
    answer = wire.ask("GET", INDEX)
    assert (answer.status_code, answer.json()["errors"][0]["detail"]["reason"]) == (422, "INDEX_TOO_LARGE")
    assert wire.ask("GET", "/charts/default/library/nginx-1.0.0.tgz").status_code == 200
