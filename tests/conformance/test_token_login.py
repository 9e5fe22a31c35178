"""What the suites log in with takes a new token where the one that it kept is over."""

from __future__ import annotations

import httpx

from .client import TokenLogin

CHALLENGE = 'Bearer realm="http://registry.test/token",service="registry",scope="repository:a:pull"'


def test_a_token_that_is_over_is_fetched_anew_and_one_that_serves_is_kept() -> None:
    """R2"""
    issued: list[str] = []
    over: set[str] = set()

    def registry(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            issued.append(f"token-{len(issued)}")
            return httpx.Response(200, json={"token": issued[-1]})
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        known = shown in issued and shown not in over
        return httpx.Response(200) if known else httpx.Response(401, headers={"www-authenticate": CHALLENGE})

    with httpx.Client(transport=httpx.MockTransport(registry), auth=TokenLogin("admin", "x")) as client:
        asked = [client.get("http://registry.test/v2/").status_code for _ in range(2)]
        over.update(issued)
        asked.append(client.get("http://registry.test/v2/").status_code)
    assert (asked, len(issued)) == ([200, 200, 200], 2)
