"""DynamoDB throttles, refuses in conflict and falls silent, under the real gateway: what clients see (R6).

Injected between botocore and moto: what the adapter repeats by itself is nobody's business; what it gives up on is 503.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError

from chalicelib.collection.service import Fsck
from tests.calls.operations import WRITES, Act
from tests.calls.worlds import World, moto_world
from tests.ports_aws.adapters import moto_clients
from tests.ports_aws.conftest import Faults

pytestmark = pytest.mark.campaign
ALWAYS: Final = 10_000
SILENT: Final = ReadTimeoutError(endpoint_url="https://dynamodb")
CONFLICT: Final[dict[str, Any]] = {"CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("aws")
    with moto_world(folder, 3) as made:
        yield made


def _push(world: World) -> Act:
    world.lenient = True
    return WRITES["manifest PUT, 1 layer"](world)


def _throttled(faults: Faults, times: int) -> None:
    for operation in ("BatchGetItem", "GetItem", "TransactWriteItems"):
        faults.refuse(f"dynamodb.{operation}", 400, "ThrottlingException", times)


def _in_conflict(faults: Faults, times: int) -> None:
    faults.refuse("dynamodb.TransactWriteItems", 400, "TransactionCanceledException", times, **CONFLICT)


def _silent_after(faults: Faults, times: int) -> None:
    seen: set[str] = set()

    def known_by_its_token(params: Any, **_: Any) -> Any:
        """As DynamoDB does, and moto does not: the same transaction once more has taken effect already."""
        token = json.loads(params["body"])["ClientRequestToken"]
        if token not in seen:
            seen.add(token)
            return None
        return AWSResponse("", 200, HTTPHeaders(), None), {"ResponseMetadata": {"HTTPStatusCode": 200}}

    faults.watch("before-call.dynamodb.TransactWriteItems", known_by_its_token)
    faults.after("dynamodb.TransactWriteItems", SILENT, times)


def _silent_before(faults: Faults, times: int) -> None:
    faults.before("dynamodb.TransactWriteItems", SILENT, times)


KINDS: Final = {one.__name__: one for one in (_throttled, _in_conflict, _silent_after, _silent_before)}


def _pulled(world: World, answer: Any) -> None:
    digest = answer.headers["docker-content-digest"]
    assert world.ask("GET", f"/v2/library/app/manifests/{digest}").status_code == 200


def _nothing_lost(world: World) -> None:
    assert [found for found in Fsck(world.plain, deep=True).run() if found.kind == "lost"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_trouble_of_dynamodb_is_nobodys_business(world: World, kind: str) -> None:
    """R6"""
    act = _push(world)
    with Faults(moto_clients()) as faults:
        KINDS[kind](faults, 2)
        answer = act()
    assert answer.status_code == 201, answer.text
    _pulled(world, answer)
    _nothing_lost(world)


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_trouble_of_dynamodb_is_503_and_the_push_succeeds_when_it_is_over(world: World, kind: str) -> None:
    """R6"""
    act = _push(world)
    with Faults(moto_clients()) as faults:
        KINDS[kind](faults, ALWAYS)
        refused = act()
    assert refused.status_code == 503, refused.text
    assert int(refused.headers["retry-after"]) >= 1
    assert json.loads(refused.text)["errors"][0]["code"] == "UNAVAILABLE"
    answer = act()
    assert answer.status_code == 201, answer.text
    _pulled(world, answer)
    _nothing_lost(world)


@pytest.mark.parametrize("operation", ["GetItem", "BatchGetItem", "Query"])
def test_throttled_reads_are_503_and_then_succeed(world: World, operation: str) -> None:
    """R6"""
    world.lenient = True
    paths = {"GetItem": "manifests/v1", "BatchGetItem": "manifests/v1", "Query": "tags/list"}
    world.token("repository:library/app:pull,push")
    world.forget()
    with Faults(moto_clients()) as faults:
        faults.refuse(f"dynamodb.{operation}", 400, "ProvisionedThroughputExceededException", ALWAYS)
        refused = world.ask("GET", f"/v2/library/app/{paths[operation]}")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert world.ask("GET", f"/v2/library/app/{paths[operation]}").status_code == 200


def test_s3_that_asks_to_slow_down_is_503_and_the_upload_succeeds_when_it_is_over(world: World) -> None:
    """R6"""
    world.lenient = True
    act = WRITES["upload POST, whole"](world)
    with Faults(moto_clients()) as faults:
        faults.refuse("s3.PutObject", 503, "SlowDown", ALWAYS)
        refused = act()
    assert (refused.status_code, refused.headers.get("retry-after")) == (503, "1"), refused.text
    assert act().status_code == 201
    _nothing_lost(world)
