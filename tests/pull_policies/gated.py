"""Scans and pull policies for tests: scans written as a scanner leaves them, policies through the API as users do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.findings.models import ScanDetail
from chalicelib.findings.service import Findings
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.management import Api

HIGH = {"high": ("CVE-2026-0001",)}


def scanned(
    stack: Stack,
    instance_id: str,
    digest: str,
    ids: Mapping[Any, Sequence[str]] = HIGH,
    state: str = "succeeded",
    silenced: Mapping[str, tuple[Any, str]] | None = None,
) -> None:
    """ids: of findings, by severity. silenced: id → severity, and until when."""
    kept = silenced or {}
    counts = {severity: len(ids.get(severity, ())) for severity in ("critical", "high", "medium", "low", "unknown")}
    until = min((until for _, until in kept.values() if until), default="")
    detail = ScanDetail(ids={severity: tuple(found) for severity, found in ids.items()}, silenced=kept)
    fields = {"state": state, "silenced": len(kept), "silenced_until": until, **counts}
    Findings(stack).change(instance_id, digest, lambda seen: seen.model_copy(update=fields), detail)


def path_of(instance: str, namespace: str = "library") -> str:
    return f"/instances/{instance}/namespaces/{namespace}/pull-policy"


def set_policy(stack: Stack, instance: str, severity: str | None = "high", **more: Any) -> dict[str, Any]:
    """Whatever stood before is replaced. more: namespace, unscanned, exceptions."""
    api, path = Api.signed_in(stack, Role.DEVELOPER), path_of(instance, more.pop("namespace", "library"))
    answer = api.put(path, {"severity": severity, "version": api.get(path).json()["version"], **more})
    assert answer.status == 200, answer.text
    return dict(answer.json())
