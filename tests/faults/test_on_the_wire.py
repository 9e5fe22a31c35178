"""What clients see while a store is throttled, in conflict, or does not say what it did (R6).

Every call of every operation fails in turn, under the real gateway and the real API: the answer is the one without a
fault, or 503 with Retry-After in the words of the protocol; asked once more it succeeds, and nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.ports.stack import Stack
from tests.calls import operations
from tests.calls.operations import Prepare
from tests.calls.worlds import World, embedded_world
from tests.management import Api, Reply
from tests.stacks import with_table

from .ports import (
    FAIL_AFTER,
    FAIL_BEFORE,
    FAIL_UNSAID,
    TABLE_WRITES,
    Fault,
    Faults,
    faulty,
    faulty_table,
    hook_after,
    lagging_indexes,
)

OPERATIONS: Final[Mapping[str, Prepare]] = {
    **operations.READS,
    "blob GET": operations.BLOB_GET,
    **operations.WRITES,
    **{f"API: {name}": prepare for name, prepare in operations.API.items()},
}
# What a client learns that asks once more for what was done the first time: it is gone, or that far already; of an
# upload that was finished, that there is none: then it asks for the blob, and uploads it again where it is missing.
DONE: Final = {
    "tag DELETE": 404,
    "manifest DELETE": 404,
    "blob DELETE": 404,
    "upload PATCH": 416,
    "upload PUT": 404,
    "upload PUT of what is here": 404,
}


class Answer:
    """Of the gateway or of the API."""

    def __init__(self, got: Any) -> None:
        self.of_the_api = isinstance(got, Reply)
        self.status: int = got.status if self.of_the_api else got.status_code
        self.headers = {name.lower(): value for name, value in got.headers.items()}
        self.text: str = got.text

    def wrong(self) -> str:
        """What is wrong with a refusal, "" if nothing is."""
        if self.status not in (429, 503):
            return f"{self.status} {self.text}"
        if not self.headers.get("retry-after", "").isdecimal() or int(self.headers["retry-after"]) < 1:
            return f"no Retry-After: {self.headers}"
        if not self.text:
            return ""  # HEAD
        document = json.loads(self.text)
        if self.of_the_api:
            return (
                "" if (document["code"], document["status"]) == ("UNAVAILABLE", 503) else f"not a problem: {self.text}"
            )
        code = document["errors"][0]["code"]
        return "" if code in ("UNAVAILABLE", "TOOMANYREQUESTS") else f"not the specification's: {self.text}"


class Trial:
    """One world for all points: it stands still between them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.faults = Faults()
        world.serve(_everywhere(world.plain, self.faults))
        world.lenient = True

    def asked(self, act: operations.Act, plan: Mapping[int, Fault]) -> Answer:
        self.faults.calls.clear()
        self.faults.plan = dict(plan)
        try:
            return Answer(act())
        finally:
            self.faults.plan = {}

    def points(self, prepare: Prepare) -> list[tuple[str, dict[int, Fault]]]:
        """Every call throttled, and every write without a word, with and without effect."""
        act = prepare(self.world)
        self.world.forget()
        first = self.asked(act, {})
        assert first.status < 400, first.text
        calls = list(self.faults.calls)
        found: list[tuple[str, dict[int, Fault]]] = []
        for number, call in enumerate(calls, 1):
            found.append((f"{number} {call} throttled", dict.fromkeys(range(number, number + 3), FAIL_BEFORE)))
            if call in TABLE_WRITES:
                found.append((f"{number} {call} unsaid", {number: FAIL_UNSAID}))
            if call in TABLE_WRITES or call.startswith(("objects.put", "objects.complete", "objects.part")):
                found.append((f"{number} {call} lost its answer", {number: FAIL_AFTER}))
        return found

    def wrong(self, name: str, prepare: Prepare, plan: Mapping[int, Fault]) -> str:
        act = prepare(self.world)
        self.world.forget()
        answer = self.asked(act, plan)
        if answer.status < 400:
            return ""
        if told := answer.wrong():
            return told
        self.world.forget()
        again = self.asked(act, {})
        return "" if again.status < 400 or again.status == DONE.get(name) else f"again: {again.status} {again.text}"


def _everywhere(stack: Stack, faults: Faults) -> Stack:
    return replace(faulty(stack, faults), audit=faulty_table(stack.audit, faults))


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder: Path = tmp_path_factory.mktemp("wire")
    with embedded_world(folder, 200) as world:
        yield Trial(world)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_store_that_fails_is_told_as_such_and_loses_nothing(trial: Trial, name: str) -> None:
    """R6"""
    prepare = OPERATIONS[name]
    wrong = {what: told for what, plan in trial.points(prepare) if (told := trial.wrong(name, prepare, plan))}
    assert wrong == {}
    if name in operations.WRITES:
        assert [
            f"{found.subject} {found.message}"
            for found in Fsck(trial.world.plain, deep=True).run()
            if found.kind == "lost"
        ] == []


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer no-token"}], ids=["nobody", "stranger"])
@pytest.mark.parametrize("last", range(1, 10))
def test_a_challenge_without_its_table_is_503(trial: Trial, headers: dict[str, str], last: int) -> None:
    """R2, R6: others write all the time, and after so many calls the table falls silent, wherever that is."""
    plan = dict.fromkeys(range(1, last + 1), hook_after(trial.world.forget))
    silent = dict.fromkeys(range(last + 1, last + 20), FAIL_BEFORE)
    trial.world.forget()
    answer = trial.asked(
        lambda: trial.world.ask("GET", "/v2/library/app/manifests/v1", scope="", headers=headers), {**plan, **silent}
    )
    assert answer.status == 401 or answer.wrong() == ""


def test_lists_by_a_stale_index_show_what_was_and_nothing_wrong(trial: Trial) -> None:
    """N4, R6: an index that has not heard of the newest push shows the page of before; the table itself has it."""
    path = "/instances/ci/namespaces/library/repositories/app/tags"
    api = Api.signed_in(trial.world.plain)
    lagging = replace(api, stack=with_table(trial.world.plain, lagging_indexes(trial.world.plain.table)))
    before = [row["tag"] for row in lagging.get(path, limit=5, sort="-pushed_at").json()["items"]]
    trial.world.library.push("newest")
    after = [row["tag"] for row in lagging.get(path, limit=5, sort="-pushed_at").json()["items"]]
    assert before == [] and "newest" not in after
    assert lagging.get(f"{path}/newest").status == 200
    assert trial.world.ask("GET", "/v2/library/app/manifests/newest").status_code == 200
