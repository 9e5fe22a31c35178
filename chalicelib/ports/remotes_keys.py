"""Keys of the registries elsewhere that instances know, beside `keys.py`.

pk                    sk                  what stands there
INSTANCE#<instance>   REMOTE#<ulid>       a remote: address, login, and the rules that use it
INSTANCE#<instance>   REMOTENAME#<name>   which remote has the name
"""

from __future__ import annotations

from .keys import instance_partition
from .table import Key


def remote(instance: str, remote: str) -> Key:
    return Key(instance_partition(instance), f"REMOTE#{remote}")


def remote_name(instance: str, name: str) -> Key:
    return Key(instance_partition(instance), f"REMOTENAME#{name}")
