"""N4: tag lists and single tags through the API."""

from __future__ import annotations

import base64
import json
from itertools import chain
from typing import Any

import pytest

from chalicelib.kernel import media
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import TagName
from chalicelib.kernel.paging import MOST_ROWS
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry import store
from chalicelib.registry.annotation import Annotations
from chalicelib.registry.listing import TagsAsked
from chalicelib.registry.models import ManifestRecord, TagRecord
from chalicelib.registry.tag_views import pull_commands
from tests.stacks import FrozenClock, with_table

from .images import NAME
from .library import Library

COUNTS = ("critical", "high", "medium", "low", "unknown", "silenced", "fixable")
# Nobody looked: that is not the same as 0.
NOT_SCANNED = {
    "state": "none",
    "reason": "",
    "message": "",
    **dict.fromkeys(COUNTS),
    "end_of_life": False,
    "engine": "",
    "scanned_at": "",
    "database_updated_at": "",
}


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


class CountingTable:
    """A table that notes each query."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.queries: list[int] = []
        self.batches = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def query(self, pk: str, **more: Any) -> Any:
        page = self._table.query(pk, **more)
        self.queries.append(len(page.items))
        return page

    def get_many(self, keys: Any) -> Any:
        self.batches += any(key.sk.startswith("MANIFEST#") for key in keys)
        return self._table.get_many(keys)


def names(library: Library, **query: object) -> list[str]:
    answer = library.api().get(library.path("/tags"), **query)
    assert answer.status == 200, answer.text
    return [row["tag"] for row in answer.json()["items"]]


def walk(library: Library, **query: object) -> list[list[str]]:
    """All pages."""
    api, pages, cursor = library.api(), [], None
    while True:
        answer = api.get(library.path("/tags"), **query, **({"cursor": cursor} if cursor else {}))
        assert answer.status == 200, answer.text
        pages.append([row["tag"] for row in answer.json()["items"]])
        cursor = answer.json()["next"]
        if cursor is None:
            return pages


def flat(pages: list[list[str]]) -> list[str]:
    return list(chain.from_iterable(pages))


def put_tags(library: Library, *tags: str, size: int = 1) -> None:
    """Rows alone, for lists of many."""
    (name,) = library.registry.tags(library.owner, NAME).items
    sample = library.registry.tag(library.repository(), TagName(name))
    moment = library.stack.clock.now()
    records = [
        TagRecord(**{**sample.model_dump(), "name": name, "push": new_id(), "pushed_at": to_text(moment), "size": n})
        for n, name in enumerate(tags, size)
    ]
    library.stack.table.put_many([store.tag_item(record) for record in records], relaxed=True)


def test_a_row_says_what_a_tag_is(library: Library, clock: FrozenClock) -> None:
    """N4: every field; nobody has scanned or converted anything, and nobody has pulled."""
    digest = library.push("v1")
    (row,) = library.api().get(library.path("/tags")).json()["items"]
    assert row == {
        "tag": "v1",
        "digest": digest,
        "media_type": media.OCI_MANIFEST,
        "kind": "image",
        "size": row["size"],
        "platforms": ["linux/amd64"],
        "pushed_at": to_text(clock.now()),
        "pushed_by": "admin",
        "pulled_at": None,
        "pulls": 0,
        "accelerated": False,
        "immutable": False,
        "scan": NOT_SCANNED,
        "acceleration": {"state": "none", "reason": "", "message": "", "digest": "", "size": 0, "task": ""},
    }
    assert row["size"] > len(b"onetwo")


def test_the_size_and_platforms_of_an_index_are_those_of_its_images(library: Library) -> None:
    """N4"""
    amd = library.push(layers=(b"a" * 1000,))
    arm = library.push(layers=(b"b" * 2000,), architecture="arm64", variant="v8")
    library.push_index((amd, "linux/amd64"), (arm, "linux/arm64/v8"), tag="multi")
    before_the_event = library.api().get(library.path("/tags")).json()["items"]
    library.handle_events()
    after_the_event = library.api().get(library.path("/tags")).json()["items"]
    assert before_the_event == after_the_event
    assert before_the_event[0]["platforms"] == ["linux/amd64", "linux/arm64/v8"]
    assert before_the_event[0]["size"] > 3000
    assert library.registry.tag(library.repository(), TagName("multi")).size == before_the_event[0]["size"]


def test_what_an_event_or_a_list_has_looked_at_is_not_looked_at_again(library: Library, stack: Stack) -> None:
    """N4: a list reads rows, not configs."""
    digest = library.push("v1")
    library.handle_events()
    row = stack.table.get(keys.manifest(library.repository().id, digest))
    assert row is not None
    assert (row["platforms"], row["whole_size"]) == (["linux/amd64"], row["content_size"])
    assert library.repository().kind == "image"


def test_a_summary_never_lands_on_a_later_life_of_the_digest(library: Library, stack: Stack) -> None:
    """R7: events come late."""
    digest = library.push("v1")
    key = keys.manifest(library.repository().id, digest)
    row = stack.table.get(key)
    assert row is not None
    stack.table.put({**row, "incarnation": new_id(), "platforms": None})
    earlier_life = ManifestRecord.model_validate({**row, "platforms": None})
    Annotations(stack).of(library.instance.id, earlier_life)
    standing = stack.table.get(key)
    assert standing is not None
    assert standing["platforms"] is None


@pytest.mark.parametrize(
    "config", [b"", b"{}", b"[]", b"\xff", b'{"os": 3}', b'{"os":"linux","architecture":"' + b"x" * 200 + b'"}']
)
def test_a_config_that_says_nothing_leaves_the_platforms_empty(library: Library, config: bytes) -> None:
    library.push_with(config, "v1")
    (row,) = library.api().get(library.path("/tags")).json()["items"]
    assert row["platforms"] == []


def test_names_come_in_version_order(library: Library) -> None:
    """N4"""
    library.push("v1", "v10", "v2", "v2.10", "v2.9", "latest")
    ascending = ["latest", "v1", "v2", "v2.9", "v2.10", "v10"]
    assert names(library) == ascending
    assert names(library, sort="-name") == ascending[::-1]


def test_pages_by_name_hold_every_tag_once(library: Library) -> None:
    """N4"""
    library.push("seed")
    put_tags(library, *(f"t{n:03d}" for n in range(23)))
    pages = walk(library, limit=5)
    assert [len(page) for page in pages] == [5, 5, 5, 5, 4]
    assert flat(pages) == ["seed", *(f"t{n:03d}" for n in range(23))]
    assert flat(walk(library, limit=5, sort="-name")) == flat(pages)[::-1]


def test_the_newest_push_comes_first_by_push_time(library: Library, clock: FrozenClock) -> None:
    """N4"""
    for tag in ("b", "c", "a"):
        library.push(tag)
        clock.advance(1)
    library.push("b")
    assert walk(library, sort="-pushed_at", limit=2) == [["b", "a"], ["c"]]
    assert walk(library, sort="pushed_at", limit=2) == [["c", "a"], ["b"]]
    assert names(library, sort="-pushed_at", prefix="a") == ["a"]


def test_prefixes_and_searches_find_what_they_say(library: Library) -> None:
    """N4"""
    library.push("release-1", "release-2", "pre-release", "Release-3")
    assert names(library, prefix="release-") == ["release-1", "release-2"]
    assert names(library, search="release") == ["pre-release", "release-1", "release-2"]
    assert names(library, prefix="release", search="2", sort="-name") == ["release-2"]
    assert names(library, prefix="none") == []
    assert names(library, search="release", sort="-pushed_at") == ["release-2", "release-1", "pre-release"]


def test_sizes_and_pulls_order_too(library: Library) -> None:
    """N4"""
    library.push("seed")
    put_tags(library, "small", "middle", "large")
    assert flat(walk(library, sort="size", limit=1)) == ["small", "middle", "large", "seed"]
    assert flat(walk(library, sort="-size", limit=3)) == ["seed", "large", "middle", "small"]
    assert names(library, sort="-pulled_at", limit=2) == ["small", "seed"]
    assert flat(walk(library, sort="size", search="m", limit=1)) == ["small", "middle"]


@pytest.mark.parametrize("query", [{"sort": "name"}, {"sort": "-pushed_at"}, {"prefix": "t"}], ids=str)
def test_a_page_is_one_query_and_one_batch(library: Library, query: dict[str, object]) -> None:
    """N4: the same with 10 tags and with many."""
    library.push("tag")
    put_tags(library, *(f"t{n:04d}" for n in range(2000)))
    library.handle_events()
    table = CountingTable(library.stack.table)
    counted = Library(with_table(library.stack, table), library.instance)
    api = counted.api()
    table.queries.clear()
    table.batches = 0
    assert len(api.get(counted.path("/tags"), limit=50, **query).json()["items"]) == 50
    assert (table.queries, table.batches) == ([50], 1)


@pytest.mark.parametrize("query", [{"search": "needle"}, {"sort": "-size"}, {"sort": "pushed_at", "prefix": "x"}])
def test_what_no_index_serves_looks_at_5000_rows_and_goes_on(library: Library, query: dict[str, object]) -> None:
    """N4"""
    library.push("aaa")
    put_tags(library, *(f"t{n:05d}" for n in range(MOST_ROWS)), "t-needle", "x-needle")
    table = CountingTable(library.stack.table)
    counted = Library(with_table(library.stack, table), library.instance)
    api = counted.api()
    table.queries.clear()
    first = api.get(counted.path("/tags"), limit=200, **query).json()
    assert sum(table.queries) <= MOST_ROWS
    assert first["next"] is not None
    found = flat(walk(library, limit=200, **query))
    assert {"x-needle"} <= set(found)
    assert len(found) == len(set(found))


def test_sorted_passes_lose_nothing_beyond_5000(library: Library) -> None:
    """N4"""
    library.push("aaa")
    put_tags(library, *(f"t{n:05d}" for n in range(MOST_ROWS + 10)))
    found = flat(walk(library, limit=200, sort="-size"))
    assert len(found) == len(set(found)) == MOST_ROWS + 11


def forged(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def test_a_cursor_that_was_tampered_with_is_refused_by_name(library: Library) -> None:
    """N4"""
    library.push("a", "b", "c")
    api = library.api()
    cursor = api.get(library.path("/tags"), limit=1).json()["next"]
    letter = "A" if cursor[20] != "A" else "B"
    tampered = [cursor[:20] + letter + cursor[21:], cursor[:-4], "%%%", forged("x", "TAG#a"), forged([]), "W10", "MQ"]
    for wrong in tampered:
        answer = api.get(library.path("/tags"), limit=1, cursor=wrong)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "cursor"), wrong
    elsewhere = api.get(library.path("/tags"), limit=1, cursor=cursor, sort="-name")
    assert elsewhere.json()["errors"][0]["field"] == "cursor"


def test_a_computed_cursor_of_the_wrong_shape_is_refused(library: Library) -> None:
    library.push("a")
    for sort, position in [("name", (1,)), ("name", ("é",)), ("size", ("", "x", "y")), ("size", (1, 2, "a"))]:
        cursor = TagsAsked(library.repository().id, sort, limit=1).cursor(*position)  # type: ignore[arg-type]
        assert library.api().get(library.path("/tags"), limit=1, sort=sort, cursor=cursor).status == 400


@pytest.mark.parametrize("query", [{"sort": "digest"}, {"limit": 0}, {"limit": 201}, {"colour": "red"}])
def test_a_bad_question_names_its_field(library: Library, query: dict[str, object]) -> None:
    library.push("a")
    answer = library.api().get(library.path("/tags"), **query)
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, next(iter(query)))


def test_one_tag_says_how_to_pull_it(library: Library) -> None:
    """N4"""
    library.push("v1")
    tag = library.api(Role.READER).get(library.path("/tags/v1")).json()
    assert tag["tag"] == "v1"
    commands = {one["tool"]: one["command"] for one in tag["commands"]}
    assert set(commands) == {"docker", "podman", "skopeo", "crane", "nerdctl", "ctr", "oras"}
    assert commands["docker"] == f"docker pull {tag['address']}:v1"
    assert tag["address"].endswith("/library/app")


def test_a_chart_is_pulled_with_helm_under_its_real_version(library: Library) -> None:
    """N4"""
    library.push_with(b"{}", "1.0.0_build.5", config_type=media.HELM_CONFIG)
    library.handle_events()
    tag = library.api().get(library.path("/tags/1.0.0_build.5")).json()
    assert tag["kind"] == "chart"
    assert tag["commands"][0]["command"] == f"helm pull --plain-http oci://{tag['address']} --version 1.0.0+build.5"
    assert library.repository().kind == "chart"


@pytest.mark.parametrize("tag", ["none", "-", "a:b", "x" * 300])
def test_a_tag_that_is_missing_or_none_at_all_answers_alike(library: Library, tag: str) -> None:
    library.push("v1")
    answer = library.api().get(library.path(f"/tags/{tag}"))
    assert (answer.status, answer.json()["detail"]) == (404, "there is no such tag")


def test_an_empty_list_and_a_missing_repository_differ_only_for_the_account(library: Library) -> None:
    library.push("v1")
    stranger = library.api().signed_in(library.stack, Role.OWNER, account="other")
    assert stranger.get(library.path("/tags")).json()["detail"] == "there is no such instance"
    missing = library.api().get("/instances/ci/namespaces/library/repositories/none/tags")
    assert (missing.status, missing.json()["detail"]) == (404, "there is no such repository")


def test_commands_name_the_lack_of_tls_where_there_is_none() -> None:
    """N4."""
    secure = {one.tool: one.command for one in pull_commands("image", "r.example.com/library/app", "v1")}
    plain = {
        one.tool: one.command for one in pull_commands("image", "r.example.com/library/app", "v1", plain_http=True)
    }
    assert secure["skopeo"] == "skopeo copy docker://r.example.com/library/app:v1 oci:app:v1"
    assert plain["skopeo"] == "skopeo copy --src-tls-verify=false docker://r.example.com/library/app:v1 oci:app:v1"
    assert plain["docker"] == secure["docker"]
    assert plain["nerdctl"] == "nerdctl --insecure-registry pull r.example.com/library/app:v1"
    assert plain["ctr"] == "ctr images pull --plain-http r.example.com/library/app:v1"
    assert plain["oras"] == "oras copy --from-plain-http r.example.com/library/app:v1 --to-oci-layout app:v1"
