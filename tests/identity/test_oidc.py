"""Tokens of identity providers: what is believed, what is not, and how often their keys are asked for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chalicelib.identity import oidc
from chalicelib.kernel.errors import Invalid, Unauthenticated, Unavailable
from chalicelib.ports.stack import Stack
from tests.identity.issuer import EC_KEY, ED_KEY, RSA_KEY, Issuer, issuing, public_jwk
from tests.stacks import FrozenClock, embedded_stack


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock, allow_private_addresses=True) as opened:
        yield opened


@pytest.fixture
def issuer(clock: FrozenClock) -> Iterator[Issuer]:
    with issuing(clock) as opened:
        yield opened


def verified(stack: Stack, issuer: Issuer, token: str) -> oidc.Claims:
    return oidc.verify(stack, token, issuer=issuer.url, audience="registry")


def refused(stack: Stack, issuer: Issuer, token: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        verified(stack, issuer, token)
    assert refusal.value.message == oidc.refused().message


@pytest.mark.parametrize(
    ("algorithm", "key"), [("ES256", EC_KEY), ("RS256", RSA_KEY), ("PS256", RSA_KEY), ("EdDSA", ED_KEY)]
)
def test_a_genuine_token_says_who_its_holder_is(stack: Stack, issuer: Issuer, algorithm: str, key: Any) -> None:
    """X4"""
    issuer.keys = {"first": key}
    claims = verified(stack, issuer, issuer.token(key=key, algorithm=algorithm, ref="refs/heads/main"))
    assert (claims["sub"], claims["ref"]) == ("repo:acme/app", "refs/heads/main")


def test_a_token_without_a_key_id_means_the_only_key(stack: Stack, issuer: Issuer, clock: FrozenClock) -> None:
    """X4"""
    verified(stack, issuer, issuer.token(kid=None))
    issuer.keys["second"] = ec.generate_private_key(ec.SECP256R1())
    clock.advance(3600)
    refused(stack, issuer, issuer.token(kid=None))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": ["registry", "other"]},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"exp": None},
        {"iat": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 10**400},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_us_is_refused(stack: Stack, issuer: Issuer, claims: dict[str, Any]) -> None:
    """X4"""
    refused(stack, issuer, issuer.token(**claims))


def test_an_audience_may_be_a_list_of_one(stack: Stack, issuer: Issuer) -> None:
    """X4"""
    assert verified(stack, issuer, issuer.token(aud=["registry"]))["aud"] == ["registry"]


def test_times_are_kept_to_the_minute(stack: Stack, issuer: Issuer, clock: FrozenClock) -> None:
    """X4: sixty seconds of leeway, and a day of life at most."""
    now = int(clock.now().timestamp())
    verified(stack, issuer, issuer.token(iat=now + 60, nbf=now + 60))
    refused(stack, issuer, issuer.token(iat=now + 61, nbf=None))
    refused(stack, issuer, issuer.token(nbf=now + 61))
    verified(stack, issuer, issuer.token(iat=now - 600, exp=now - 59))
    refused(stack, issuer, issuer.token(iat=now - 600, exp=now - 60))
    verified(stack, issuer, issuer.token(exp=now + 24 * 3600))
    refused(stack, issuer, issuer.token(exp=now + 24 * 3600 + 1))
    refused(stack, issuer, issuer.token(iat=now, nbf=None, exp=now))


def test_a_signature_by_another_key_is_refused(stack: Stack, issuer: Issuer) -> None:
    """X4, whatever key the token brings along."""
    own = ec.generate_private_key(ec.SECP256R1())
    jwk = public_jwk(own, "first")
    for header in ({}, {"jwk": jwk}, {"jku": f"{issuer.url}/mine"}, {"x5u": f"{issuer.url}/mine"}, {"x5c": ["AAAA"]}):
        refused(stack, issuer, issuer.token(key=own, header=header))
    assert "/mine" not in issuer.asked


def test_unsigned_and_keyed_tokens_are_refused(stack: Stack, issuer: Issuer) -> None:
    """X4: `none`, and HS256 with the public key as the secret."""
    pem = EC_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    issuer.extra_keys = [{"kty": "oct", "k": _text(b"s" * 32), "kid": "secret", "alg": "HS256"}]
    for kid, secret in (("first", pem), ("secret", b"s" * 32)):
        body = f"{_part({'alg': 'HS256', 'kid': kid})}.{_part(issuer.claims())}"
        refused(stack, issuer, f"{body}.{_text(hmac.digest(secret, body.encode(), hashlib.sha256))}")
    for algorithm in ("none", "None", "NONE", ""):
        refused(stack, issuer, f"{_part({'alg': algorithm, 'kid': 'first'})}.{_part(issuer.claims())}.")


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits long")
def test_an_algorithm_that_its_key_is_not_for_is_refused(stack: Stack, issuer: Issuer) -> None:
    """X4: RS256 by a key published for PS256 alone, a short RSA key, another curve."""
    issuer.keys = {}
    small = rsa.generate_private_key(65537, 1024)  # noqa: S505
    curve = ec.generate_private_key(ec.SECP384R1())
    issuer.extra_keys = [
        {**public_jwk(RSA_KEY, "ps"), "alg": "PS256"},
        public_jwk(small, "small"),
        public_jwk(curve, "curve"),
        {**public_jwk(EC_KEY, "enc"), "use": "enc"},
    ]
    verified(stack, issuer, issuer.token(key=RSA_KEY, algorithm="PS256", kid="ps"))
    refused(stack, issuer, issuer.token(key=RSA_KEY, algorithm="RS256", kid="ps"))
    refused(stack, issuer, issuer.token(key=small, algorithm="RS256", kid="small"))
    refused(stack, issuer, issuer.token(key=curve, algorithm="ES384", kid="curve"))
    refused(stack, issuer, issuer.token(kid="enc"))


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": []}, {"typ": "at+jwt"}], ids=str)
def test_what_a_header_asks_for_beyond_the_usual_is_refused(
    stack: Stack, issuer: Issuer, header: dict[str, Any]
) -> None:
    """X4"""
    refused(stack, issuer, issuer.token(header=header))


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "a.b.c.d", "é.b.c", "x" * 17_000, "e30.e30.", "W10.e30.x"])
def test_what_is_no_token_is_refused(stack: Stack, issuer: Issuer, token: str) -> None:
    """X4"""
    refused(stack, issuer, token)
    assert issuer.asked == []


def test_a_claim_said_twice_is_refused(stack: Stack, issuer: Issuer) -> None:
    """X4: whoever reads the first and whoever reads the last would disagree."""
    header, claims, signature = issuer.token().split(".")
    doubled = base64.urlsafe_b64decode(claims + "==").rstrip(b"}") + b',"sub":"admin"}'
    refused(stack, issuer, f"{header}.{_text(doubled)}.{signature}")


def test_keys_are_asked_for_once_an_hour_and_once_a_minute_for_unknown_ones(
    stack: Stack, issuer: Issuer, clock: FrozenClock
) -> None:
    """X4"""
    for _ in range(3):
        verified(stack, issuer, issuer.token())
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
    second = ec.generate_private_key(ec.SECP256R1())
    issuer.keys["second"] = second
    refused(stack, issuer, issuer.token(key=second, kid="second"))
    assert len(issuer.asked) == 2
    clock.advance(60)
    verified(stack, issuer, issuer.token(key=second, kid="second"))
    assert len(issuer.asked) == 4
    del issuer.keys["second"]
    clock.advance(3599)
    verified(stack, issuer, issuer.token(key=second, kid="second"))
    clock.advance(1)
    refused(stack, issuer, issuer.token(key=second, kid="second"))


def test_an_issuer_that_does_not_answer_is_asked_once_a_minute(
    stack: Stack, issuer: Issuer, clock: FrozenClock
) -> None:
    """X4"""
    issuer.broken = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            verified(stack, issuer, issuer.token())
    assert len(issuer.asked) == 1
    issuer.broken = False
    clock.advance(60)
    verified(stack, issuer, issuer.token())


def test_issuers_that_answer_slowly_hold_a_few_threads_and_nobody_who_is_known(
    stack: Stack, clock: FrozenClock
) -> None:
    """X4: whoever makes rules for issuers of his own must not hold the threads that everybody's pushes need."""
    with issuing(clock) as known, ExitStack() as opened, ThreadPoolExecutor(12) as threads:
        verified(stack, known, known.token())
        slow = [opened.enter_context(issuing(clock)) for _ in range(12)]
        for one in slow:
            one.speaks.clear()
        asked = [threads.submit(verified, stack, one, one.token()) for one in slow]
        turned_away = list(islice(as_completed(asked, timeout=4), 4))
        assert all(isinstance(one.exception(), Unavailable) for one in turned_away)
        assert verified(stack, known, known.token())["iss"] == known.url
        assert len([one for one in asked if not one.done()]) == 8
        for one in slow:
            one.speaks.set()
        assert all(one.result()["aud"] == "registry" for one in asked if one not in turned_away)


def test_where_an_issuer_keeps_its_keys_is_not_asked_on_its_word(tmp_path: Path, clock: FrozenClock) -> None:
    """X4: an answer that told a private address from a silent one would tell strangers of our network."""
    with embedded_stack(tmp_path, clock, allow_private_addresses=True) as stack, issuing(clock) as issuer:
        issuer.document = {"jwks_uri": "http://169.254.169.254/latest/"}
        with pytest.raises(Unavailable):
            verified(stack, issuer, issuer.token())


def test_a_document_of_another_issuer_is_not_believed(stack: Stack, issuer: Issuer) -> None:
    """X4"""
    issuer.document = {"issuer": issuer.url + "/"}
    with pytest.raises(Unavailable):
        verified(stack, issuer, issuer.token())


def test_a_token_is_used_once_until_it_ends(stack: Stack, issuer: Issuer, clock: FrozenClock) -> None:
    """X4: known by its `jti`, or by everything it says, however its signature is written."""
    for jti in ("one", None):
        claims = verified(stack, issuer, issuer.token(jti=jti))
        oidc.use_once(stack, claims)
        again = verified(stack, issuer, issuer.token(jti=jti))
        with pytest.raises(Unauthenticated):
            oidc.use_once(stack, again)
    oidc.use_once(stack, verified(stack, issuer, issuer.token(jti="two")))
    clock.advance(600 + 61)
    oidc.use_once(stack, verified(stack, issuer, issuer.token(jti="one")))


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "https://127.0.0.1", "https://[::1]/", "issuer", "https://a:b@c"])
def test_an_address_that_may_not_be_called_is_no_issuer(tmp_path: Path, url: str) -> None:
    """X4"""
    with embedded_stack(tmp_path) as stack, pytest.raises(Invalid) as refusal:
        oidc.require_issuer(stack, url)
    assert refusal.value.fields[0][0] == "issuer"


def test_what_a_token_says_of_itself_is_read_without_asking_anybody(issuer: Issuer) -> None:
    """X4"""
    assert oidc.read_unproven(issuer.token())["iss"] == issuer.url
    with pytest.raises(Unauthenticated):
        oidc.read_unproven("no token")
    assert issuer.asked == []


def _part(value: dict[str, Any]) -> str:
    return _text(json.dumps(value).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
