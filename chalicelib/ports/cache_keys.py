"""Keys of what pull-through caches keep in the table, beside `keys.py`.

pk                      sk                                          what stands there
POLICY#<namespace id>   UPSTREAM                                    where a namespace pulls through, with which login
CACHES#<instance>       LEASE#<namespace id>#<repository>#<digest>  what was named by a manifest from there, and is not
                                                                    here yet: who may pull it, until when

A namespace's own row says whether it has an upstream, so nothing else is read for those that have none. A pull that
finds nothing here reads one LEASE; what is here is served as ever.
"""

from __future__ import annotations

from .table import Key


def upstream(namespace_id: str) -> Key:
    return Key(f"POLICY#{namespace_id}", "UPSTREAM")


def caches_partition(instance: str) -> str:
    return f"CACHES#{instance}"


def lease_prefix(namespace_id: str, repository: str) -> str:
    return f"LEASE#{namespace_id}#{repository}#"


def lease(instance: str, namespace_id: str, repository: str, digest: str) -> Key:
    return Key(caches_partition(instance), f"{lease_prefix(namespace_id, repository)}{digest}")
