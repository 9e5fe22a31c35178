"""The service's own secrets: made once, durable, readable by the owner alone."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chalicelib.identity.keyring import open_keyring, read_or_make
from chalicelib.kernel.settings import Settings


def test_keys_are_made_at_the_first_start_and_kept(tmp_path: Path) -> None:
    """R2"""
    settings = Settings(data=tmp_path / "data")
    first, second = open_keyring(settings), open_keyring(settings)
    assert first.keys[0].id == second.keys[0].id
    assert first.hashing == second.hashing
    assert open_keyring(Settings(data=tmp_path / "other")).hashing != first.hashing


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    """G3"""
    open_keyring(Settings(data=tmp_path))
    secrets = tmp_path / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()}
    assert modes == {"token-key.pem": 0o600, "hmac-key": 0o600}


def test_of_many_makers_at_once_all_read_the_same(tmp_path: Path) -> None:
    """R2: gateway and consumers start together."""
    path = tmp_path / "secrets" / "key"
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda number: read_or_make(path, lambda: f"made by {number}"), range(64)))
    assert len(set(answers)) == 1
    assert path.read_text() == answers[0]
    assert [left.name for left in path.parent.iterdir()] == ["key"]


def test_several_machines_must_be_given_their_secret(tmp_path: Path) -> None:
    """R2: hashes made on each would not be known to the others."""
    with pytest.raises(ValueError, match="CRS_SECRET_KEY must be set"):
        open_keyring(Settings(stack="aws", data=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_several_machines_with_one_secret_sign_with_one_key(tmp_path: Path) -> None:
    """R2: keys made on each would refuse each other's tokens."""
    one, same, other = (
        open_keyring(Settings(stack="aws", data=tmp_path, secret_key=secret * 32)) for secret in ("a", "a", "b")
    )
    assert one.keys[0].id == same.keys[0].id
    assert one.keys[0].private.private_numbers() == same.keys[0].private.private_numbers()
    assert one.keys[0].id != other.keys[0].id


def test_what_a_deployment_keeps_secret_is_taken_where_the_settings_say_nothing(tmp_path: Path) -> None:
    """G3"""
    pem = _pem_of(tmp_path)
    kept = {"secret_key": "k" * 32, "signing_key": pem}
    keyring = open_keyring(Settings(stack="aws", data=tmp_path), lambda: kept)
    assert keyring.hashing == b"k" * 32
    assert keyring.keys[0].id == open_keyring(Settings(data=tmp_path)).keys[0].id

    def unasked() -> dict[str, str]:
        raise AssertionError("asked though the settings have all that is needed")

    assert open_keyring(Settings(stack="aws", secret_key="s" * 32), unasked).hashing == b"s" * 32


def _pem_of(folder: Path) -> str:
    open_keyring(Settings(data=folder))
    return (folder / "secrets" / "token-key.pem").read_text()


@pytest.mark.parametrize("values", [{"signing_key": "no key"}, {"secret_key": "short"}])
def test_secrets_of_the_wrong_kind_stop_the_start(tmp_path: Path, values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="CRS_"):
        open_keyring(Settings.model_validate({"data": tmp_path, **values}))


def test_parts_of_a_keyed_hash_cannot_be_shifted_into_each_other(tmp_path: Path) -> None:
    """CVE-2026-58426: a signature over ambiguously joined fields."""
    keyring = open_keyring(Settings(data=tmp_path))
    hashes = {
        keyring.keyed_hash(b"pair", b"ab", b"c"),
        keyring.keyed_hash(b"pair", b"a", b"bc"),
        keyring.keyed_hash(b"pair", b"abc"),
        keyring.keyed_hash(b"pair", b"", b"abc"),
        keyring.keyed_hash(b"paira", b"b", b"c"),
    }
    assert len(hashes) == 5
