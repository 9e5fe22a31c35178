"""Tokens by GET and by OAuth2 POST, and Basic: distribution's token, oauth, scope and jwt documents."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.conformance.client import Registry, Repository, error_code, parse_challenge

SHORTEST_LIFE_S = 60


@pytest.fixture(scope="module")
def repository(registry: Registry) -> Repository:
    """A repository that exists; the module is of no use where nothing asks for credentials."""
    if registry.anonymous().get("/v2/").status_code == 200:
        pytest.skip("the registry under test asks for no credentials")
    made = registry.repository()
    made.push_blob(b"{}")
    return made


def challenge_of(repository: Repository, method: str = "GET", tail: str = "tags/list") -> dict[str, str]:
    with repository.registry.anonymous() as http:
        answer = http.request(method, repository.path(tail))
    assert (answer.status_code, error_code(answer)) == (401, "UNAUTHORIZED")
    return parse_challenge(answer.headers["WWW-Authenticate"])


def get_token(repository: Repository, *scopes: str, **more: str) -> dict[str, Any]:
    challenge, registry = challenge_of(repository), repository.registry
    query = {"service": challenge["service"], "scope": list(scopes), **more}
    answer = httpx.get(
        challenge["realm"], params=httpx.QueryParams(query), auth=(registry.username, registry.password),
        trust_env=False,
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def post_token(repository: Repository, **form: str) -> httpx.Response:
    challenge, registry = challenge_of(repository), repository.registry
    whole = {
        "grant_type": "password", "service": challenge["service"], "client_id": "conformance",
        "username": registry.username, "password": registry.password, **form,
    }  # fmt: skip
    return httpx.post(challenge["realm"], data={k: v for k, v in whole.items() if v}, trust_env=False)


def with_token(repository: Repository, token: str, method: str = "GET", tail: str = "tags/list") -> httpx.Response:
    with repository.registry.anonymous() as http:
        return http.request(method, repository.path(tail), headers={"Authorization": f"Bearer {token}"})


def test_challenge_names_realm_service_and_scope(repository: Repository) -> None:
    """R2"""
    challenge = challenge_of(repository)
    assert challenge["realm"].startswith(repository.registry.base_url)
    assert challenge["service"]
    assert challenge["scope"] == f"repository:{repository.name}:pull"
    pushing = challenge_of(repository, "POST", "blobs/uploads/")["scope"]
    kind, name, actions = pushing.split(":")
    assert (kind, name, set(actions.split(","))) == ("repository", repository.name, {"pull", "push"})


def test_version_check_is_challenged_without_a_scope(repository: Repository) -> None:
    """R2: docker login begins so."""
    with repository.registry.anonymous() as http:
        answer = http.get("/v2/")
    assert answer.status_code == 401
    challenge = parse_challenge(answer.headers["WWW-Authenticate"])
    assert challenge["realm"] and challenge["service"]


def test_token_by_get_opens_the_repository(repository: Repository) -> None:
    """R2"""
    body = get_token(repository, f"repository:{repository.name}:pull,push")
    assert body["token"] == body["access_token"]
    assert body["expires_in"] >= SHORTEST_LIFE_S
    assert datetime.fromisoformat(body["issued_at"]).tzinfo is not None
    assert with_token(repository, body["token"]).status_code == 200
    assert with_token(repository, body["token"], "POST", "blobs/uploads/").status_code == 202


def test_several_scopes_may_be_asked_for_at_once(repository: Repository) -> None:
    """R2: GET repeats the parameter; some clients put a space between them instead."""
    other = repository.registry.repository()
    other.push_blob(b"{}")
    scopes = [f"repository:{one.name}:pull" for one in (repository, other)]
    for token in (get_token(repository, *scopes)["token"], get_token(repository, " ".join(scopes))["token"]):
        assert with_token(repository, token).status_code == 200
        assert with_token(other, token).status_code == 200


def test_token_by_post_opens_the_repository(repository: Repository) -> None:
    """R2"""
    other = repository.registry.repository()
    other.push_blob(b"{}")
    answer = post_token(repository, scope=f"repository:{repository.name}:pull,push repository:{other.name}:pull")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["expires_in"] >= SHORTEST_LIFE_S
    assert f"repository:{repository.name}:" in body["scope"]
    assert "refresh_token" not in body
    assert with_token(repository, body["access_token"], "POST", "blobs/uploads/").status_code == 202
    assert with_token(other, body["access_token"]).status_code == 200


@pytest.mark.parametrize("missing", ["grant_type", "service", "client_id", "username"])
def test_post_that_lacks_a_field_is_refused(repository: Repository, missing: str) -> None:
    """R2"""
    assert post_token(repository, **{missing: ""}).status_code in {400, 401}


def test_unknown_grant_is_refused(repository: Repository) -> None:
    """R2"""
    assert post_token(repository, grant_type="client_credentials").status_code == 400


def test_refresh_token_comes_only_when_asked_for_and_gives_new_tokens(repository: Repository) -> None:
    """R2"""
    scope = f"repository:{repository.name}:pull"
    assert "refresh_token" not in get_token(repository, scope)
    asked = get_token(repository, scope, offline_token="true")
    offline = post_token(repository, scope=scope, access_type="offline").json()
    for refresh in (asked["refresh_token"], offline["refresh_token"]):
        answer = post_token(
            repository, grant_type="refresh_token", refresh_token=refresh, scope=scope, username="", password=""
        )
        assert answer.status_code == 200, answer.text
        assert with_token(repository, answer.json()["access_token"]).status_code == 200
        assert with_token(repository, refresh).status_code == 401


def test_token_for_pulling_does_not_push(repository: Repository) -> None:
    """R2"""
    token = get_token(repository, f"repository:{repository.name}:pull")["token"]
    answer = with_token(repository, token, "POST", "blobs/uploads/")
    assert answer.status_code == 401
    challenge = parse_challenge(answer.headers["WWW-Authenticate"])
    assert challenge["error"] == "insufficient_scope"
    assert "push" in challenge["scope"]


def test_token_for_one_repository_does_not_open_another(repository: Repository) -> None:
    """R2"""
    other = repository.registry.repository()
    other.push_blob(b"{}")
    token = get_token(repository, f"repository:{repository.name}:pull")["token"]
    assert with_token(other, token).status_code == 401


def test_asking_for_too_much_gives_what_one_may_have(repository: Repository) -> None:
    """R2"""
    body = get_token(repository, f"repository:{repository.name}:pull", "repository:nowhere/at-all:pull,push")
    assert with_token(repository, body["token"]).status_code == 200


def test_name_of_a_resource_may_hold_a_colon(repository: Repository) -> None:
    """R2: scopes are split at the last colon."""
    get_token(repository, "repository:127.0.0.1:5000/library/x:pull")


@pytest.mark.parametrize("scope", ["nonsense", "repository:", "repository::pull", "::::", "a" * 5000])
def test_malformed_scope_breaks_nothing(repository: Repository, scope: str) -> None:
    """R2"""
    challenge, registry = challenge_of(repository), repository.registry
    answer = httpx.get(
        challenge["realm"], params={"service": challenge["service"], "scope": scope},
        auth=(registry.username, registry.password), trust_env=False,
    )  # fmt: skip
    assert answer.status_code in {200, 400, 414}


def test_wrong_password_gets_no_token(repository: Repository) -> None:
    """R2"""
    challenge, registry = challenge_of(repository), repository.registry
    wrong = (registry.username, secrets.token_hex(8))
    assert httpx.get(challenge["realm"], auth=wrong, trust_env=False).status_code == 401
    answer = post_token(repository, password=secrets.token_hex(8))
    # containerd falls back to GET on 400, 401, 404 and 405 alone.
    assert answer.status_code in {400, 401}


def test_basic_credentials_open_the_registry(repository: Repository) -> None:
    """R2"""
    registry = repository.registry
    with registry.anonymous() as http:
        for path in ("/v2/", repository.path("tags/list")):
            assert http.get(path, auth=(registry.username, registry.password)).status_code == 200
            assert http.get(path, auth=(registry.username, secrets.token_hex(8))).status_code == 401


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Bearer a.b.c", "Basic", "Basic !!!", "Digest x", "Bearer é"])
def test_malformed_authorization_is_refused(repository: Repository, header: str) -> None:
    """R2"""
    with repository.registry.anonymous() as http:
        answer = http.get(repository.path("tags/list"), headers={b"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401


def forge(token: str, header: dict[str, object] | None = None, claims: dict[str, object] | None = None) -> str:
    """The token with parts of it changed and its signature kept."""
    first, second, signature = token.split(".")

    def changed(part: str, change: dict[str, object] | None) -> str:
        document = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        text = json.dumps(document | (change or {})).encode()
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()

    return f"{changed(first, header)}.{changed(second, claims)}.{signature}"


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"alg": "none"}, None), ({"alg": "HS256"}, None), ({"kid": "other"}, None), ({"crit": ["x"]}, None),
        (None, {"aud": "elsewhere"}), (None, {"exp": 4102444800}), (None, {"access": []}),
    ],
)  # fmt: skip
def test_forged_token_is_refused(
    repository: Repository, header: dict[str, object] | None, claims: dict[str, object] | None
) -> None:
    """R2, G3"""
    token = get_token(repository, f"repository:{repository.name}:pull")["token"]
    assert with_token(repository, token).status_code == 200
    assert with_token(repository, forge(token, header, claims)).status_code == 401
