"""The service's own secrets: the keys that sign tokens, and the secret of keyed hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack

_PEM: Final = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)
_SHORTEST_SECRET: Final = 32
# Of P-256 (SEC 2, 2.4.2): private keys are the numbers below it.
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


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


def keyring_of(stack: Stack) -> Keyring:
    """This process's, opened with the first question and kept."""
    return stack.keep("keyring", lambda: open_keyring(stack.settings, stack.secrets))


def open_keyring(settings: Settings, secrets_kept: Callable[[], Mapping[str, str]] = dict) -> Keyring:
    """From the settings, else from what the deployment keeps, else, on one machine, from `<data>/secrets`, made at the
    first start. Several machines without a signing key have one that follows from the secret, the same for all.

    Raises ValueError naming the variable that is missing or does not fit, Unavailable.
    """
    given = {"signing_key": settings.signing_key, "secret_key": settings.secret_key}
    if not settings.secret_key:
        given = {**secrets_kept(), **{name: value for name, value in given.items() if value}}
    secret = given.get("secret_key") or _made(settings, "CRS_SECRET_KEY", "hmac-key", lambda: secrets.token_hex(32))
    if len(secret.strip()) < _SHORTEST_SECRET:
        raise ValueError(f"CRS_SECRET_KEY needs at least {_SHORTEST_SECRET} characters")
    pem = given.get("signing_key") or _signing_key(settings, secret.strip())
    keys = tuple(_key(block) for block in _PEM.findall(pem))
    if not keys:
        raise ValueError("CRS_SIGNING_KEY holds no PEM of a private key")
    return Keyring(keys, secret.strip().encode())


def _signing_key(settings: Settings, secret: str) -> str:
    if settings.one_machine:
        return _made(settings, "CRS_SIGNING_KEY", "token-key.pem", _new_pem)
    # 64 bits more than the order of the curve has make the remainder as good as uniform (FIPS 186-5, A.2.1).
    derived = HKDF(hashes.SHA256(), 40, salt=None, info=b"crs signing key").derive(secret.encode())
    return _pem(ec.derive_private_key(int.from_bytes(derived) % (_ORDER - 1) + 1, ec.SECP256R1()))


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
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
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
