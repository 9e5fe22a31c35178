"""X6: what a pull policy does not mean is let go, and what it means comes free as configured."""

from __future__ import annotations

import json

import pytest

from chalicelib.kernel import media
from chalicelib.kernel.moment import to_text
from chalicelib.ports import keys, scan_keys
from chalicelib.registry import pull_gate, store
from chalicelib.registry.pull_gate import MANIFESTS_A_PAGE, MOST_PAGES
from chalicelib.repositories.service import Repositories
from tests.management import Api
from tests.pull_policies.gated import HIGH, scanned, set_policy

from .gate import APP, BASE, OWN, pull, puller, push, pusher, put, status
from .wire import CONFIG, INDEX, LAYER, LOGIN, MANIFEST, Wire, image, sha256

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


def test_an_index_of_attestations_and_artifacts_is_not_judged(wire: Wire, bad: str) -> None:
    """X6: each of them says so in the index; what is an image after all is stopped where it is pulled itself."""
    set_policy(wire.stack, "default", unscanned="block")
    size = int(pull(wire, f"manifests/{bad}", "HEAD", login=None, token=pusher(wire)).headers["content-length"])
    child = {"mediaType": MANIFEST, "digest": bad, "size": size}
    attested = {**child, "platform": {"os": "unknown", "architecture": "unknown"}}
    for tag, listed, wanted in (
        ("attestations", [attested], 200),
        ("artifacts", [{**child, "artifactType": "application/spdx+json"}], 200),
        ("images", [attested, child], 403),
    ):
        body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
        put(wire, f"{APP}/manifests/{tag}", body, INDEX)
        assert status(wire, f"manifests/{tag}") == wanted, tag
    assert status(wire, f"manifests/{bad}") == 403


def test_the_config_that_says_nothing_goes_out_to_whoever_shares_it(wire: Wire) -> None:
    """X6: artifacts would be lost with the first blocked image that has it too."""
    body = wire.push_image("library/app", "bad")
    scanned(wire.stack, wire.instance.id, sha256(body))
    set_policy(wire.stack, "default")
    assert (status(wire, f"blobs/{sha256(b'{}')}"), status(wire, f"blobs/{sha256(b'layer')}")) == (200, 403)


def test_a_layer_of_more_images_than_are_looked_at_is_let_go_by_the_newest_alone(wire: Wire) -> None:
    """X6: looking has an end, and past it nothing goes out."""
    old = push(wire, "old", BASE)
    scanned(wire.stack, wire.instance.id, old, {})
    set_policy(wire.stack, "default")
    assert status(wire, f"blobs/{sha256(BASE)}") == 200
    repository = Repositories(wire.stack).get(wire.instance.id, "library/app").id
    others = [(f"9{number:025d}", f"sha256:{number:064x}") for number in range(MANIFESTS_A_PAGE * MOST_PAGES)]
    edges = (store.edge_items(wire.instance.id, [sha256(BASE)], repository, *other) for other in others)
    wire.stack.table.put_many([edge for found in edges for edge in found])
    (problem,) = pull(wire, f"blobs/{sha256(BASE)}").json()["errors"]
    assert "none of the newest 1000 manifests that need it may be pulled" in problem["message"]
    wire.stack.table.delete(keys.edge(wire.instance.id, sha256(BASE), repository, "MANIFEST", others[0][0]))
    assert status(wire, f"blobs/{sha256(BASE)}") == 200


def test_a_layer_of_more_artifacts_than_are_read_for_one_pull_is_not_let_go(
    wire: Wire, bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X6: a server that reads all that somebody pushed serves nobody else meanwhile."""
    layers = [{"mediaType": LAYER, "digest": sha256(OWN), "size": len(OWN)}]
    wire.push_blob("library/app", b"{}")
    for number in range(3):
        config = {"mediaType": f"application/vnd.example.{number}", "digest": sha256(b"{}"), "size": 2}
        body = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}).encode()
        put(wire, f"{APP}/manifests/artifact{number}", body)
    monkeypatch.setattr(pull_gate, "MOST_READ_BYTES", len(body))
    (problem,) = pull(wire, f"blobs/{sha256(OWN)}").json()["errors"]
    assert "too much would have to be read" in problem["message"]
    scanned(wire.stack, wire.instance.id, bad, {})
    assert status(wire, f"blobs/{sha256(OWN)}") == 200


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
