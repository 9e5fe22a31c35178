"""A database changes: images concerned are judged again by their reports, and no layer is read (S4)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import send
from chalicelib.findings.service import Findings
from chalicelib.kernel.messages import RescanImages
from chalicelib.ports import keys, scan_keys
from chalicelib.ports.stack import Stack
from chalicelib.scanning import rescan_store as store
from chalicelib.scanning import rescans
from tests.background import run_tasks
from tests.stacks import FrozenClock

from .shelf import DATABASE, DEBIAN, PYTHON, Shelf, dpkg

ZLIB = {**DEBIAN, "var/lib/dpkg/status": dpkg(zlib1g="1.2.13")}


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    opened = Shelf.opened(stack)
    opened.import_database()
    return opened


def changed(**packages: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The database, which says something else of these packages of Debian 12."""
    tree = copy.deepcopy(dict(DATABASE))
    tree["debian 12"].update(packages)
    return tree


NEW = changed(zlib1g={"CVE-2024-0001": {"FixedVersion": "1.3", "Severity": 4, "Status": 3}})


def judge_again(stack: Stack) -> int:
    """What the schedule asks for, carried out. Answers how many messages there were."""
    send(stack, rescans.missing(stack), CHAIN)
    return run_tasks(stack)


@contextmanager
def watched(stack: Stack) -> Iterator[tuple[Stack, list[str]]]:
    """The same stack, and the keys of all objects that are read in it."""
    read: list[str] = []

    class Watching:
        def __init__(self, bucket: str) -> None:
            self._objects = stack.objects(bucket)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._objects, name)

        def get(self, key: str, *more: Any) -> Any:
            read.append(key)
            return self._objects.get(key, *more)

    yield replace(stack, objects=Watching), read


def test_an_image_whose_package_has_a_new_advisory_gets_a_new_result_without_a_layer_read(shelf: Shelf) -> None:
    """S4"""
    digest = shelf.push(ZLIB)
    shelf.scan()
    assert shelf.record(digest).critical == 0
    database = shelf.import_database(NEW)
    with watched(shelf.stack) as (stack, read):
        judge_again(stack)
    record = shelf.record(digest)
    assert (record.critical, record.fixable, record.database, record.state) == (1, 1, database, "succeeded")
    assert [finding["id"] for finding in shelf.findings(digest)] == ["CVE-2024-0001"]
    instance = shelf.instance.id
    assert [key for key in read if key.startswith((f"{instance}/blobs", f"{instance}/surveys"))] == []


def test_an_image_that_is_not_concerned_is_confirmed_and_its_report_left_alone(shelf: Shelf) -> None:
    """S4"""
    digest = shelf.push(DEBIAN, PYTHON)
    shelf.scan()
    before = shelf.record(digest)
    database = shelf.import_database(changed(nginx={"CVE-2024-0001": {"FixedVersion": "9"}}))
    with watched(shelf.stack) as (stack, read):
        judge_again(stack)
    after = shelf.record(digest)
    assert (after.database, after.report, after.critical) == (database, before.report, before.critical)
    assert [key for key in read if key.startswith(shelf.instance.id)] == []


@pytest.mark.parametrize(
    ("told", "count"),
    [
        (
            {"CVE-2024-0001": {"FixedVersion": "3.0.13-1", "Severity": 1, "Status": 3}, "CVE-2024-0002": {"Status": 2}},
            0,
        ),
        ({"CVE-2024-0001": {"FixedVersion": "3.0.10-1", "Severity": 4, "Status": 3}}, 0),
        ({}, 0),
    ],
    ids=["another severity", "fixed before", "withdrawn"],
)
def test_advisories_that_change_or_go_count_too(shelf: Shelf, told: dict[str, Any], count: int) -> None:
    """S4"""
    digest = shelf.push(DEBIAN)
    shelf.scan()
    assert shelf.record(digest).critical == 1
    shelf.import_database(changed(openssl=told))
    judge_again(shelf.stack)
    assert shelf.record(digest).critical == count


def test_a_severity_that_somebody_else_gives_counts_too(shelf: Shelf) -> None:
    """S4: the package's advisories stay as they were."""
    digest = shelf.push(DEBIAN)
    shelf.scan()
    assert shelf.record(digest).medium == 1
    tree = copy.deepcopy(dict(DATABASE))
    tree["vulnerability"]["CVE-2024-0002"]["VendorSeverity"]["nvd"] = 4
    shelf.import_database(tree)
    judge_again(shelf.stack)
    assert (shelf.record(digest).medium, shelf.record(digest).critical) == (0, 2)


def test_an_image_that_was_scanned_without_a_database_is_judged_by_the_first(stack: Stack) -> None:
    """S2"""
    shelf = Shelf.opened(stack)
    digest = shelf.push(DEBIAN)
    shelf.scan()
    assert (shelf.record(digest).state, shelf.record(digest).reason) == ("failed", "no_database")
    shelf.import_database()
    judge_again(stack)
    assert (shelf.record(digest).state, shelf.record(digest).critical) == ("succeeded", 1)


def test_an_index_follows_its_images(shelf: Shelf) -> None:
    """S4: those that changed, and the database of those that did not."""
    children = [shelf.push(ZLIB, tag="a"), shelf.push(PYTHON, tag="b", platform="linux/arm64")]
    platforms = ("linux/amd64", "linux/arm64")
    digest = shelf.library.push_index(*zip(children, platforms, strict=True), tag="multi")
    shelf.scan("multi")
    assert shelf.record(digest).children == tuple(children)
    database = shelf.import_database(NEW)
    judge_again(shelf.stack)
    assert (shelf.record(digest).critical, shelf.record(digest).database) == (1, database)


def test_what_nobody_holds_any_more_is_forgotten_with_its_report(shelf: Shelf, clock: FrozenClock) -> None:
    """S4"""
    digest, kept = shelf.push(ZLIB), shelf.push(DEBIAN, tag="v2")
    shelf.scan()
    shelf.scan("v2")
    report = shelf.record(digest).report
    row = keys.manifest(shelf.record(digest).repositories[0], digest)
    shelf.stack.table.delete(row)
    shelf.import_database(NEW)
    judge_again(shelf.stack)
    assert Findings(shelf.stack).of(shelf.instance.id, digest) is None
    objects = shelf.stack.objects(shelf.instance.bucket)
    assert report not in [info.key for info in objects.list(f"{shelf.instance.id}/reports/").items]
    assert shelf.record(kept).critical == 2


def test_an_image_whose_report_is_lost_says_so_and_stops_no_other(shelf: Shelf) -> None:
    digests = [shelf.push({**ZLIB, "srv/app": str(n)}, tag=f"v{n}") for n in range(3)]
    for n in range(3):
        shelf.scan(f"v{n}")
    lost = sorted(digests)[0]
    shelf.stack.objects(shelf.instance.bucket).delete(shelf.record(lost).report)
    shelf.import_database(NEW)
    judge_again(shelf.stack)
    assert (shelf.record(lost).state, shelf.record(lost).reason) == ("failed", "interrupted")
    assert [shelf.record(one).critical for one in digests if one != lost] == [1, 1]


def test_a_damaged_report_keeps_its_judgement_and_stops_no_other(shelf: Shelf) -> None:
    digests = [shelf.push({**ZLIB, "srv/app": str(n)}, tag=f"v{n}") for n in range(2)]
    for n in range(2):
        shelf.scan(f"v{n}")
    damaged, fine = sorted(digests)
    objects, report = shelf.stack.objects(shelf.instance.bucket), shelf.record(damaged).report
    objects.delete(report)
    objects.put(report, b"damaged")
    before = shelf.record(damaged).database
    shelf.import_database(NEW)
    judge_again(shelf.stack)
    assert shelf.record(damaged).database == before
    assert shelf.record(fine).critical == 1


# Messages that come late, twice, or never


def scanned(shelf: Shelf, count: int) -> list[str]:
    digests = [str(shelf.push({**ZLIB, "srv/app": str(n)}, tag=f"v{n}")) for n in range(count)]
    for n in range(count):
        shelf.scan(f"v{n}")
    return digests


def message(shelf: Shelf, database: str = "") -> RescanImages:
    return RescanImages(instance_id=shelf.instance.id, database=database)


def test_a_pass_goes_on_where_its_time_was_over(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """S4: each message deals with some images at least."""
    digests = scanned(shelf, 4)
    database = shelf.import_database(NEW)
    waiting, steps = [message(shelf, database)], 0
    while waiting:
        waiting, steps = list(rescans.rescan(shelf.stack, waiting[0], budget_s=-1)), steps + 1
    assert steps >= 4
    assert [shelf.record(one).critical for one in digests] == [1] * 4
    assert store.standing(shelf.stack.table, shelf.instance.id).database == database


def test_a_message_that_comes_twice_changes_nothing_more(shelf: Shelf) -> None:
    digests = scanned(shelf, 2)
    database = shelf.import_database(NEW)
    for _ in range(2):
        rescans.rescan(shelf.stack, message(shelf, database))
    versions = [shelf.record(one).version for one in digests]
    rescans.rescan(shelf.stack, message(shelf, database))
    assert [shelf.record(one).version for one in digests] == versions


def test_a_database_that_comes_in_the_middle_of_a_pass_begins_it_anew(shelf: Shelf) -> None:
    """S4: no image is left with the judgement of the one between."""
    digests = scanned(shelf, 3)
    (following,) = rescans.rescan(shelf.stack, message(shelf, shelf.import_database(NEW)), budget_s=-1)
    newer = changed(zlib1g={"CVE-2024-0001": {"FixedVersion": "1.3", "Severity": 1, "Status": 3}})
    database = shelf.import_database(newer)
    assert rescans.rescan(shelf.stack, following) == []
    assert {(shelf.record(one).low, shelf.record(one).database) for one in digests} == {(1, database)}


def test_a_lost_message_is_sent_again_by_the_schedule(shelf: Shelf, clock: FrozenClock) -> None:
    """S4"""
    (digest,) = scanned(shelf, 1)
    shelf.import_database(NEW)
    assert [one.instance_id for one in rescans.missing(shelf.stack)] == [shelf.instance.id]
    assert rescans.missing(shelf.stack) == [], "somebody may be at it"
    clock.advance(rescans.LOST_AFTER.total_seconds() + 1)
    judge_again(shelf.stack)
    assert shelf.record(digest).critical == 1


def test_a_second_database_is_asked_for_once_too(shelf: Shelf, clock: FrozenClock) -> None:
    """Though the pass of the first is through."""
    judge_again(shelf.stack)
    clock.advance(1)
    shelf.import_database(NEW)
    assert len(rescans.missing(shelf.stack)) == 1
    assert rescans.missing(shelf.stack) == []


def test_many_messages_are_one_pass(shelf: Shelf) -> None:
    """Each document that is added sends one."""
    scanned(shelf, 3)
    silence(shelf)
    (following,) = rescans.rescan(shelf.stack, message(shelf), budget_s=-1)
    assert rescans.rescan(shelf.stack, message(shelf)) == [], "somebody is at it"
    assert rescans.rescan(shelf.stack, following) == []
    with watched(shelf.stack) as (stack, read):
        assert rescans.rescan(stack, message(shelf)) == []
    assert [key for key in read if "reports" in key] == [], "and once through, nothing is judged again"


def test_a_pass_that_died_in_its_middle_is_begun_again_by_the_schedule(shelf: Shelf, clock: FrozenClock) -> None:
    digests = scanned(shelf, 3)
    rescans.rescan(shelf.stack, message(shelf, shelf.import_database(NEW)), budget_s=-1)
    clock.advance(rescans.LOST_AFTER.total_seconds() + 1)
    judge_again(shelf.stack)
    assert [shelf.record(one).critical for one in digests] == [1] * 3


def test_a_scan_that_ended_behind_the_pass_is_judged_by_another_one(shelf: Shelf, clock: FrozenClock) -> None:
    """S4: it began by the old database, and stored its result when the pass had gone by."""
    (digest,) = scanned(shelf, 1)
    database = shelf.import_database(NEW)
    judge_again(shelf.stack)
    Findings(shelf.stack).change(shelf.instance.id, digest, lambda one: one.model_copy(update={"database": "old"}))
    clock.advance(rescans.SETTLED_AFTER.total_seconds() + 1)
    judge_again(shelf.stack)
    assert shelf.record(digest).database == database


def test_once_all_is_judged_the_schedule_asks_one_row_and_no_more(shelf: Shelf, clock: FrozenClock) -> None:
    """Each minute costs two reads, however many instances there are."""
    scanned(shelf, 1)
    shelf.import_database(NEW)
    clock.advance(rescans.SETTLED_AFTER.total_seconds() + 1)
    judge_again(shelf.stack)
    assert rescans.missing(shelf.stack) == []
    gets: list[object] = []

    class Counting:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            gets.append(name)
            found: Callable[..., Any] = getattr(shelf.stack.table, name)
            return found

    assert rescans.missing(replace(shelf.stack, table=Counting())) == []
    assert gets == ["get", "get"]


def test_an_instance_that_is_gone_has_nothing_to_be_judged(shelf: Shelf) -> None:
    assert rescans.rescan(shelf.stack, RescanImages(instance_id="01J000000000000000000000AA", database="x")) == []


def test_without_a_database_nothing_is_asked_for(stack: Stack) -> None:
    shelf = Shelf.opened(stack)
    assert rescans.missing(stack) == []
    assert rescans.rescan(stack, message(shelf)) == []


# What else makes a judgement old


def silence(shelf: Shelf, hours: int | None = None) -> dict[str, Any]:
    """CVE-2024-0001 does not concern anybody."""
    expires = None if hours is None else (shelf.stack.clock.now() + timedelta(hours=hours)).isoformat()
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex/1",
        "author": "us",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": "CVE-2024-0001"},
                "products": [{"@id": "pkg:oci/app"}, {"@id": "pkg:deb/debian/openssl"}],
                "status": "not_affected",
                "justification": "vulnerable_code_not_in_execute_path",
            }
        ],
    }
    answer = shelf.api.post("/instances/ci/vex-documents", {"document": document, "expires_at": expires})
    assert answer.status == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_document_that_silences_findings_is_applied_to_what_was_scanned(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN)
    shelf.scan()
    kept = silence(shelf)
    run_tasks(shelf.stack)
    assert (shelf.record(digest).critical, shelf.record(digest).silenced) == (0, 1)
    shelf.api.delete(f"/instances/ci/vex-documents/{kept['id']}")
    run_tasks(shelf.stack)
    assert (shelf.record(digest).critical, shelf.record(digest).silenced) == (1, 0)


def test_a_document_whose_message_was_lost_is_applied_with_the_next_pass(shelf: Shelf, clock: FrozenClock) -> None:
    digest = shelf.push(DEBIAN)
    shelf.scan()
    silence(shelf)
    for delivery in shelf.stack.queues.receive(RescanImages.queue):
        shelf.stack.queues.complete([delivery])
    judge_again(shelf.stack)
    assert (shelf.record(digest).critical, shelf.record(digest).silenced) == (0, 1)


def test_a_silence_that_ran_out_counts_again_within_the_hour(shelf: Shelf, clock: FrozenClock) -> None:
    digest = shelf.push(DEBIAN)
    shelf.scan()
    silence(shelf, hours=5)
    run_tasks(shelf.stack)
    assert shelf.record(digest).silenced == 1
    for _ in range(7):
        clock.advance(3600)
        judge_again(shelf.stack)
    assert (shelf.record(digest).critical, shelf.record(digest).silenced) == (1, 0)


def test_an_old_judgement_is_made_anew_though_nothing_changed(shelf: Shelf, clock: FrozenClock) -> None:
    """Ends of support come with time alone."""
    digest = shelf.push(DEBIAN)
    shelf.scan()
    clock.advance(timedelta(days=31).total_seconds())
    rescans.rescan(shelf.stack, message(shelf, shelf.import_database(NEW)))
    assert shelf.record(digest).scanned_at.startswith("2026-03-03")


def test_rows_of_a_pass_go_with_their_instance(shelf: Shelf) -> None:
    """They lie in the partition that closing an instance empties."""
    assert scan_keys.rescan(shelf.instance.id).pk == scan_keys.scans_partition(shelf.instance.id)
