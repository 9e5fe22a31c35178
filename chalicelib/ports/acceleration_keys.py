"""Keys of what accelerated images keep in the table, beside `keys.py`. What became of a tag stands on the tag's row.

pk                       sk                           what stands there
CONVERSIONS#<instance>   LAYER#<digest>#<recipe>      one layer, to be converted or converted already
CONVERSIONS#<instance>   ENTRY#<task>#<moment>        id of the audit entry that tells late of a task's end
REPO#<repository>        FIRSTFILES                   files that its images need first, as its users told
"""

from __future__ import annotations

from .table import Key


def conversions_partition(instance: str) -> str:
    return f"CONVERSIONS#{instance}"


def conversion(instance: str, layer: str, recipe: str) -> Key:
    return Key(conversions_partition(instance), f"LAYER#{layer}#{recipe}")


def entry(instance: str, about: str) -> Key:
    return Key(conversions_partition(instance), f"ENTRY#{about}")


def first_files(repository: str) -> Key:
    return Key(f"REPO#{repository}", "FIRSTFILES")
