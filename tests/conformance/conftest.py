"""The registry under test: one that is named in the environment, or the service itself on a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest

from tests.conformance.client import Registry, TokenLogin
from tests.serving import serving

SPARSE_NAMESPACE = "sparse"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """CRS_TEST_REGISTRY=http://127.0.0.1:port names another registry; CRS_TEST_SPARSE its sparse namespace, if any."""
    if named := os.environ.get("CRS_TEST_REGISTRY"):
        username = os.environ.get("CRS_TEST_USERNAME", "")
        password = os.environ.get("CRS_TEST_PASSWORD", "")
        yield from _registry(named, username, password, os.environ.get("CRS_TEST_SPARSE"))
        return
    with serving(tmp_path_factory.mktemp("conformance") / "data") as service:
        service.run_cli("namespace", "create", SPARSE_NAMESPACE, "--sparse-indexes", "--auto-create-repository")
        yield from _registry(service.url, service.username, service.password, SPARSE_NAMESPACE)


def _registry(base_url: str, username: str, password: str, sparse: str | None) -> Iterator[Registry]:
    login = TokenLogin(username, password)
    # trust_env off: a proxy for the outside world must not stand between the tests and loopback.
    with httpx.Client(base_url=base_url, auth=login, timeout=60, trust_env=False) as http:
        yield Registry(base_url, username, password, "library", sparse, http)
