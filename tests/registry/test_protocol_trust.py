"""Who is let in: tokens over /token, addresses, listeners, forged headers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.access.service import Access
from chalicelib.credentials.service import Credentials
from chalicelib.namespaces.models import NewNamespace
from chalicelib.namespaces.service import Namespaces

from .wire import LOGIN, Wire, exchange, sha256

INTERNAL = 5999


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Wire]:
    """An enterprise instance whose allowlist has 10.0.0.0/8 alone."""
    served = Wire(tmp_path, edition="enterprise", internal_port=INTERNAL, trusted_proxies="192.168.0.1")
    Access(served.stack).add(served.instance, "10.0.0.0/8")
    yield served
    served.close()


def test_token_by_get_is_what_clients_need(wire: Wire) -> None:
    """R2"""
    scopes = ["repository:library/a:pull,push", "repository:library/b:pull"]
    answer = wire.ask("GET", "/token", params={"service": "x", "scope": scopes})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    document = answer.json()
    assert document["token"] == document["access_token"]
    assert document["expires_in"] == 300
    assert wire.ask("POST", "/v2/library/a/blobs/uploads/", token=document["token"]).status_code == 202
    assert wire.ask("POST", "/v2/library/b/blobs/uploads/", token=document["token"]).status_code == 401


def test_token_by_post(wire: Wire) -> None:
    """R2"""
    form = {
        "grant_type": "password",
        "service": "x",
        "client_id": "test",
        "username": LOGIN[0],
        "password": LOGIN[1],
        "scope": "repository:library/a:pull,push",
    }
    answer = wire.ask("POST", "/token", login=None, data=form)
    assert answer.status_code == 200
    token = answer.json()["access_token"]
    assert wire.ask("POST", "/v2/library/a/blobs/uploads/", token=token).status_code == 202
    assert wire.ask("POST", "/token", login=None, data={**form, "password": "wrong"}).status_code == 401
    assert wire.ask("POST", "/token", login=None, data={"grant_type": "password"}).status_code == 400
    assert wire.ask("POST", "/token", login=None, json=form).status_code == 400


def test_token_for_a_wrong_password_is_refused_and_in_the_end_throttled(wire: Wire) -> None:
    """R2, G3"""
    answers = [wire.ask("GET", "/token", login=("admin", f"wrong-{n}")) for n in range(11)]
    assert answers[0].status_code == 401
    assert answers[0].json()["errors"][0]["code"] == "UNAUTHORIZED"
    assert answers[-1].status_code == 429
    assert answers[-1].json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_form_over_its_limit_is_refused(wire: Wire) -> None:
    form = b"grant_type=password&x=" + b"a" * 65536
    headers = [("content-type", "application/x-www-form-urlencoded"), ("content-length", str(len(form)))]
    assert exchange(wire, "POST", "/token", headers, [form]).status == 413
    assert wire.ask("PUT", "/token").status_code == 405


def test_reset_password_ends_tokens_at_once_for_pulls_and_pushes(wire: Wire) -> None:
    """G3"""
    wire.push_image("library/app", "v1")
    token = wire.token("repository:library/app:pull,push")
    assert wire.ask("GET", "/v2/library/app/manifests/v1", token=token).status_code == 200
    Credentials(wire.stack).reset_password(wire.instance.id, LOGIN[0], "another-password-1")
    assert wire.ask("GET", "/v2/library/app/manifests/v1", token=token).status_code == 401
    assert wire.ask("POST", "/v2/library/app/blobs/uploads/", token=token).status_code == 401
    assert wire.ask("GET", "/v2/").status_code == 401


def test_address_off_the_allowlist_gets_in_nowhere(guarded: Wire) -> None:
    """G2"""
    for path in ("/v2/", "/token", "/v2/library/app/manifests/v1"):
        refused = exchange(guarded, "GET", path, peer="11.0.0.1")
        assert (refused.status, refused.code) == (403, "DENIED")
        assert b"ADDRESS_NOT_ALLOWED" in refused.body
    assert exchange(guarded, "GET", "/v2/", peer="10.1.2.3").status == 401
    assert exchange(guarded, "GET", "/v2/", peer="::ffff:10.1.2.3").status == 401


def test_internal_listener_lets_any_address_in(guarded: Wire) -> None:
    """G2"""
    assert exchange(guarded, "GET", "/v2/", peer="11.0.0.1", port=INTERNAL).status == 401
    assert exchange(guarded, "GET", "/token", peer="11.0.0.1", port=INTERNAL).status == 200


def test_forwarded_address_of_a_stranger_is_not_believed(guarded: Wire) -> None:
    """G2"""
    forged = [("x-forwarded-for", "10.1.2.3"), ("x-real-ip", "10.1.2.3"), ("forwarded", "for=10.1.2.3")]
    assert exchange(guarded, "GET", "/v2/", forged, peer="11.0.0.1").status == 403
    assert exchange(guarded, "GET", "/token", forged, peer="11.0.0.1").status == 403


def test_forwarded_address_of_our_proxy_counts_and_is_remembered_apart(guarded: Wire) -> None:
    """G2: an answer remembered for one client behind a proxy is none for another."""
    guarded.use(guarded.stack, ("10.0.0.9", 1))
    body = guarded.push_image("open/app", "v1")
    path = "/v2/open/app/manifests/v1"
    inside, outside = [("x-forwarded-for", "10.1.2.3")], [("x-forwarded-for", "10.1.2.3, 11.0.0.1")]
    for _ in range(2):
        assert exchange(guarded, "GET", path, inside, peer="192.168.0.1").body == body
        assert exchange(guarded, "GET", path, outside, peer="192.168.0.1").status == 403
    https = [("x-forwarded-proto", "https"), *inside]
    challenge = exchange(guarded, "GET", "/v2/", https, peer="192.168.0.1").headers["www-authenticate"]
    assert 'realm="https://registry.test:5000/token"' in challenge


def test_address_taken_off_the_allowlist_is_refused_at_once(guarded: Wire) -> None:
    """G2"""
    access = Access(guarded.stack)
    entry = access.add(guarded.instance, "11.0.0.0/8")
    assert exchange(guarded, "GET", "/v2/", peer="11.0.0.1").status == 401
    access.remove(guarded.instance, entry.id)
    assert exchange(guarded, "GET", "/v2/", peer="11.0.0.1").status == 403


def test_read_remembered_for_one_caller_is_none_for_another(wire: Wire) -> None:
    wire.push_image("library/app", "v1")
    token = wire.token("repository:library/app:pull")
    path = "/v2/library/app/manifests/v1"
    for _ in range(2):
        assert wire.ask("GET", path, token=token).status_code == 200
        assert wire.ask("GET", path, login=None).status_code == 401
        assert wire.ask("GET", path, token=wire.token("repository:library/other:pull")).status_code == 401


def test_missing_repository_without_auto_create_says_so_to_its_owner(wire: Wire) -> None:
    """R5, N1"""
    new = NewNamespace.model_validate({"name": "closed", "auto_create_repository": False})
    Namespaces(wire.stack).create(wire.instance, new)
    answer = wire.ask("POST", "/v2/closed/app/blobs/uploads/")
    assert answer.status_code == 404
    assert "create it first" in answer.json()["errors"][0]["message"]


def test_frozen_instance_says_so_and_what_was_remembered_ends_with_it(tmp_path: Path) -> None:
    """I6, R5"""
    wire = Wire(tmp_path)
    try:
        from datetime import timedelta

        from tests.stacks import make_instance, make_namespace

        soon = wire.clock.now() + timedelta(seconds=30)
        instance = make_instance(wire.stack, "brief", expires_at=soon, account_id="other")
        make_namespace(wire.stack, instance, "open", default_visibility="public")
        Credentials(wire.stack).create(instance, *LOGIN)
        wire.client.headers["Host"] = f"{instance.label}.localhost:5000"
        wire.push_image("open/app", "v1")
        path = "/v2/open/app/manifests/v1"
        assert wire.ask("GET", path).status_code == 200
        wire.clock.advance(31)
        for answer in (wire.ask("GET", path), wire.ask("POST", "/v2/open/app/blobs/uploads/")):
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "DENIED")
            assert answer.json()["errors"][0]["detail"]["reason"] == "INSTANCE_FROZEN"
    finally:
        wire.close()


def test_token_of_another_instance_opens_nothing(wire: Wire) -> None:
    """R2"""
    from tests.stacks import make_instance, make_namespace

    other = make_instance(wire.stack, "other", account_id="other")
    make_namespace(wire.stack, other)
    Credentials(wire.stack).create(other, *LOGIN)
    token = wire.token("repository:library/app:pull,push")
    host = {"Host": f"{other.label}.localhost:5000"}
    answer = wire.ask("POST", "/v2/library/app/blobs/uploads/", token=token, headers=host)
    assert answer.status_code == 401


def test_blob_of_a_private_repository_is_not_mounted_by_a_stranger(wire: Wire) -> None:
    """zot CVE-2024-39897"""
    wire.push_blob("library/private", b"secret")
    token = wire.token("repository:open/app:pull", login=None)
    query = {"mount": sha256(b"secret"), "from": "library/private"}
    assert wire.ask("POST", "/v2/open/app/blobs/uploads/", params=query, token=token).status_code == 401
    assert wire.ask("GET", f"/v2/open/app/blobs/{sha256(b'secret')}", token=token).status_code == 401
