"""The service's own secrets: the keys that sign tokens, and the secret of keyed hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib.kernel.settings import Settings

_PEM: Final = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)
_SHORTEST_SECRET: Final = 32


@dataclass(frozen=True)
class SigningKey:
    """A P-256 key and the id it is known by, which is a hash of its public half."""

    id: str
    private: ec.EllipticCurvePrivateKey
    public: ec.EllipticCurvePublicKey


@dataclass(frozen=True)
class Keyring:
    """keys: the first signs, all verify; hashing: secret of keyed hashes."""

    keys: tuple[SigningKey, ...]
    hashing: bytes

    def keyed_hash(self, purpose: bytes, *parts: bytes) -> bytes:
        """HMAC-SHA256 over purpose and parts, each with its length, so that no two lists of parts read the same."""
        return hmac.digest(self.hashing, b"".join(b"%d:%b" % (len(part), part) for part in (purpose, *parts)), "sha256")


def open_keyring(settings: Settings) -> Keyring:
    """From the settings; on one machine else from `<data>/secrets`, made at the first start.

    Raises ValueError naming the variable that is missing or does not fit.
    """
    pem = settings.signing_key or _made(settings, "CRS_SIGNING_KEY", "token-key.pem", _new_pem)
    secret = settings.secret_key or _made(settings, "CRS_SECRET_KEY", "hmac-key", lambda: secrets.token_hex(32))
    keys = tuple(_key(block) for block in _PEM.findall(pem))
    if not keys:
        raise ValueError("CRS_SIGNING_KEY holds no PEM of a private key")
    if len(secret.strip()) < _SHORTEST_SECRET:
        raise ValueError(f"CRS_SECRET_KEY needs at least {_SHORTEST_SECRET} characters")
    return Keyring(keys, secret.strip().encode())


def _made(settings: Settings, variable: str, name: str, make: Callable[[], str]) -> str:
    if not settings.one_machine:
        raise ValueError(f"{variable} must be set: several machines share it")
    return read_or_make(settings.data / "secrets" / name, make)


def read_or_make(path: Path, make: Callable[[], str]) -> str:
    """The file's text; made first if there is none, whole, durable and readable by the owner alone.

    Of several processes at once one makes it and all read it: a link, unlike a rename, never replaces.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        _sync_folder(path.parent)
    return path.read_text(encoding="utf-8")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode("ascii")


def _key(pem: str) -> SigningKey:
    private = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise ValueError("CRS_SIGNING_KEY must hold P-256 keys")
    public = private.public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    key_id = base64.urlsafe_b64encode(hashlib.sha256(der).digest()[:12]).decode("ascii")
    return SigningKey(key_id, private, public)
