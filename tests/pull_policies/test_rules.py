"""X6: what a policy says of a scan, decided from counts, ids and the clock alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.findings.models import ScanDetail, ScanRecord
from chalicelib.kernel.moment import to_text
from chalicelib.pull_policies.models import Policy, Verdict
from chalicelib.pull_policies.rules import MOST_IDS, judge, needs_detail

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
SOON = NOW + timedelta(hours=1)


def policy(severity: str | None = "high", unscanned: str = "allow", **exceptions: datetime | None) -> Policy:
    """exceptions: id with `_` for `-`, and when it expires."""
    listed = [
        {"id": one.replace("_", "-"), "reason": "known", "expires_at": until} for one, until in exceptions.items()
    ]
    return Policy.model_validate(
        {"namespace_id": "n", "severity": severity, "unscanned": unscanned, "exceptions": listed}
    )


def scan(state: str = "succeeded", **fields: Any) -> ScanRecord:
    """fields: counts, above all."""
    return ScanRecord.model_validate({"instance_id": "i", "digest": "sha256:a", "state": state, **fields})


def said(
    policy: Policy,
    record: ScanRecord | None,
    ids: Any = None,
    silenced: Any = None,
    at: datetime = NOW,
) -> Verdict:
    return judge(policy, "sha256:a", record, ScanDetail(ids=ids or {}, silenced=silenced or {}), at)


@pytest.mark.parametrize(
    ("severity", "blocked"),
    [("critical", ["critical"]), ("high", ["critical", "high"]), ("low", ["critical", "high", "medium", "low"])],
)
def test_findings_at_or_over_the_severity_block_and_others_do_not(severity: str, blocked: list[str]) -> None:
    """X6: unrated findings are under every severity."""
    for found in ("critical", "high", "medium", "low", "unknown"):
        verdict = said(policy(severity), scan("succeeded", **{found: 1}), {found: ("CVE-1",)})
        assert (verdict.cause == "findings") is (found in blocked), found
        assert verdict.ids == (("CVE-1",) if found in blocked else ())


def test_without_a_severity_nothing_is_blocked() -> None:
    """X6"""
    record = scan(critical=1)
    assert not needs_detail(policy(None), record, NOW)
    assert said(policy(None), record, {"critical": ("CVE-1",)}).allowed


def test_the_worst_ids_are_named_first_and_all_are_counted() -> None:
    """X6"""
    high = tuple(f"CVE-{number}" for number in range(30))
    verdict = said(policy("high"), scan(critical=2, high=40), {"critical": ("CVE-99", "CVE-98"), "high": high})
    assert (verdict.worst, verdict.count, len(verdict.ids)) == ("critical", 32, MOST_IDS)
    assert verdict.ids[:3] == ("CVE-99", "CVE-98", "CVE-0")


def test_an_exception_lifts_one_id_and_no_other() -> None:
    """X6: in whatever case it is written."""
    record, ids = scan(high=2), {"high": ("CVE-1", "GHSA-ab")}
    assert said(policy(CVE_1=None), record, ids).ids == ("GHSA-ab",)
    assert said(policy(CVE_1=None, ghsa_AB=None), record, ids).allowed


def test_an_exception_blocks_again_at_the_moment_it_expires() -> None:
    """X6"""
    ruled, record, ids = policy(CVE_1=SOON), scan(high=1), {"high": ("CVE-1",)}
    assert said(ruled, record, ids, at=SOON - timedelta(microseconds=1)).allowed
    assert said(ruled, record, ids, at=SOON).cause == "findings"


def test_a_silence_that_ran_out_blocks_though_the_counts_do_not_know_yet() -> None:
    """X6: they are counted anew a little later."""
    silenced = {"CVE-1": ("high", to_text(SOON)), "CVE-2": ("high", ""), "CVE-3": ("low", to_text(SOON))}
    record = scan(silenced=3, silenced_until=to_text(SOON))
    assert not needs_detail(policy(), record, NOW)
    assert needs_detail(policy(), record, SOON)
    assert said(policy(), record, silenced=silenced, at=SOON).ids == ("CVE-1",)
    assert said(policy(CVE_1=None), record, silenced=silenced, at=SOON).allowed


@pytest.mark.parametrize("state", ["none", "queued", "running", "failed", "unsupported", "partial"])
def test_what_nobody_examined_whole_is_treated_as_configured(state: str) -> None:
    """X6: and never as free of findings."""
    assert said(policy(unscanned="allow"), scan(state)).allowed
    assert said(policy(unscanned="block"), scan(state)).cause == "unscanned"
    assert said(policy(unscanned="block"), None).scan == "none"


def test_a_partial_scan_is_judged_by_its_findings_too() -> None:
    """X6"""
    verdict = said(policy(unscanned="allow"), scan("partial", high=1), {"high": ("CVE-1",)})
    assert (verdict.cause, verdict.ids) == ("findings", ("CVE-1",))


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_scanning_again_does_not_set_an_image_free(state: str) -> None:
    """X6: what was found before holds until there is something new."""
    assert said(policy(), scan(state, critical=1), {"critical": ("CVE-1",)}).cause == "findings"


def test_counted_findings_that_are_not_named_block() -> None:
    """X6: record and ids may be read a moment apart."""
    verdict = said(policy(), scan(high=1))
    assert (verdict.cause, verdict.ids, verdict.count) == ("findings", (), 1)


def test_a_record_without_its_ids_decides_nothing() -> None:
    """X6"""
    with pytest.raises(ValueError, match="no detail"):
        judge(policy(), "sha256:a", scan(high=1), None, NOW)
    with pytest.raises(ValueError, match="time data"):
        judge(policy(), "sha256:a", scan(silenced_until="tomorrow"), None, NOW)
