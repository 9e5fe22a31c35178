"""Secrets that the service has to say again: passwords at other registries, sealed before the table holds them.

AES-256-GCM by a key that follows from the service's own secret. What a secret is for is authenticated with it, so that
one row's cannot be put into another's place.
"""

from __future__ import annotations

import base64
import binascii
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chalicelib.kernel.errors import Conflict
from chalicelib.ports.stack import Stack

from .keyring import keyring_of

_NONCE_BYTES: Final = 12
# Of what is sealed: leaves room for another way later.
_VERSION: Final = b"1"


def seal(stack: Stack, secret: str, about: str) -> str:
    """about: what the secret is for, such as the key of its row; the same has to be said to `unseal` it."""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = _cipher(stack).encrypt(nonce, secret.encode(), about.encode())
    return base64.b64encode(_VERSION + nonce + sealed).decode()


def unseal(stack: Stack, sealed: str, about: str) -> str:
    """Raises Conflict where it was sealed with another key of the service, or for something else: it has to be given
    anew."""
    try:
        packed = base64.b64decode(sealed, validate=True)
        version, nonce, rest = packed[:1], packed[1 : 1 + _NONCE_BYTES], packed[1 + _NONCE_BYTES :]
        if version != _VERSION:
            raise InvalidTag
        return _cipher(stack).decrypt(nonce, rest, about.encode()).decode()
    except (InvalidTag, ValueError, binascii.Error):
        raise Conflict("the password that was kept can be read no more; give it again") from None


def _cipher(stack: Stack) -> AESGCM:
    return AESGCM(keyring_of(stack).keyed_hash(b"sealing"))
