"""Reading over the protocol: ping, manifests, lists, and what refusals look like."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from chalicelib.ports.table import Table

from .wire import INDEX, LOGIN, MANIFEST, Wire, sha256

MISSING = "sha256:" + "0" * 64


def test_ping_without_credentials_tells_where_to_log_in(wire: Wire) -> None:
    """R2"""
    answer = wire.ask("GET", "/v2/", login=None)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        f'Bearer realm="http://registry.test:5000/token",service="{wire.instance.id}"'
    )
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    assert answer.json()["errors"][0]["code"] == "UNAUTHORIZED"


def test_ping_with_password_or_token_is_answered(wire: Wire) -> None:
    """R2"""
    assert wire.ask("GET", "/v2/").json() == {}
    assert wire.ask("GET", "/v2/", token=wire.token()).status_code == 200
    assert wire.ask("GET", "/v2", token=wire.token(login=None)).status_code == 200


def test_every_answer_has_a_request_id_of_its_own(wire: Wire) -> None:
    ids = {wire.ask("GET", path, login=None).headers["x-request-id"] for path in ("/v2/", "/v2/x", "/y", "/healthz")}
    assert len(ids) == 4


def test_manifest_comes_back_byte_for_byte_by_tag_and_by_digest(wire: Wire) -> None:
    """R1"""
    body = wire.push_image("library/app", "v1")
    for reference in ("v1", sha256(body)):
        for _ in range(2):
            answer = wire.ask("GET", f"/v2/library/app/manifests/{reference}")
            assert answer.content == body
            assert answer.headers["content-type"] == MANIFEST
            assert answer.headers["docker-content-digest"] == sha256(body)
        head = wire.ask("HEAD", f"/v2/library/app/manifests/{reference}")
        assert head.headers["content-length"] == str(len(body))
        assert head.headers["docker-content-digest"] == sha256(body)


def test_moved_tag_is_seen_by_the_next_read(wire: Wire) -> None:
    wire.push_image("library/app", "v1", b"one")
    token = wire.token("repository:library/app:pull")
    first = wire.ask("GET", "/v2/library/app/manifests/v1", token=token).content
    body = wire.push_image("library/app", "v1", b"two")
    assert wire.ask("GET", "/v2/library/app/manifests/v1", token=token).content == body != first


def test_manifest_that_the_client_has_is_not_sent_again(wire: Wire) -> None:
    body = wire.push_image("library/app", "v1")
    held = {"If-None-Match": f'"{sha256(body)}"'}
    answer = wire.ask("GET", "/v2/library/app/manifests/v1", headers=held)
    assert (answer.status_code, answer.content) == (304, b"")
    other = {"If-None-Match": f'"{MISSING}"'}
    assert wire.ask("GET", "/v2/library/app/manifests/v1", headers=other).status_code == 200


def test_expired_token_ends_what_was_remembered_for_it(wire: Wire) -> None:
    """R2"""
    wire.push_image("library/app", "v1")
    token = wire.token("repository:library/app:pull")
    assert wire.ask("GET", "/v2/library/app/manifests/v1", token=token).status_code == 200
    wire.clock.advance(301)
    answer = wire.ask("GET", "/v2/library/app/manifests/v1", token=token)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_token_for_something_else_is_told_to_get_another(wire: Wire) -> None:
    """R2: clients widen their token when the challenge says so."""
    wire.push_image("library/app", "v1")
    pull = wire.token("repository:library/app:pull")
    answer = wire.ask("POST", "/v2/library/app/blobs/uploads/", token=pull)
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert 'scope="repository:library/app:pull,push"' in challenge
    assert 'error="insufficient_scope"' in challenge
    answer = wire.ask("GET", "/v2/library/other/manifests/v1", token=pull)
    assert 'scope="repository:library/other:pull"' in answer.headers["www-authenticate"]


def test_mount_challenge_asks_for_both_repositories(wire: Wire) -> None:
    answer = wire.ask("POST", f"/v2/library/b/blobs/uploads/?mount={MISSING}&from=library/a", login=None)
    scope = 'scope="repository:library/b:pull,push repository:library/a:pull"'
    assert scope in answer.headers["www-authenticate"]


def test_forbidden_and_missing_answer_alike(wire: Wire) -> None:
    """R5"""
    wire.push_image("library/private", "v1")
    token = wire.token("repository:library/private:pull", login=None)
    for more in ({"login": None}, {"token": token}):
        there = wire.ask("GET", "/v2/library/private/manifests/v1", **more)
        missing = wire.ask("GET", "/v2/library/nothing/manifests/v1", **more)
        assert there.status_code == missing.status_code == 401
        assert there.content == missing.content
        assert there.headers["www-authenticate"].replace("private", "nothing") == missing.headers["www-authenticate"]


def test_public_repository_is_pulled_without_credentials(wire: Wire) -> None:
    """N3"""
    body = wire.push_image("open/app", "v1")
    assert wire.ask("GET", "/v2/open/app/manifests/v1", login=None).content == body
    token = wire.token("repository:open/app:pull", login=None)
    assert wire.ask("GET", "/v2/open/app/manifests/v1", token=token).content == body
    assert wire.ask("DELETE", "/v2/open/app/manifests/v1", login=None).status_code == 401


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v2/library/none/manifests/v1", 404, "NAME_UNKNOWN"),
        ("/v2/library/none/tags/list", 404, "NAME_UNKNOWN"),
        ("/v2/library/app/manifests/none", 404, "MANIFEST_UNKNOWN"),
        (f"/v2/library/app/manifests/{MISSING}", 404, "MANIFEST_UNKNOWN"),
        (f"/v2/library/app/blobs/{MISSING}", 404, "BLOB_UNKNOWN"),
        ("/v2/library/app/blobs/uploads/01ARZ3NDEKTSV4RRFFQ69G5FAV", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("/v2/library/app/nothing", 404, "NAME_UNKNOWN"),
    ],
)
def test_what_is_missing_has_the_code_of_its_kind(calm_wire: Wire, path: str, status: int, code: str) -> None:
    """R5"""
    calm_wire.push_image("library/app", "v1")
    answer = calm_wire.ask("GET", path)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)


def test_method_that_a_path_does_not_know_is_refused_with_those_it_knows(wire: Wire) -> None:
    for method, path in (("PATCH", "/v2/library/app/manifests/v1"), ("GET", "/v2/library/app/blobs/uploads/")):
        answer = wire.ask(method, path)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (405, "UNSUPPORTED")
        assert answer.headers["allow"]


def test_tags_are_listed_in_pages_that_link_to_the_next(wire: Wire) -> None:
    """R1"""
    for tag in ("a", "b", "c"):
        wire.push_image("library/app", tag)
    path, seen = "/v2/library/app/tags/list?n=2", []
    while path:
        answer = wire.ask("GET", path)
        assert answer.json()["name"] == "library/app"
        seen.append(answer.json()["tags"])
        path = answer.links.get("next", {}).get("url", "")
    assert seen == [["a", "b"], ["c"]]
    assert wire.ask("GET", "/v2/library/app/tags/list?last=a").json()["tags"] == ["b", "c"]
    nothing = wire.ask("GET", "/v2/library/app/tags/list?n=0")
    assert nothing.json()["tags"] == [] and "link" not in nothing.headers


@pytest.mark.parametrize("query", ["n=-1", "n=x", "n=%D9%A1", "n=1e3", "last=%00", "last=" + "a" * 2000])
def test_malformed_page_is_refused(calm_wire: Wire, query: str) -> None:
    calm_wire.push_image("library/app", "a")
    assert calm_wire.ask("GET", f"/v2/library/app/tags/list?{query}").status_code == 400


def test_page_is_never_longer_than_ours_whatever_was_asked(wire: Wire) -> None:
    wire.push_image("library/app", "a")
    assert wire.ask("GET", "/v2/library/app/tags/list?n=999999999").json()["tags"] == ["a"]


def test_referrers_of_anything_are_an_index(wire: Wire) -> None:
    """R1"""
    body = wire.push_image("library/app", "v1")
    empty = wire.ask("GET", f"/v2/library/app/referrers/{MISSING}")
    assert empty.status_code == 200
    assert empty.headers["content-type"] == INDEX
    assert empty.json() == {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    subject = {"mediaType": MANIFEST, "digest": sha256(body), "size": len(body)}
    wire.push_image("library/app", "sig", artifactType="x/sig", subject=subject, annotations={"k": "v"})
    found = wire.ask("GET", f"/v2/library/app/referrers/{sha256(body)}").json()["manifests"]
    assert [(one["artifactType"], one["annotations"]) for one in found] == [("x/sig", {"k": "v"})]
    filtered = wire.ask("GET", f"/v2/library/app/referrers/{sha256(body)}?artifactType=x/other")
    assert filtered.json()["manifests"] == []
    assert filtered.headers["oci-filters-applied"] == "artifactType"


def test_catalog_is_for_those_who_log_in_and_paged(wire: Wire) -> None:
    for name in ("library/a", "library/b", "open/c"):
        wire.push_image(name, "v1")
    assert wire.ask("GET", "/v2/_catalog", login=None).status_code == 401
    first = wire.ask("GET", "/v2/_catalog?n=2")
    assert first.json() == {"repositories": ["library/a", "library/b"]}
    last = wire.ask("GET", first.links["next"]["url"])
    assert last.json() == {"repositories": ["open/c"]} and "link" not in last.headers


def test_scheme_of_the_challenge_is_believed_from_our_own_proxy_alone(wire: Wire) -> None:
    forged = wire.ask("GET", "/v2/", login=None, headers={"X-Forwarded-Proto": "https"})
    assert 'realm="http://' in forged.headers["www-authenticate"]


def test_host_that_is_none_does_not_get_into_the_challenge(wire: Wire) -> None:
    answer = wire.ask("GET", "/v2/", login=None, headers={"Host": 'evil",realm="http://elsewhere'})
    assert "elsewhere" not in answer.headers["www-authenticate"]


def test_unknown_path_outside_the_protocol_is_json_too(wire: Wire) -> None:
    answer = wire.ask("GET", "/nothing", login=None)
    assert answer.status_code == 404
    assert json.loads(answer.content)["errors"]


def test_health_and_readiness_are_answered_to_anybody(wire: Wire) -> None:
    assert wire.ask("GET", "/healthz", login=None).status_code == 200
    assert wire.ask("GET", "/readyz", login=None).status_code == 200


def test_wrong_password_is_refused(wire: Wire) -> None:
    assert wire.ask("GET", "/v2/", login=(LOGIN[0], "wrong")).status_code == 401


class _Slow:
    """A table as several machines see it: its epoch stands still while others write."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def epoch(self) -> object:
        return 0


def test_moved_tag_is_seen_by_the_next_read_on_every_gateway(wire: Wire) -> None:
    """R6: what one node answered 201 to, another shows at once; only content that never changes is remembered."""
    first = wire.push_image("library/app", "v1", b"one")
    writes = wire.stack
    wire.use(replace(writes, table=cast(Table, _Slow(writes.table)), exact=False))
    for path in ("/v2/library/app/manifests/v1", "/v2/library/app/tags/list"):
        assert wire.ask("GET", path).status_code == 200
    reads = wire.client
    wire.use(writes)
    second = wire.push_image("library/app", "v1", b"two")
    wire.push_image("library/app", "v2", b"two")
    wire.client = reads
    assert wire.ask("GET", "/v2/library/app/manifests/v1").content == second != first
    assert wire.ask("GET", "/v2/library/app/tags/list").json()["tags"] == ["v1", "v2"]
