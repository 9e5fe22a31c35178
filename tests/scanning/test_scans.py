"""Scans from end to end: images of layers, a database, and what comes of both (S1–S3)."""

from __future__ import annotations

import pytest

from chalicelib.kernel.names import RepositoryName
from chalicelib.ports.stack import Stack
from chalicelib.scanning.reports import Reports
from tests.packages.rebuild import tar
from tests.stacks import FrozenClock

from .shelf import DATABASE, DEBIAN, LAYER, PYTHON, Shelf, dpkg

OTHER = RepositoryName("library/other")


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    opened = Shelf.opened(stack)
    opened.import_database()
    return opened


def test_scan_finds_what_the_database_knows_of_system_and_languages(shelf: Shelf) -> None:
    """S1, S3: id, package, place, versions, severity, score, title and link of each finding."""
    digest = shelf.push(DEBIAN, PYTHON)
    task = shelf.scan()
    assert (task.state, task.error, task.kind) == ("succeeded", "", "scan")
    record = shelf.record(digest)
    assert (record.state, record.critical, record.high, record.medium, record.fixable) == ("succeeded", 1, 1, 1, 2)
    assert (record.system, record.packages, record.engine) == ("debian 12.5", 3, "builtin 1")
    found = {one["id"]: one for one in shelf.findings(digest)}
    hole, leak = found["CVE-2024-0001"], found["CVE-2024-0003"]
    assert set(found) == {"CVE-2024-0001", "CVE-2024-0002", "CVE-2024-0003"}
    assert (hole["package"], hole["installed"], hole["fixed"]) == ("openssl", "3.0.11-1", "3.0.13-1")
    assert (hole["severity"], hole["status"], hole["title"]) == ("critical", "fixed", "a hole")
    assert hole["link"].startswith("https://")
    assert hole["layer"]["command"] == "COPY layer 0"
    assert hole["path"] == ""
    assert (leak["score"], leak["severity_source"]) == (7.5, "ghsa")
    assert leak["path"].endswith("METADATA")
    assert leak["layer"]["command"] == "COPY layer 1"
    assert leak["layer"]["diff_id"].startswith("sha256:")


def test_lists_and_details_of_tags_show_what_the_scan_came_to(shelf: Shelf) -> None:
    """S1: scan state with counts by severity."""
    digest = shelf.push(DEBIAN, PYTHON)
    assert shelf.api.get(shelf.library.path("/tags/v1/scan")).json()["state"] == "none"
    shelf.scan()
    (row,) = shelf.api.get(shelf.library.path("/tags")).json()["items"]
    seen = shelf.api.get(shelf.library.path("/tags/v1/scan")).json()
    assert (row["scan"]["state"], row["scan"]["critical"], row["scan"]["high"]) == ("succeeded", 1, 1)
    assert (seen["digest"], seen["critical"], seen["system"], seen["packages"]) == (digest, 1, "debian 12.5", 3)
    assert seen["database"].startswith("sha256:")


@pytest.mark.usefixtures("large_layers")
def test_image_waits_visibly_and_its_task_counts_layers_and_bytes(shelf: Shelf) -> None:
    """S2: progress is visible."""
    digest = shelf.push(DEBIAN, PYTHON)
    task_id = shelf.begin()
    assert (shelf.record(digest).state, shelf.record(digest).task) == ("queued", task_id)
    first = shelf.step(task_id)
    assert (shelf.record(digest).state, first.done, first.total) == ("running", 1, 3)
    assert first.bytes > 0
    second = shelf.step(task_id)
    assert (second.state, second.done) == ("running", 2)
    last = shelf.step(task_id)
    assert (last.state, last.done, last.total) == ("succeeded", 3, 3)
    assert (shelf.record(digest).state, shelf.record(digest).task) == ("succeeded", "")


def test_small_layers_are_read_and_judged_in_one_step(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN, PYTHON)
    task_id = shelf.begin()
    first = shelf.step(task_id)
    assert (shelf.record(digest).state, first.done, first.total) == ("succeeded", 2, 3)
    assert first.bytes > 0
    assert shelf.step(task_id).state == "succeeded"


def test_images_share_what_is_known_of_layers_and_tags_what_is_known_of_images(shelf: Shelf) -> None:
    """A layer is read once, whatever image it is in; a digest is judged once, whatever tags name it."""
    shelf.push(DEBIAN, PYTHON)
    assert shelf.scan().bytes > 0
    shelf.push(DEBIAN, {"srv/app": "x"}, tag="v2")
    second = shelf.scan("v2")
    shelf.push(DEBIAN, PYTHON, tag="v3", name=OTHER)
    third = shelf.scan("v3", OTHER)
    layers = shelf.stack.objects(shelf.instance.bucket).list(f"{shelf.instance.id}/surveys/").items
    assert len(layers) == 3
    assert (second.state, second.total) == ("succeeded", 3)
    assert (third.state, third.bytes, third.total) == ("succeeded", 0, 1)
    assert len(shelf.record(third.subject["digest"]).repositories) == 2


def test_scan_by_the_same_database_reads_no_layer_and_writes_no_report(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN)
    shelf.scan()
    before = shelf.record(digest)
    shelf.scan()
    assert shelf.record(digest) == before


def test_scan_by_another_database_writes_a_report_and_deletes_the_one_before(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN)
    shelf.scan()
    before = shelf.record(digest)
    more = {"CVE-2024-0009": {"FixedVersion": "", "Severity": 1}}
    platform = {**DATABASE["debian 12"], "zlib1g": more}
    shelf.import_database({**DATABASE, "debian 12": platform})
    task = shelf.scan()
    after = shelf.record(digest)
    reports = shelf.stack.objects(shelf.instance.bucket).list(f"{shelf.instance.id}/reports/").items
    assert task.bytes == 0
    assert (before.low, after.low) == (0, 1)
    assert before.database != after.database
    assert [report.key for report in reports] == [after.report]


def test_what_an_interrupted_scan_left_behind_goes_with_the_next(shelf: Shelf, clock: FrozenClock) -> None:
    digest = shelf.push(DEBIAN)
    shelf.scan()
    reports = Reports(shelf.stack)
    left = reports.write(shelf.instance, reports.read(shelf.instance, shelf.record(digest)))
    objects = shelf.stack.objects(shelf.instance.bucket)
    # Objects have the file system's times, which are far ahead of the clock of tests.
    clock.advance(10 * 366 * 86_400)
    reports.clear(shelf.instance, digest, shelf.record(digest).report)
    assert left not in [found.key for found in objects.list(f"{shelf.instance.id}/reports/").items]
    assert reports.read(shelf.instance, shelf.record(digest)).digest == digest


def test_index_is_scanned_with_all_its_platforms_and_each_finding_counts_once(shelf: Shelf) -> None:
    """S1."""
    amd = shelf.push(DEBIAN, PYTHON, tag="", platform="linux/amd64")
    arm = shelf.push(DEBIAN, tag="", platform="linux/arm64")
    index = shelf.library.push_index((amd, "linux/amd64"), (arm, "linux/arm64"), tag="v1")
    task = shelf.scan()
    record = shelf.record(index)
    assert task.state == "succeeded"
    assert (record.state, record.critical, record.high, record.medium) == ("succeeded", 1, 1, 1)
    assert record.children == (amd, arm)
    assert shelf.record(amd).parents == (index,)
    assert (shelf.record(arm).high, shelf.record(arm).critical) == (0, 1)
    found = {one["id"]: one["platforms"] for one in shelf.findings(index)}
    assert found["CVE-2024-0001"] == ["linux/amd64", "linux/arm64"]
    assert found["CVE-2024-0003"] == ["linux/amd64"]
    assert [one["id"] for one in shelf.findings(index, platform="linux/arm64")] == ["CVE-2024-0001", "CVE-2024-0002"]
    shown = shelf.api.get(shelf.library.path("/tags/v1/scan")).json()["platforms"]
    assert [(one["platform"], one["scan"]["high"]) for one in shown] == [("linux/amd64", 1), ("linux/arm64", 0)]


def test_an_index_follows_what_is_found_out_of_its_images_later(shelf: Shelf) -> None:
    child = shelf.push(DEBIAN, tag="child")
    index = shelf.library.push_index((child, "linux/amd64"), tag="v1")
    shelf.scan()
    shelf.import_database({**DATABASE, "debian 12": {"zlib1g": {"CVE-2024-0009": {"Severity": 4}}}})
    shelf.scan("child")
    assert (shelf.record(child).critical, shelf.record(child).medium) == (1, 0)
    assert (shelf.record(index).critical, shelf.record(index).medium) == (1, 0)
    assert [one["id"] for one in shelf.findings(index)] == ["CVE-2024-0009"]


def test_findings_are_searched_filtered_sorted_and_paged(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN, PYTHON)
    shelf.scan()
    ids = [one["id"] for one in shelf.findings(digest)]
    assert ids == ["CVE-2024-0001", "CVE-2024-0003", "CVE-2024-0002"]
    assert [one["id"] for one in shelf.findings(digest, sort="-id")] == sorted(ids, reverse=True)
    assert [one["package"] for one in shelf.findings(digest, sort="package", limit=1)] == ["Jinja2"]
    assert [one["id"] for one in shelf.findings(digest, search="jinja")] == ["CVE-2024-0003"]
    assert [one["id"] for one in shelf.findings(digest, severity="medium")] == ["CVE-2024-0002"]
    assert [one["id"] for one in shelf.findings(digest, fixable="false")] == ["CVE-2024-0002"]
    path = shelf.library.path(f"/manifests/{digest}/vulnerabilities")
    first = shelf.api.get(path, limit=2).json()
    second = shelf.api.get(path, limit=2, cursor=first["next"]).json()
    assert ([one["id"] for one in first["items"] + second["items"]], second["next"], first["total"]) == (ids, None, 3)
    assert shelf.api.get(path, cursor="x").status == 400


def test_silenced_findings_do_not_count_until_their_silence_ends(shelf: Shelf, clock: FrozenClock) -> None:
    digest = shelf.push(DEBIAN, PYTHON)
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex/1",
        "author": "us",
        "timestamp": "2026-01-30T00:00:00Z",
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": "CVE-2024-0001"},
                "products": [{"@id": f"pkg:oci/app@{digest.replace(':', '%3A')}"}],
                "status": "not_affected",
                "justification": "vulnerable_code_not_in_execute_path",
            }
        ],
    }
    made = shelf.api.post("/instances/ci/vex-documents", {"document": document, "expires_at": "2026-02-10T00:00:00Z"})
    assert made.status == 201, made.text
    shelf.scan()
    record = shelf.record(digest)
    assert (record.critical, record.silenced, record.silenced_until) == (0, 1, "2026-02-10T00:00:00.000000Z")
    (silenced,) = shelf.findings(digest, silenced="true")
    assert (silenced["id"], silenced["silenced"]["document"]) == ("CVE-2024-0001", made.json()["id"])
    assert len(shelf.findings(digest, silenced="false")) == 2
    clock.advance(11 * 86_400)
    assert shelf.findings(digest, silenced="true") == []
    assert [one["silenced"] for one in shelf.findings(digest)] == [None, None, None]


def test_what_holds_no_file_system_is_refused_with_the_reason(shelf: Shelf) -> None:
    shelf.push(b"{}", tag="signature", layer_type="application/vnd.dev.cosign.simplesigning.v1+json")
    answer = shelf.api.post(shelf.library.path("/tags/signature/scan"))
    assert (answer.status, answer.code) == (409, "CONFLICT")
    assert "no file system" in answer.json()["detail"]
    assert shelf.api.post(shelf.library.path("/tags/nothing/scan")).status == 404


def test_layers_of_other_compressions_are_read_too(shelf: Shelf) -> None:
    digest = shelf.push(tar(DEBIAN), layer_type=LAYER.removesuffix("+gzip"))
    shelf.scan()
    assert shelf.record(digest).critical == 1


def test_upper_layers_take_away_what_lower_ones_installed(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN, {"var/lib/dpkg/status": dpkg(openssl="3.0.13-1", zlib1g="1.2.13")})
    shelf.scan()
    assert [one["id"] for one in shelf.findings(digest)] == ["CVE-2024-0002"]
