"""Pages of tags and of referrers."""

from __future__ import annotations

import re
import secrets

import httpx
import pytest

from tests.conformance.client import Registry, Repository, error_code
from tests.conformance.content import ARTIFACT_ONE, ARTIFACT_TWO, Content, remarks

TAGS = [f"v{number}" for number in range(1, 13)] + ["Alpha", "beta", "_x"]


@pytest.fixture(scope="module")
def tagged(registry: Registry) -> Repository:
    repository, content = registry.repository(), Content()
    image = content.image()
    repository.push(content)
    for tag in TAGS:
        assert repository.put_manifest(image, tag).status_code == 201
    return repository


def next_page(answer: httpx.Response) -> str | None:
    """The target of a Link header with rel="next"."""
    found = re.fullmatch(r'<([^>]+)>;\s*rel="?next"?', answer.headers.get("Link", ""))
    return found[1] if found else None


def walk(repository: Repository, first: httpx.Response, key: str) -> list[object]:
    entries, answer = list(first.json()[key]), first
    while link := next_page(answer):
        answer = repository.http.get(httpx.URL(repository.registry.base_url).join(str(answer.request.url)).join(link))
        assert answer.status_code == 200
        entries += answer.json()[key]
    return entries


def test_tags_are_listed_in_order(tagged: Repository) -> None:
    """R1: byte order, as the specification's "lexical"."""
    answer = tagged.tags()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == {"name": tagged.name, "tags": sorted(TAGS)}


@pytest.mark.parametrize("size", [1, 4, 15, 1000])
def test_pages_of_tags_lead_through_all_of_them(tagged: Repository, size: int) -> None:
    """R1"""
    first = tagged.tags(n=size)
    assert len(first.json()["tags"]) == min(size, len(TAGS))
    assert walk(tagged, first, "tags") == sorted(TAGS)


def test_last_without_n_gives_the_rest(tagged: Repository) -> None:
    """R1"""
    assert tagged.tags(last="v10").json()["tags"] == [tag for tag in sorted(TAGS) if tag > "v10"]


def test_last_need_not_exist(tagged: Repository) -> None:
    """R1"""
    assert tagged.tags(last="v10a", n=2).json()["tags"] == ["v11", "v12"]


def test_last_beyond_the_end_gives_nothing(tagged: Repository) -> None:
    """R1"""
    answer = tagged.tags(last="zzz")
    assert answer.json()["tags"] == []
    assert next_page(answer) is None


def test_n_of_zero_gives_no_tags_and_no_link(tagged: Repository) -> None:
    """R1"""
    answer = tagged.tags(n=0)
    assert answer.status_code == 200
    assert answer.json()["tags"] == []
    assert next_page(answer) is None


@pytest.mark.parametrize("wrong", ["-1", "many", "1e3", "٣"])
def test_n_that_is_no_count_is_refused(tagged: Repository, wrong: str) -> None:
    """R1, R5"""
    answer = tagged.tags(n=wrong)
    assert answer.status_code == 400
    error_code(answer)


def test_pages_of_referrers_lead_through_all_of_them(registry: Registry) -> None:
    """R1"""
    repository, content = registry.repository(), Content()
    subject = content.image("subject")
    filler = {"filler": "A" * 50_000}
    for number in range(30):
        kind = ARTIFACT_ONE if number % 2 else ARTIFACT_TWO
        content.artifact(kind=kind, subject=subject.described(), annotations=remarks() | filler)
    repository.push(content)
    expected = {manifest.digest for manifest in content.referrers()[subject.digest]}
    found = walk(repository, repository.referrers(subject.digest), "manifests")
    assert {entry["digest"] for entry in found if isinstance(entry, dict)} == expected
    first = repository.referrers(subject.digest, artifactType=ARTIFACT_ONE)
    assert first.headers["OCI-Filters-Applied"] == "artifactType"
    filtered = walk(repository, first, "manifests")
    assert [entry["artifactType"] for entry in filtered if isinstance(entry, dict)] == [ARTIFACT_ONE] * 15


def test_deleted_referrer_leaves_the_list_at_once(registry: Registry) -> None:
    """R1"""
    repository, content = registry.repository(), Content()
    subject = content.image("subject")
    about = content.artifact(subject=subject.described(), annotations={"n": secrets.token_hex(4)})
    repository.push(content)
    assert len(repository.referrers(subject.digest).json()["manifests"]) == 1
    assert repository.manifest("DELETE", about.digest).status_code == 202
    assert repository.referrers(subject.digest).json()["manifests"] == []


def test_referrers_of_a_malformed_digest_are_refused(registry: Registry) -> None:
    """R1, R5"""
    answer = registry.repository().referrers("sha256:short")
    assert (answer.status_code, error_code(answer)) == (400, "DIGEST_INVALID")
