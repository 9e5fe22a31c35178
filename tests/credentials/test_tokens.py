"""Tokens: what is refused, what is remembered, what ends them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib.credentials.models import Grant
from chalicelib.credentials.remembered import VerifiedToken
from chalicelib.credentials.service import Credentials
from chalicelib.identity.keyring import SigningKey, open_keyring
from chalicelib.identity.recent import Recent
from chalicelib.kernel.errors import Unauthenticated
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import ANONYMOUS, Action
from chalicelib.ports import keys
from chalicelib.ports.table import Table
from tests.credentials.conftest import HOME, Desk, open_desk
from tests.stacks import embedded_stack, make_instance, with_table

NAME = RepositoryName.parse("library/x")
GRANT = Grant(NAME, "R1", frozenset({Action.PULL, Action.PUSH}))


@pytest.fixture(scope="module")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """For tests that change nothing."""
    with open_desk(tmp_path_factory.mktemp("desk")) as opened:
        yield opened


def own_key(desk: Desk) -> SigningKey:
    return open_keyring(desk.stack.settings).keys[0]


def issued(desk: Desk) -> str:
    principal = desk.credentials.basic(desk.instance, "admin", "secret", HOME)
    return desk.credentials.issue(desk.instance, principal, [GRANT]).text


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return json.loads(_unpack(header)), json.loads(_unpack(claims))


def refused(desk: Desk, token: str) -> None:
    for fresh in (True, False):
        with pytest.raises(Unauthenticated):
            desk.credentials.bearer(desk.instance, token, fresh=fresh)


def test_a_token_is_its_holder_narrowed_to_its_grants(desk: Desk) -> None:
    """R2"""
    principal = desk.credentials.bearer(desk.instance, issued(desk))
    assert (principal.kind, principal.name, principal.instance_id) == ("primary", "admin", desk.instance.id)
    assert principal.grants == frozenset({("library/x", "R1", "pull"), ("library/x", "R1", "push")})
    assert principal.issued_at == int(desk.clock.now().timestamp())


def test_a_token_says_what_the_documentation_asks_for(desk: Desk) -> None:
    """R2: distribution's jwt document, and 300 s (DESIGN §7)."""
    header, claims = parts(issued(desk))
    assert header == {"alg": "ES256", "kid": own_key(desk).id, "typ": "JWT"}
    assert claims["aud"] == desk.instance.id
    assert claims["exp"] - claims["iat"] == 300
    assert claims["access"] == [{"type": "repository", "name": "library/x", "id": "R1", "actions": ["pull", "push"]}]


def test_tokens_are_never_the_same_twice(desk: Desk) -> None:
    """R2"""
    assert parts(issued(desk))[1]["jti"] != parts(issued(desk))[1]["jti"]


def test_a_token_ends_after_five_minutes_also_when_it_is_remembered(desk: Desk) -> None:
    """R2"""
    used, unused = issued(desk), issued(desk)
    desk.clock.advance(299)
    desk.credentials.bearer(desk.instance, used)
    desk.clock.advance(1)
    refused(desk, used)
    refused(desk, unused)


def test_a_token_is_good_for_its_own_instance_alone_also_when_it_is_remembered(desk: Desk) -> None:
    """R2"""
    other = make_instance(desk.stack, "other")
    desk.credentials.create(other, "admin", "secret")
    token, unused = issued(desk), issued(desk)
    nobodys = desk.credentials.issue(desk.instance, ANONYMOUS, [GRANT]).text
    for one in (token, nobodys):
        desk.credentials.bearer(desk.instance, one)
    for one in (token, nobodys, unused):
        with pytest.raises(Unauthenticated):
            desk.credentials.bearer(other, one)


def test_a_reset_password_ends_tokens_at_once_in_every_process(tmp_path: Path, desk: Desk) -> None:
    """G3"""
    token = issued(desk)
    with embedded_stack(tmp_path, desk.clock) as stack:
        other = Credentials(stack)
        assert other.bearer(desk.instance, token) == desk.credentials.bearer(desk.instance, token)
        desk.credentials.reset_password(desk.instance.id, "admin", "new")
        refused(desk, token)
        for fresh in (True, False):
            with pytest.raises(Unauthenticated):
                other.bearer(desk.instance, token, fresh=fresh)


def test_a_write_asks_the_table_itself_whether_the_token_was_revoked(desk: Desk) -> None:
    """G3: a gateway that may serve pulls from memory for 5 s must not take a push by a revoked token."""
    token = issued(desk)
    desk.credentials.bearer(desk.instance, token)
    late = Credentials(with_table(desk.stack, _LateTable(desk.stack.table)))
    late.bearer(desk.instance, token)
    desk.credentials.reset_password(desk.instance.id, "admin", "new")
    late.bearer(desk.instance, token)
    with pytest.raises(Unauthenticated):
        late.bearer(desk.instance, token, fresh=True)


def test_a_credential_made_anew_has_none_of_the_old_ones_tokens(desk: Desk) -> None:
    """G3"""
    token = issued(desk)
    desk.stack.table.delete(keys.credential(desk.instance.id, "admin"))
    refused(desk, token)
    desk.credentials.create(desk.instance, "admin", "secret")
    refused(desk, token)


def test_nobody_has_a_token_too(desk: Desk) -> None:
    """N3"""
    text = desk.credentials.issue(desk.instance, ANONYMOUS, [GRANT]).text
    principal = desk.credentials.bearer(desk.instance, text, fresh=True)
    assert principal.anonymous
    assert principal.grants is not None


Forgery = Callable[[Desk, dict[str, Any], dict[str, Any]], str]


def _none(desk: Desk, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{_pack({**header, 'alg': 'none'})}.{_pack(claims)}."


def _none_with_our_header(desk: Desk, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{_pack(header)}.{_pack(claims)}."


def _hs256_with_our_public_key(desk: Desk, header: dict[str, Any], claims: dict[str, Any]) -> str:
    public = own_key(desk).public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = f"{_pack({**header, 'alg': 'HS256'})}.{_pack(claims)}"
    signature = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_bytes(signature)}"


def _hs256_under_our_header(desk: Desk, header: dict[str, Any], claims: dict[str, Any]) -> str:
    forged = _hs256_with_our_public_key(desk, {**header}, claims)
    return f"{_pack(header)}.{forged.split('.', 1)[1]}"


def _stranger(desk: Desk, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers=header)


def _with_jwk(desk: Desk, header: dict[str, Any], claims: dict[str, Any]) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return jwt.encode(claims, key, algorithm="ES256", headers={**header, "jwk": jwk})


def _signed(**header_changes: Any) -> Forgery:
    def forge(desk: Desk, header: dict[str, Any], claims: dict[str, Any]) -> str:
        changed = {**header, **header_changes}
        left = {name: value for name, value in changed.items() if value is not None}
        return jwt.encode(claims, own_key(desk).private, algorithm="ES256", headers=left)

    return forge


def _claiming(**changes: Any) -> Forgery:
    """Signed with our own key, as another program of the operator's might: the claims must still be ours."""

    def forge(desk: Desk, header: dict[str, Any], claims: dict[str, Any]) -> str:
        changed = {**claims, **changes}
        left = {name: value for name, value in changed.items() if value is not None}
        return jwt.encode(left, own_key(desk).private, algorithm="ES256", headers=header)

    return forge


def _later(**seconds: int) -> Forgery:
    def forge(desk: Desk, header: dict[str, Any], claims: dict[str, Any]) -> str:
        moved = {name: claims[name] + change for name, change in seconds.items()}
        return _claiming(**moved)(desk, header, claims)

    return forge


def _changed_claims(desk: Desk, header: dict[str, Any], claims: dict[str, Any]) -> str:
    _, _, signature = issued(desk).split(".")
    claims["access"][0]["actions"].append("delete")
    return f"{_pack(header)}.{_pack(claims)}.{signature}"


def _audience_in_a_list(desk: Desk, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return _claiming(aud=[desk.instance.id, "01J00000000000000000000000"])(desk, header, claims)


FORGERIES: dict[str, Forgery] = {
    "alg none": _none,
    "no signature": _none_with_our_header,
    "HS256 with our public key": _hs256_with_our_public_key,
    "HS256 under our header": _hs256_under_our_header,
    "another key under our kid": _stranger,
    "another key in a jwk header": _with_jwk,
    "our key, unknown kid": _signed(kid="other"),
    "our key, no kid": _signed(kid=None),
    "our key, with jku": _signed(jku="https://keys.example/jwks.json"),
    "our key, with x5u": _signed(x5u="https://keys.example/chain.pem"),
    "our key, unknown crit": _signed(crit=["exp2"], exp2=1),
    "changed claims": _changed_claims,
    "foreign audience": _claiming(aud="01J00000000000000000000000"),
    "several audiences": _audience_in_a_list,
    "no audience": _claiming(aud=None),
    "foreign issuer": _claiming(iss="other"),
    "no issuer": _claiming(iss=None),
    "no expiry": _claiming(exp=None),
    "no beginning": _claiming(nbf=None),
    "no moment of issue": _claiming(iat=None),
    "no id": _claiming(jti=None),
    "expired": _later(exp=-300),
    "long expired": _later(exp=-600, nbf=-600, iat=-600),
    "from the future": _later(exp=100, nbf=100, iat=100),
    "begins later": _later(nbf=100),
    "lives too long": _later(exp=1),
    "lives for ever": _claiming(exp=2**40),
    "expiry as text": _claiming(exp="9999999999"),
    "expiry as a broken number": _claiming(exp=1.5e12),
    "expiry as truth": _claiming(exp=True),
    "no kind": _claiming(kind=None),
    "no version": _claiming(version=None),
    "another version": _claiming(version=1),
    "another name": _claiming(sub="other"),
    "access of another shape": _claiming(access=["repository:library/x:pull"]),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused(shared_desk: Desk, forgery: str) -> None:
    """R2, and the flaws of other registries: CVE-2025-24976, PyJWT CVE-2026-32597, -48523, -48526."""
    header, claims = parts(issued(shared_desk))
    refused(shared_desk, FORGERIES[forgery](shared_desk, header, claims))


def test_what_the_forgeries_change_is_all_that_is_wrong_with_them(desk: Desk) -> None:
    """R2: the same tools make a token that is believed."""
    header, claims = parts(issued(desk))
    for make in (_claiming(), _signed(), _later(exp=-1)):
        assert desk.credentials.bearer(desk.instance, make(desk, header, claims)).name == "admin"


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b.c", "x" * 100_000, "é.é.é", "eyJ.eyJ.eyJ", "W" * 9000],
    ids=["empty", "dot", "dots", "letters", "long", "accents", "short", "deep"],
)
def test_what_is_no_token_is_refused(shared_desk: Desk, text: str) -> None:
    """R2"""
    refused(shared_desk, text)


def test_deeply_nested_claims_under_our_header_are_refused(desk: Desk) -> None:
    """R2: no signature, no parsing; and no 500 for whoever tries."""
    header = issued(desk).partition(".")[0]
    refused(desk, f"{header}.{_bytes(b'[' * 8000)}.{_bytes(bytes(64))}")


def test_an_older_key_still_verifies_and_a_removed_one_does_not(tmp_path: Path) -> None:
    """R2: keys can be changed without a moment in which nobody can pull."""
    old, new = _pem(), _pem()
    with embedded_stack(tmp_path, signing_key=old) as stack:
        instance = make_instance(stack)
        token = Credentials(stack).issue(instance, ANONYMOUS, [GRANT]).text
    with embedded_stack(tmp_path, signing_key=new + old) as stack:
        assert Credentials(stack).bearer(instance, token).anonymous
        newer = Credentials(stack).issue(instance, ANONYMOUS, [GRANT]).text
    with embedded_stack(tmp_path, signing_key=new) as stack:
        Credentials(stack).bearer(instance, newer)
        with pytest.raises(Unauthenticated):
            Credentials(stack).bearer(instance, token)


class _LateTable:
    """The table of a gateway that has not heard yet of what others wrote: its epoch stands still for 5 s."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def epoch(self) -> object:
        return "unchanged"


def _pem() -> str:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


def _pack(part: dict[str, Any]) -> str:
    return _bytes(json.dumps(part, separators=(",", ":")).encode())


def _bytes(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpack(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_tokens_that_have_ended_are_remembered_no_longer(desk: Desk) -> None:
    """R2, I8: of a hundred tokens that ended, none takes memory once another comes."""
    ended = [issued(desk) for _ in range(100)]
    for token in ended:
        desk.credentials.bearer(desk.instance, token)
    desk.clock.advance(300)
    desk.credentials.bearer(desk.instance, issued(desk))
    remembered: Recent[str, VerifiedToken] = desk.stack.keep("verified tokens", lambda: Recent(0))
    assert [remembered.get(token) for token in ended] == [None] * 100
