"""X6: what a pull policy blocks is blocked whichever way it is asked for, says why, and comes free as configured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chalicelib.kernel import media
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.roles import Role
from chalicelib.ports import scan_keys
from tests.management import Api
from tests.pull_policies.gated import HIGH, scanned, set_policy

from .wire import CONFIG, INDEX, LAYER, LOGIN, MANIFEST, Wire, image, sha256

APP = "/v2/library/app"
BASE, OWN = b"a layer of many images", b"a layer of one"


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    served = Wire(tmp_path)
    yield served
    served.close()


@pytest.fixture
def bad(wire: Wire) -> str:
    """The digest of `library/app:bad`, which has a finding and shares a layer with nothing yet. A policy holds."""
    digest = push(wire, "bad", BASE, OWN)
    scanned(wire.stack, wire.instance.id, digest)
    set_policy(wire.stack, "default")
    return digest


def push(wire: Wire, tag: str, *layers: bytes, name: str = "library/app", config: bytes = b"", **more: Any) -> str:
    """An image with a config of its own."""
    described = config or json.dumps({"os": "linux", "architecture": "amd64", "made": tag}).encode()
    for data in (described, *layers):
        wire.push_blob(name, data)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": sha256(described), "size": len(described)},
        "layers": [{"mediaType": LAYER, "digest": sha256(data), "size": len(data)} for data in layers],
        **more,
    }
    body = json.dumps(document).encode()
    put(wire, f"/v2/{name}/manifests/{tag}", body)
    return sha256(body)


def push_index(wire: Wire, tag: str, *children: str) -> str:
    listed = []
    for number, child in enumerate(children):
        size = int(wire.ask("HEAD", f"{APP}/manifests/{child}", token=pusher(wire)).headers["content-length"])
        platform = {"os": "linux", "architecture": f"cpu{number}"}
        listed.append({"mediaType": MANIFEST, "digest": child, "size": size, "platform": platform})
    body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
    put(wire, f"{APP}/manifests/{tag}", body, INDEX)
    return sha256(body)


def put(wire: Wire, path: str, body: bytes, media_type: str = MANIFEST) -> None:
    answer = wire.ask("PUT", path, headers={"Content-Type": media_type}, content=body)
    assert answer.status_code == 201, answer.text


def pusher(wire: Wire) -> str:
    return wire.token("repository:library/app:pull,push")


def puller(wire: Wire) -> str:
    return wire.token("repository:library/app:pull")


def pull(wire: Wire, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    return wire.ask(method, f"{APP}/{path}", **more)


def status(wire: Wire, path: str, method: str = "GET", **more: Any) -> int:
    return pull(wire, path, method, **more).status_code


# What is said


def test_a_blocked_pull_says_which_findings_block_it_and_what_to_do(wire: Wire, bad: str) -> None:
    """X6, R5: clients print code and message; programs read the detail."""
    scanned(wire.stack, wire.instance.id, bad, {"critical": ("CVE-9",), "high": [f"CVE-{n}" for n in range(30)]})
    answer = pull(wire, "manifests/bad")
    (problem,) = answer.json()["errors"]
    assert (answer.status_code, problem["code"]) == (403, "DENIED")
    assert problem["message"] == (
        f"library/app@{bad} is blocked by the pull policy of namespace library: findings at or over high: CVE-9, "
        "CVE-0, CVE-1 and 27 more; pull an image in which they are fixed, or have them listed as exceptions of the "
        "policy"
    )
    detail = problem["detail"]
    assert (detail["reason"], detail["cause"], detail["severity"]) == ("SCAN_POLICY", "findings", "high")
    assert (detail["worst"], detail["count"], len(detail["findings"])) == ("critical", 30, 20)
    assert (detail["namespace"], detail["repository"], detail["digest"]) == ("library", "library/app", bad)


def test_who_has_no_right_in_the_namespace_learns_nothing_of_the_policy(wire: Wire) -> None:
    """R5: the same answers as before there was one."""
    digest = push(wire, "bad", OWN)
    key = Api.signed_in(wire.stack, Role.OWNER, account="other").post("/access-keys", {}).json()

    def asked() -> list[tuple[int, str]]:
        paths = ("manifests/bad", f"manifests/{digest}", f"blobs/{sha256(OWN)}")
        answers = [pull(wire, path, login=login) for path in paths for login in (None, (key["id"], key["secret"]))]
        return [(one.status_code, one.text) for one in answers]

    before = asked()
    scanned(wire.stack, wire.instance.id, digest)
    set_policy(wire.stack, "default")
    assert asked() == before
    assert {code for code, _ in before} == {401, 404}


# Every way there


def test_by_tag_by_digest_and_by_head_an_image_is_blocked(wire: Wire, bad: str) -> None:
    """X6: with a password, and with a token that was asked for to pull."""
    for path in ("manifests/bad", f"manifests/{bad}"):
        for method in ("GET", "HEAD"):
            assert status(wire, path, method) == 403
            assert status(wire, path, method, login=None, token=puller(wire)) == 403
        assert status(wire, path, headers={"If-None-Match": f'"{bad}"'}) == 403
    assert pull(wire, "tags/list").json()["tags"] == ["bad"]


def test_an_index_is_judged_by_all_its_platforms_and_each_image_by_its_own(wire: Wire, bad: str) -> None:
    """X6: also before the index itself was looked at."""
    good = push(wire, "good", b"clean")
    scanned(wire.stack, wire.instance.id, good, {})
    whole = push_index(wire, "multi", good, bad)
    for path in ("manifests/multi", f"manifests/{whole}"):
        assert pull(wire, path).json()["errors"][0]["detail"]["digest"] == bad
    scanned(wire.stack, wire.instance.id, whole)
    assert pull(wire, "manifests/multi").json()["errors"][0]["detail"]["digest"] == whole
    assert (status(wire, f"manifests/{good}"), status(wire, f"manifests/{bad}")) == (200, 403)


def test_a_layer_goes_out_if_some_image_that_may_be_pulled_needs_it(wire: Wire, bad: str) -> None:
    """X6: config and layers of a blocked image do not; the way in by the layers is closed too."""
    config = sha256(b'{"os": "linux", "architecture": "amd64", "made": "bad"}')
    for digest in (config, sha256(BASE), sha256(OWN)):
        refused = pull(wire, f"blobs/{digest}", login=None, token=puller(wire))
        assert refused.json()["errors"][0]["detail"]["findings"] == ["CVE-2026-0001"]
        assert status(wire, f"blobs/{digest}", headers={"Range": "bytes=0-1"}) == 403
        assert status(wire, f"blobs/{digest}", "HEAD", login=None, token=puller(wire)) == 403
    good = push(wire, "good", BASE)
    scanned(wire.stack, wire.instance.id, good, {"low": ("CVE-2026-0002",)})
    assert pull(wire, f"blobs/{sha256(BASE)}").content == BASE
    assert status(wire, f"blobs/{sha256(OWN)}") == 403


def test_a_deleted_image_does_not_set_its_layers_free(wire: Wire, bad: str) -> None:
    """X6: while it lies in the recycle bin they are still there."""
    assert pull(wire, "manifests/bad", "DELETE").status_code == 202
    assert status(wire, f"blobs/{sha256(OWN)}") == 403


def test_an_artifact_made_of_its_layers_does_not_set_an_image_free(wire: Wire, bad: str) -> None:
    """X6: nor does what a manifest calls itself."""
    layers = [{"mediaType": LAYER, "digest": sha256(OWN), "size": len(OWN)}]
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2}
    wire.push_blob("library/app", b"{}")
    artifact = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "x/y", "config": config, "layers": layers}
    put(wire, f"{APP}/manifests/artifact", json.dumps(artifact).encode())
    assert (status(wire, "manifests/artifact"), status(wire, f"blobs/{sha256(OWN)}")) == (200, 403)
    set_policy(wire.stack, "default", unscanned="block")
    disguised = push(wire, "disguised", b"other", artifactType="application/vnd.example")
    assert status(wire, f"manifests/{disguised}") == 403


@pytest.mark.parametrize("target", ["library/other", "open/app"])
def test_layers_are_not_mounted_out_of_a_blocked_image(wire: Wire, bad: str, target: str) -> None:
    """X6: with and without a source, in the namespace and beyond: the client uploads them instead."""
    for source in ({"from": "library/app"}, {}):
        params = {"mount": sha256(OWN), **source}
        assert wire.ask("POST", f"/v2/{target}/blobs/uploads/", params=params).status_code == 202
    good = push(wire, "good", BASE)
    scanned(wire.stack, wire.instance.id, good, {})
    params = {"mount": sha256(BASE), "from": "library/app"}
    assert wire.ask("POST", f"/v2/{target}/blobs/uploads/", params=params).status_code == 201


def test_a_blocked_image_is_not_copied_out_of_its_repository(wire: Wire, bad: str) -> None:
    """X6: another tag beside the first is no way out, as it is judged like the first."""
    api = Api.signed_in(wire.stack, Role.DEVELOPER)
    copies = "/instances/default/namespaces/library/repositories/app/tags/bad/copies"
    for body in ({"namespace": "open", "tag": "x"}, {"repository": "other", "tag": "x"}):
        refused = api.post(copies, body)
        assert (refused.status, refused.code) == (403, "SCAN_POLICY"), refused.text
        assert "CVE-2026-0001" in refused.json()["detail"]
    assert api.post(copies, {"tag": "again"}).status == 201
    assert status(wire, "manifests/again") == 403
    scanned(wire.stack, wire.instance.id, bad, {})
    assert api.post(copies, {"namespace": "open", "tag": "x"}).status == 201


def test_guests_of_a_share_are_refused_alike(wire: Wire, bad: str) -> None:
    """X6: who may pull is told why not."""
    guest = Api.signed_in(wire.stack, Role.OWNER, account="guests")
    shared = {"account": "guests", "username": "owner"}
    path = "/instances/default/namespaces/library/repositories/app/shares"
    assert Api.signed_in(wire.stack).post(path, shared).status == 201
    key = guest.post("/access-keys", {}).json()
    answer = pull(wire, "manifests/bad", login=(key["id"], key["secret"]))
    assert (answer.status_code, answer.json()["errors"][0]["detail"]["reason"]) == (403, "SCAN_POLICY")


# What is let go


def test_pushing_goes_on_where_pulling_is_blocked(wire: Wire, bad: str) -> None:
    """X6: a better image comes under the same tag, over layers that are here already."""
    token = pusher(wire)
    assert status(wire, "manifests/bad", "HEAD", login=None, token=token) == 200
    assert status(wire, "manifests/bad", "GET", login=None, token=token) == 403
    assert status(wire, f"blobs/{sha256(OWN)}", "HEAD", login=None, token=token) == 200
    new = wire.push_blob("library/app", b"just uploaded")
    assert pull(wire, f"blobs/{new}").content == b"just uploaded"
    better = push(wire, "bad", BASE, b"fixed")
    scanned(wire.stack, wire.instance.id, better, {})
    assert pull(wire, "manifests/bad").status_code == 200


def test_charts_signatures_and_other_artifacts_are_not_judged(wire: Wire, bad: str) -> None:
    """X6: also where unscanned images are blocked: nothing of theirs is ever scanned."""
    set_policy(wire.stack, "default", unscanned="block")
    signature = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "subject": {"mediaType": MANIFEST, "digest": bad, "size": 1},
        "config": {"mediaType": CONFIG, "digest": wire.push_blob("library/app", b"{ }"), "size": 3},
        "layers": [
            {
                "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "digest": wire.push_blob("library/app", b"signed"),
                "size": 6,
            }
        ],
    }
    put(wire, f"{APP}/manifests/signature", json.dumps(signature).encode())
    chart = image(b"chart").replace(CONFIG.encode(), media.HELM_CONFIG.encode())
    for data in (b"{}", b"chart"):
        wire.push_blob("library/app", data)
    put(wire, f"{APP}/manifests/chart", chart)
    for path in ("manifests/signature", f"blobs/{sha256(b'signed')}", "manifests/chart", f"blobs/{sha256(b'chart')}"):
        assert status(wire, path) == 200, path
    assert len(pull(wire, f"referrers/{bad}").json()["manifests"]) == 1


@pytest.mark.parametrize("state", ["none", "queued", "running", "failed", "unsupported", "partial"])
def test_unscanned_images_are_treated_as_configured(wire: Wire, state: str) -> None:
    """X6: manifests and layers alike."""
    digest = push(wire, "new", OWN)
    if state != "none":
        scanned(wire.stack, wire.instance.id, digest, {}, state=state)
    set_policy(wire.stack, "default")
    assert (status(wire, "manifests/new"), status(wire, f"blobs/{sha256(OWN)}")) == (200, 200)
    set_policy(wire.stack, "default", unscanned="block")
    (problem,) = pull(wire, "manifests/new").json()["errors"]
    assert (problem["detail"]["cause"], problem["detail"]["scan"]) == ("unscanned", state)
    assert f"not all of it was examined (scan: {state})" in problem["message"]
    assert status(wire, f"blobs/{sha256(OWN)}") == 403


def test_an_exception_lifts_the_block_until_it_expires(wire: Wire, bad: str) -> None:
    """X6: to the moment, though nothing is written meanwhile and the answer was asked for again and again."""
    until = "2026-01-31T09:00:00Z"
    listed = [{"id": "CVE-2026-0001", "reason": "not reachable", "expires_at": until}]
    set_policy(wire.stack, "default", exceptions=listed)
    paths = ("manifests/bad", f"manifests/{bad}", f"blobs/{sha256(OWN)}")
    assert [status(wire, path) for path in (*paths, *paths)] == [200] * 6
    wire.clock.advance(3599)
    assert [status(wire, path, "HEAD", login=None, token=puller(wire)) for path in paths] == [200] * 3
    token = puller(wire)
    assert [status(wire, path, login=None, token=token) for path in paths] == [200] * 3
    wire.clock.advance(1)
    assert [status(wire, path, login=None, token=token) for path in paths] == [403] * 3
    assert [status(wire, path) for path in paths] == [403] * 3


def test_a_silence_that_ran_out_blocks_to_the_moment(wire: Wire) -> None:
    """X6: before anybody counts anew."""
    digest = push(wire, "app", OWN)
    until = wire.clock.now().replace(hour=9)
    scanned(wire.stack, wire.instance.id, digest, {}, silenced={"CVE-7": ("critical", to_text(until))})
    set_policy(wire.stack, "default")
    assert status(wire, f"manifests/{digest}") == 200
    wire.clock.advance(3600)
    (problem,) = pull(wire, f"manifests/{digest}").json()["errors"]
    assert problem["detail"]["findings"] == ["CVE-7"]


def test_a_scan_that_finds_more_blocks_the_next_request_and_one_that_finds_less_frees_it(wire: Wire) -> None:
    """X6"""
    digest = push(wire, "app", OWN)
    set_policy(wire.stack, "default")
    for ids, wanted in (({}, 200), (HIGH, 403), ({"medium": ("CVE-1",)}, 200)):
        scanned(wire.stack, wire.instance.id, digest, ids)
        assert [status(wire, f"manifests/{digest}"), status(wire, f"blobs/{sha256(OWN)}")] == [wanted, wanted]


def test_a_policy_holds_in_its_namespace_alone_and_ends_when_it_is_ended(wire: Wire, bad: str) -> None:
    """X6"""
    push(wire, "bad", OWN, name="open/app", config=b'{"os": "linux", "architecture": "amd64", "made": "bad"}')
    assert wire.ask("GET", "/v2/open/app/manifests/bad").status_code == 200
    assert status(wire, "manifests/bad") == 403
    set_policy(wire.stack, "default", None)
    assert (status(wire, "manifests/bad"), status(wire, f"blobs/{sha256(OWN)}")) == (200, 200)


# What cannot be read


def test_what_cannot_be_read_refuses(wire: Wire, bad: str) -> None:
    """X6: a policy that is not there though it should be, or says nothing sensible, or a scan that does not."""
    table = wire.stack.table
    namespace = Api.signed_in(wire.stack).get("/instances/default/namespaces/library").json()["id"]
    policy = dict(table.get(scan_keys.pull_policy(namespace)) or {})
    detail = dict(table.get(scan_keys.scan_detail(wire.instance.id, bad)) or {})
    record = dict(table.get(scan_keys.scan(wire.instance.id, bad)) or {})

    def refused() -> None:
        for path in ("manifests/bad", f"manifests/{bad}", f"blobs/{sha256(OWN)}"):
            answer = pull(wire, path, login=LOGIN)
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (503, "UNAVAILABLE"), path

    table.put({**policy, "severity": "worst"})
    refused()
    table.delete(scan_keys.pull_policy(namespace))
    refused()
    table.put(policy)
    table.put({**record, "high": "many"})
    refused()
    table.put(record)
    table.put({**detail, "packed": b"torn"})
    refused()
    table.delete(scan_keys.scan_detail(wire.instance.id, bad))
    refused()
    table.put(detail)
    assert status(wire, "manifests/bad") == 403
