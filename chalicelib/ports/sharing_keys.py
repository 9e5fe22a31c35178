"""Where index 1 has an instance's shares, by guest: their rows stand with their repository (`keys.share`).

index 1: SHARES#<instance>    <account>/<user name>#<share>
"""

from __future__ import annotations

from .table import Key


def shares_order(instance: str) -> Key:
    """The partition, and how all of its sort keys begin."""
    return Key(f"SHARES#{instance}", "")


def shares_place(instance: str, account: str, username: str, share: str) -> dict[str, str]:
    """The attributes of a share's row by which it stands there."""
    return {"i1pk": f"SHARES#{instance}", "i1sk": f"{account}/{username}#{share}"}
