"""Keys of migrations, beside `keys.py`. The tasks themselves stand where all tasks do.

pk                      sk                          what stands there
MIGRATIONS#<instance>   <task>#ORDER                what it was told: rules, or the instance to be taken over
MIGRATIONS#<instance>   <task>#LOGINS               sealed: how it enters other registries; gone once it succeeded
MIGRATIONS#<instance>   <task>#FAILED#<image>       an image that a retry tries again
"""

from __future__ import annotations

from .table import Key


def partition(instance: str) -> str:
    return f"MIGRATIONS#{instance}"


def order(instance: str, task: str) -> Key:
    return Key(partition(instance), f"{task}#ORDER")


def logins(instance: str, task: str) -> Key:
    return Key(partition(instance), f"{task}#LOGINS")


def failed(instance: str, task: str, image: str) -> Key:
    return Key(partition(instance), f"{task}#FAILED#{image}")
