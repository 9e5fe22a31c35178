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


@pytest.mark.parametrize("missing", ["signing_key", "secret_key"])
def test_several_machines_must_be_given_their_secrets(tmp_path: Path, missing: str) -> None:
    """R2: keys made on each would refuse each other's tokens."""
    given = open_keyring(Settings(data=tmp_path))
    pem = (tmp_path / "secrets" / "token-key.pem").read_text()
    values = {"stack": "aws", "data": tmp_path, "signing_key": pem, "secret_key": given.hashing.decode()}
    assert open_keyring(Settings.model_validate(values)).keys[0].id == given.keys[0].id
    del values[missing]
    with pytest.raises(ValueError, match=f"CRS_{missing.upper()} must be set"):
        open_keyring(Settings.model_validate(values))


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
