"""What a foreign registry's content is called, and whose realm may see its passwords."""

from __future__ import annotations

import pytest

from chalicelib.kernel.errors import Invalid
from chalicelib.ports.remote_login import Challenge, is_its_own
from chalicelib.ports.remote_reference import RemoteReference

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "origin", "repository", "wanted"),
    [
        ("ghcr.io/aquasecurity/trivy-db:2", "https://ghcr.io", "aquasecurity/trivy-db", "2"),
        ("ghcr.io/aquasecurity/trivy-db", "https://ghcr.io", "aquasecurity/trivy-db", "latest"),
        (f"registry.example:5000/a/b/c@{DIGEST}", "https://registry.example:5000", "a/b/c", DIGEST),
        (f"registry.example/a:v1@{DIGEST}", "https://registry.example", "a", DIGEST),
        ("http://registry.example/a:v1", "http://registry.example", "a", "v1"),
        ("localhost:5000/library/trivy-db:2", "http://localhost:5000", "library/trivy-db", "2"),
        ("https://localhost:5000/library/trivy-db:2", "https://localhost:5000", "library/trivy-db", "2"),
        ("127.0.0.1/a:v1", "http://127.0.0.1", "a", "v1"),
        ("[::1]:5000/a:v1", "http://[::1]:5000", "a", "v1"),
        ("docker.io/aquasec/trivy-db:2", "https://registry-1.docker.io", "aquasec/trivy-db", "2"),
        ("docker.io/alpine:3", "https://registry-1.docker.io", "library/alpine", "3"),
    ],
)
def test_a_reference_is_read_as_clients_read_it(text: str, origin: str, repository: str, wanted: str) -> None:
    found = RemoteReference.parse(text)
    assert (found.origin, found.repository, found.wanted) == (origin, repository, wanted)


@pytest.mark.parametrize(
    "text",
    [
        "", "alpine", "library/alpine:3", "ghcr.io", "ghcr.io/", "ghcr.io/UPPER", "ghcr.io/a/../b", "ghcr.io/a:b:c",
        "ghcr.io/a@sha256:1", "ftp://ghcr.io/a", "user:pw@ghcr.io/a", "ghcr.io/a?b", "ghcr.io/a b", "ghcr.io/a:-v",
        "ghcr.io/" + "a" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        RemoteReference.parse(text)


@pytest.mark.parametrize(
    ("realm", "origin", "own"),
    [
        ("https://ghcr.io/token", "https://ghcr.io", True),
        ("https://auth.docker.io/token", "https://registry-1.docker.io", True),
        ("https://gitlab.com/jwt/auth", "https://registry.gitlab.com", True),
        ("https://dockerauth.cn-hangzhou.aliyuncs.com/auth", "https://registry.cn-hangzhou.aliyuncs.com", True),
        ("https://evil.example/token", "https://ghcr.io", False),
        ("https://ghcr.io:8443/token", "https://ghcr.io", False),
        ("http://ghcr.io/token", "https://ghcr.io", False),
        ("http://auth.docker.io/token", "https://registry-1.docker.io", False),
        ("https://evil.github.io/token", "https://registry.github.io", False),
        ("https://dockerauth.evil.example/auth", "https://registry.cn-hangzhou.aliyuncs.com", False),
    ],
)
def test_passwords_go_to_realms_that_are_the_registrys_own(realm: str, origin: str, own: bool) -> None:
    """DESIGN §7: credentials belong to a host."""
    assert is_its_own(realm, origin) is own


def test_a_challenge_says_where_a_token_comes_from() -> None:
    found = Challenge.parse('Bearer realm="https://x.example/t?a=b",service="a \\"b\\"",scope="repository:x:pull"')
    assert found.token_url("repository:owner/app:pull") == (
        "https://x.example/t?a=b&service=a+%22b%22&scope=repository%3Aowner%2Fapp%3Apull"
    )


@pytest.mark.parametrize("header", ["", "Bearer", "Negotiate abc", 'Basic realm="x"', "Bearer " + "x" * 100_000])
def test_a_challenge_that_names_no_realm_has_no_token(header: str) -> None:
    assert Challenge.parse(header).token_url("repository:owner/app:pull") == ""
