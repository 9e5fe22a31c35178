"""Pure decisions about pulls.

    findings at or over the severity, silenced ones whose time ran out included, without those exempted   blocked
    nobody has examined all of it, and the policy blocks the unscanned                                    blocked
    else                                                                                                  allowed

Findings come first: an image that is being scanned again is judged by what was found before.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from chalicelib.advisories.models import SEVERITIES, Severity
from chalicelib.findings.models import ScanDetail, ScanRecord
from chalicelib.kernel.moment import from_text

from .models import Policy, Threshold, Verdict

# What an error tells of them; the scan's own list has all.
MOST_IDS: Final = 20


def at_or_over(threshold: Threshold) -> tuple[Severity, ...]:
    """The worst first. Findings that nobody rated are under every threshold."""
    return SEVERITIES[: SEVERITIES.index(threshold) + 1]


def needs_detail(policy: Policy, record: ScanRecord | None, now: datetime) -> bool:
    """Whether the counts alone do not say that no finding blocks. Raises ValueError for a record that is unreadable."""
    if record is None or policy.severity is None:
        return False
    silence_ran_out = bool(record.silenced_until) and from_text(record.silenced_until) <= now
    return silence_ran_out or any(record.count(severity) for severity in at_or_over(policy.severity))


def judge(policy: Policy, digest: str, record: ScanRecord | None, detail: ScanDetail | None, now: datetime) -> Verdict:
    """detail: of the record, where `needs_detail` asks for it. Raises ValueError for one that is missing or odd."""
    state, reason = (record.state, record.reason) if record else ("none", "")
    allowed = Verdict(digest=digest, severity=policy.severity or "", scan=state, reason=reason)
    if policy.severity is None:
        return allowed
    if record is not None and needs_detail(policy, record, now):
        if detail is None:
            raise ValueError("there is no detail of a record that has findings")
        blocking = list(_blocking(policy, record, detail, now))
        if blocking:
            ids = tuple(dict.fromkeys(one for _, one in blocking if one))
            found = {"worst": blocking[0][0], "ids": ids[:MOST_IDS], "count": max(len(ids), 1)}
            return allowed.model_copy(update={"cause": "findings", **found})
    if state != "succeeded" and policy.unscanned == "block":
        return allowed.model_copy(update={"cause": "unscanned"})
    return allowed


def _blocking(policy: Policy, record: ScanRecord, detail: ScanDetail, now: datetime) -> Iterator[tuple[Severity, str]]:
    """Severity and id of each, the worst first; "" for an id where some were counted and none is named."""
    exempt = {one.id.casefold() for one in policy.exceptions if one.expires_at is None or now < one.expires_at}
    assert policy.severity is not None  # noqa: S101 - whoever asks has looked
    for severity in at_or_over(policy.severity):
        counted = detail.ids.get(severity, ())
        if record.count(severity) and not counted:
            yield severity, ""
        ran_out = (
            one
            for one, (rated, until) in detail.silenced.items()
            if rated == severity and until and from_text(until) <= now
        )
        yield from ((severity, one) for one in (*counted, *ran_out) if one.casefold() not in exempt)
