"""X6: what a pull policy blocks is blocked whichever way it is asked for, and says why."""

from __future__ import annotations

import json

import pytest

from chalicelib.kernel.roles import Role
from tests.management import Api
from tests.pull_policies.gated import scanned, set_policy

from .gate import APP, BASE, OWN, pull, puller, push, push_index, put, status
from .wire import LAYER, MANIFEST, Wire, sha256

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
