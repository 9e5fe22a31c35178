"""Keys of synchronisation, beside `keys.py`.

pk                     sk                      what stands there
SYNCRULES#<instance>   RULE#<ulid>             a rule; the instance is its source
SYNCRULES#<instance>   ENTRY#<task>#<moment>   id of the audit entry that tells late of a task's end
SYNCED#<account>       <place>#<namespace>     what a namespace is to rules, source or target, and to which; the place
                                               is an instance's id, or the host of a registry elsewhere
"""

from __future__ import annotations

from .table import Key


def rules_partition(instance: str) -> str:
    return f"SYNCRULES#{instance}"


def rule(instance: str, rule: str) -> Key:
    return Key(rules_partition(instance), f"RULE#{rule}")


def entry(instance: str, about: str) -> Key:
    return Key(rules_partition(instance), f"ENTRY#{about}")


def claim(account: str, place: str, namespace: str) -> Key:
    return Key(f"SYNCED#{account}", f"{place}#{namespace}")
