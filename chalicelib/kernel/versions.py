"""Versions of what is stored and sent: the one place that says which code may read what.

`schema_version` of a row or a message is the oldest generation of this code that understands it; without one it is 1.

    a field is added that older code may pass over        the number stays: readers ignore what they do not know
    a field changes its meaning, or must not be missed    the number of what is written so rises

What is newer than `READS` is refused (503 to clients, again later for messages), never misread; nor is it written over
by a change that looks at no row first. Two versions side by side therefore take two releases for such a change: the
first reads the new number and writes the old one, the second writes the new one. One that rose cannot be taken back
but by restoring a backup.
"""

from __future__ import annotations

from typing import Final

FIELD: Final = "schema_version"
# Of what is written, where its model says nothing else.
WRITES: Final = 1
READS: Final = 1
