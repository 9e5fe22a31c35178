"""Findings as SARIF 2.1.0, which code hosts and editors show.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; `security-severity` and what else of it is
looked at: GitHub's "SARIF support for code scanning".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from chalicelib.advisories.models import SEVERITIES, Description, Severity

from .views import VulnerabilityView

MEDIA_TYPE: Final = "application/sarif+json"
_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final[Mapping[Severity, str]] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
    "unknown": "note",
}
# From, to and usual score of each: readers make the word of the score again, and it should be the word that we said.
_SCORES: Final[Mapping[Severity, tuple[float, float, float]]] = {
    "critical": (9.0, 10.0, 9.5),
    "high": (7.0, 8.9, 8.0),
    "medium": (4.0, 6.9, 5.5),
    "low": (0.1, 3.9, 2.0),
    "unknown": (0.0, 0.0, 0.0),
}
# Readers cut what is longer.
_LONGEST: Final = 1000

Json = dict[str, Any]


def document(repository: str, digest: str, found: Sequence[VulnerabilityView], texts: Mapping[str, Description]) -> str:
    """One run, about one image or index: a rule a vulnerability, a result a package that has it."""
    of_rule: dict[str, list[VulnerabilityView]] = {}
    for one in found:
        of_rule.setdefault(one.id, []).append(one)
    numbers = {known: number for number, known in enumerate(of_rule)}
    rules = [_rule(known, several, texts.get(known)) for known, several in of_rule.items()]
    run: Json = {
        "tool": {"driver": {"name": "crs", "fullName": "Vulnerabilities of container images", "rules": rules}},
        "automationDetails": {"id": f"{repository}/"},
        "columnKind": "utf16CodeUnits",
        "results": [_result(repository, one, numbers[one.id]) for one in found],
        "properties": {"image": f"{repository}@{digest}"},
    }
    content = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _rule(known: str, several: Sequence[VulnerabilityView], text: Description | None) -> Json:
    severity = min((one.severity for one in several), key=SEVERITIES.index)
    title = (text.title if text else "") or known
    whole = (text.description if text else "") or title
    packages = ", ".join(dict.fromkeys(f"{one.package} {one.installed}" for one in several))
    fixed = ", ".join(dict.fromkeys(one.fixed for one in several if one.fixed)) or "none yet"
    help_text = f"{title}\n\nSeverity: {severity}\nPackages: {packages}\nFixed in: {fixed}"
    link = next((one.link for one in several if one.link.startswith("https://")), "")
    rule: Json = {
        "id": known,
        "name": "VulnerablePackage",
        "shortDescription": {"text": title[:_LONGEST]},
        "fullDescription": {"text": whole[:_LONGEST]},
        "help": {"text": f"{help_text}\n{link}".strip()},
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": {
            "precision": "very-high",
            "security-severity": f"{_score(severity, text.score if text else None):.1f}",
            "tags": ["vulnerability", "security", severity],
        },
    }
    return {**rule, "helpUri": link} if link else rule


def _score(severity: Severity, score: float | None) -> float:
    """That of CVSS where it says the same as the severity; whoever rated the severity knew the system better."""
    lowest, highest, usual = _SCORES[severity]
    return score if score is not None and lowest <= score <= highest else usual


def _result(repository: str, one: VulnerabilityView, rule: int) -> Json:
    told = f"{one.package} {one.installed} has {one.id} ({one.severity}{f': {one.title}' if one.title else ''})."
    told += f" Fixed in {one.fixed}." if one.fixed else " There is no fixed version yet."
    place = f"layer {one.layer.digest}" + (f", made by {one.layer.command}" if one.layer.command else "")
    same = "\n".join((one.id, one.type, one.package, one.path))
    result: Json = {
        "ruleId": one.id,
        "ruleIndex": rule,
        "level": _LEVELS[one.severity],
        "message": {"text": f"{told} From {place}."},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(one.path or repository)},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"name": one.layer.digest, "kind": "layer"}],
                "message": {"text": one.path or f"{repository}, {place}"},
            }
        ],
        "partialFingerprints": {"finding/v1": hashlib.sha256(same.encode()).hexdigest()},
        "properties": {
            "purl": one.purl,
            "installed": one.installed,
            "fixed": one.fixed,
            "status": one.status,
            "platforms": list(one.platforms),
        },
    }
    if one.silenced is not None:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": one.silenced.reason}]
    return result
