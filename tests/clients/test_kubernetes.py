"""kubectl reads what the service writes for Kubernetes, into Kubernetes' own types."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest

from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.repositories.kubernetes import PullLogin, manifests
from tests.clients.conftest import Shell
from tests.lacking import lacking

pytestmark = pytest.mark.clients
ADDRESS = "ci-12345678.localhost:5000"


@pytest.mark.parametrize("short", ["nginx", "123", "null", "yes", "1e3", "a_b.c/d--e", "0x10"])
@pytest.mark.parametrize("reference", [TagName("1.0"), Digest.of(b"x")])
def test_kubectl_reads_the_manifests(shell: Shell, short: str, reference: TagName | Digest) -> None:
    """K1"""
    if shutil.which("kubectl") is None:
        lacking("there is no kubectl; .ci/install-clients brings it")
    name, login = RepositoryName.parse(f"library/{short}"), PullLogin("k8s-x-1", "k8s-x-1", 'crsp_"\\: #')
    file = Path(shell.home / "manifests.yaml")
    file.write_text(manifests(ADDRESS, name, reference, login))
    # Without a cluster: decoded into types, labelled, written again.
    text = shell.run("kubectl", "label", "--local", "-f", file, "checked=yes", "-o", "json")
    documents, rest = [], text.strip()
    while rest:
        document, end = json.JSONDecoder().raw_decode(rest)
        documents.append(document)
        rest = rest[end:].strip()
    secret, deployment = documents
    (held,) = [json.loads(text) for text in _texts(secret)]
    assert held["auths"][ADDRESS] == {"username": "k8s-x-1", "password": 'crsp_"\\: #'}
    pod = deployment["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"].startswith(f"{ADDRESS}/{name}")
    assert pod["imagePullSecrets"] == [{"name": secret["metadata"]["name"]}]


def _texts(secret: dict[str, dict[str, str]]) -> list[str]:
    """Of a secret, however it is written."""
    coded = [base64.b64decode(value).decode() for value in (secret.get("data") or {}).values()]
    return [*coded, *(secret.get("stringData") or {}).values()]
