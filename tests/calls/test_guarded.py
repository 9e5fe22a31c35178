"""X6: what a pull asks of the ports where a pull policy holds, and that a link to a layer is given to nobody whom it
stops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import pytest

from chalicelib.kernel.names import Digest
from tests.pull_policies.gated import HIGH, scanned, set_policy

from .costs import GUARDED
from .operations import BLOB_GET, READS
from .test_calls import measured
from .worlds import LAYERS, WORLDS, World


@pytest.fixture(scope="module", params=sorted(WORLDS))
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, World]]:
    """Namespace `library` has a policy, and its images one small finding each."""
    with WORLDS[request.param](tmp_path_factory.mktemp("guarded"), 0) as world:
        yield request.param, world


def judge_all(world: World, ids: Mapping[str, Sequence[str]]) -> None:
    for tag in ("v1", "large"):
        digest = world.ask("HEAD", f"/v2/library/app/manifests/{tag}").headers["docker-content-digest"]
        scanned(world.plain, world.instance.id, digest, ids)
    set_policy(world.plain, "ci")


def test_a_guarded_pull_asks_for_the_scan_of_its_image_and_no_more(guarded: tuple[str, World]) -> None:
    """X6: two reads more when nothing is known, one when the policy is; where there is no policy, none."""
    stack, world = guarded
    judge_all(world, {"low": ("CVE-2026-0001",)})
    found = {name: measured(world, READS[name], wanted, stack) for name, wanted in GUARDED.items()}
    assert found == GUARDED


def test_a_blocked_layer_has_no_link_that_leads_past_the_gate(guarded: tuple[str, World]) -> None:
    """X6: where object stores hand out layers themselves."""
    stack, world = guarded
    judge_all(world, {"low": ("CVE-2026-0001",)})
    let_go = BLOB_GET(world)()
    assert let_go.status_code == (307 if stack == "aws" else 200)
    if stack == "aws":
        assert "X-Amz-Signature" in urlsplit(let_go.headers["location"]).query
    judge_all(world, HIGH)
    world.lenient = True
    try:
        path = f"/v2/library/app/blobs/{Digest.of(LAYERS[0])}"
        answers = [BLOB_GET(world)(), world.ask("GET", path, headers={"range": "bytes=0-0"})]
    finally:
        world.lenient = False
    for answer in answers:
        assert (answer.status_code, "location" in answer.headers) == (403, False)
        assert answer.json()["errors"][0]["detail"]["findings"] == ["CVE-2026-0001"]
