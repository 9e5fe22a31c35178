"""Pure decisions about shares."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Final

# Base 32 as RFC 4648 spells it (hex alphabet) into the alphabet of our ids.
_SPELLING: Final = str.maketrans("0123456789ABCDEFGHIJKLMNOPQRSTUV", "0123456789ABCDEFGHJKMNPQRSTVWXYZ")
_ID_LENGTH: Final = 26


def share_id(repository_id: str, account: str, username: str) -> str:
    """130 bits of the hash. Neither ids nor account names hold a slash, so that no other three read the same."""
    digest = sha256(f"{repository_id}/{account}/{username}".encode()).digest()
    return base64.b32hexencode(digest).decode("ascii")[:_ID_LENGTH].translate(_SPELLING)
