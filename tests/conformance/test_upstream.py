"""The specification's own conformance program, newest version, every switch on: no failure and no skip."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.conformance.client import Registry
from tests.lacking import lacking

SWITCHES = [
    *(f"API_{name}" for name in ("PING", "PULL", "PUSH", "REFERRER")),
    *(f"API_BLOBS_{name}" for name in ("ATOMIC", "DELETE", "DIGEST_HEADER", "MOUNT_ANONYMOUS", "UPLOAD_CANCEL")),
    *(f"API_MANIFESTS_{name}" for name in ("ATOMIC", "DELETE", "DIGEST_HEADER", "TAG_PARAM")),
    *(f"API_TAGS_{name}" for name in ("ATOMIC", "DELETE", "LIST")),
    *(f"DATA_{name}" for name in ("IMAGE", "INDEX", "INDEX_LIST", "SPARSE", "ARTIFACT", "SUBJECT", "SUBJECT_MISSING")),
    *(f"DATA_{name}" for name in ("ARTIFACT_LIST", "SUBJECT_LIST", "DATA_FIELD", "NONDISTRIBUTABLE")),
    *(f"DATA_{name}" for name in ("CUSTOM_FIELDS", "NO_LAYERS", "EMPTY_BLOB", "SHA512")),
]
# A run of every case against three registries counted 1 032 to 1 034 results: far fewer means that it broke off.
FEWEST_RESULTS = 900
FEWEST_CAPABILITIES = 45


def program() -> Path:
    """The binary that .ci/install-conformance builds. Where CI is set its absence is a failure."""
    tools = Path(os.environ.get("CRS_TOOLS", Path.home() / ".cache" / "crs-tools"))
    found = tools / "bin" / "conformance"
    if not found.exists():
        lacking(f"{found} is missing: run .ci/install-conformance")
    return found


@pytest.mark.conformance
def test_upstream_suite_passes_whole(registry: Registry, tmp_path: Path) -> None:
    """R1"""
    if registry.sparse_namespace is None:
        pytest.skip("the registry under test has no namespace that allows sparse indexes")
    settings = {
        "OCI_REGISTRY": registry.base_url.partition("://")[2],
        "OCI_TLS": "disabled",
        "OCI_REPO1": registry.sparse_repository().name,
        "OCI_REPO2": registry.sparse_repository().name,
        "OCI_USERNAME": registry.username,
        "OCI_PASSWORD": registry.password,
        "OCI_CACHE_AUTH": "true",
        "OCI_VERSION": "dev",
        "OCI_RESULTS_DIR": str(tmp_path),
        **{f"OCI_{switch}": "true" for switch in SWITCHES},
    }
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OCI_")} | settings
    done = subprocess.run(
        [program()], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 (written by the program just run)
    counts = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped", "disabled")}
    failed = [case.get("name") for case in suite.iter("testcase") if len(case)]
    # Everything below "apis:" and "data:" is one "  name: Status" line per capability and per kind of content.
    verdicts = (tmp_path / "results.yaml").read_text().partition("\napis:\n")[2]
    capabilities = dict(line.strip().rsplit(": ", 1) for line in verdicts.splitlines() if line.startswith("  "))
    assert {name: verdict for name, verdict in capabilities.items() if verdict != "Pass"} == {}, done.stderr[-6000:]
    assert len(capabilities) >= FEWEST_CAPABILITIES
    assert counts | {"tests": 0} == dict.fromkeys(counts, 0), failed
    assert counts["tests"] >= FEWEST_RESULTS
    assert done.returncode == 0
