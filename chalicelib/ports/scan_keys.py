"""Keys of what scans keep in the table, beside `keys.py`.

  pk                     sk                  what stands there
  SCANS#<instance>       IMAGE#<digest>      what the scan of an image came to: state, counts
  SCANS#<instance>       DETAIL#<digest>     ids of its findings, names of its packages
  SCANS#<instance>       FOUND#<digest>      its findings with their packages, for whoever looks for one
  SCANS#<instance>       VEX#<ulid>          a document that silences findings
  POLICY#<namespace id>  PULL                which images may not be pulled
  SCANS#<instance>       RESCAN              up to which database its images are judged, and how far a pass has come
  VULNERABILITIES        CURRENT             which database is used
  VULNERABILITIES        DATABASE#<digest>   a database that was imported
  VULNERABILITIES        LEFTOVER#<ulid>     objects of an import that is under way, broke off or is not kept
  VULNERABILITIES        CHECK               when a newer one was looked for, and what came of it
  VULNERABILITIES        RESCANS             whether every instance is judged by the current one

A list of tags reads IMAGE rows in one batch; a pull reads one where its namespace has a policy. Scanning again reads
every IMAGE and DETAIL row of an instance once, and the reports of those alone whose packages an update is about. Which
images have a vulnerability is found by passing over FOUND rows.
"""

from __future__ import annotations

from typing import Final

from .table import Key

DATABASES: Final = "VULNERABILITIES"


def scans_partition(instance: str) -> str:
    return f"SCANS#{instance}"


def scan(instance: str, digest: str) -> Key:
    return Key(scans_partition(instance), f"IMAGE#{digest}")


def scan_detail(instance: str, digest: str) -> Key:
    return Key(scans_partition(instance), f"DETAIL#{digest}")


def scan_found(instance: str, digest: str) -> Key:
    return Key(scans_partition(instance), f"FOUND#{digest}")


def vex(instance: str, document: str) -> Key:
    return Key(scans_partition(instance), f"VEX#{document}")


def pull_policy(namespace_id: str) -> Key:
    return Key(f"POLICY#{namespace_id}", "PULL")


def current_database() -> Key:
    return Key(DATABASES, "CURRENT")


def database(digest: str) -> Key:
    return Key(DATABASES, f"DATABASE#{digest}")


def database_leftover(attempt: str) -> Key:
    return Key(DATABASES, f"LEFTOVER#{attempt}")


def database_check() -> Key:
    return Key(DATABASES, "CHECK")


def rescans() -> Key:
    return Key(DATABASES, "RESCANS")


def rescan(instance: str) -> Key:
    return Key(scans_partition(instance), "RESCAN")
