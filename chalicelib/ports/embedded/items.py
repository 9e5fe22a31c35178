"""Items as rows: columns for what SQLite has to find and sort by, msgpack for the rest."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from chalicelib.ports.limits import KEY_LIMITS, check_item
from chalicelib.ports.table import Item

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS items (
    pk TEXT NOT NULL, sk TEXT NOT NULL, i1pk TEXT, i1sk TEXT, i2pk TEXT, i2sk TEXT, expires INTEGER, body BLOB NOT NULL,
    PRIMARY KEY (pk, sk)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_i1 ON items (i1pk, i1sk, pk, sk) WHERE i1pk IS NOT NULL;
CREATE INDEX IF NOT EXISTS items_i2 ON items (i2pk, i2sk, pk, sk) WHERE i2pk IS NOT NULL;
CREATE INDEX IF NOT EXISTS items_expires ON items (expires) WHERE expires IS NOT NULL
"""
SELECT: Final = "SELECT body FROM items WHERE pk=? AND sk=?"
REPLACE: Final = "INSERT OR REPLACE INTO items VALUES (?,?,?,?,?,?,?,?)"
EXPIRE: Final = (
    "DELETE FROM items WHERE (pk, sk) IN (SELECT pk, sk FROM items WHERE expires IS NOT NULL AND expires<=? LIMIT 4)"
)
DELETE: Final = "DELETE FROM items WHERE pk=? AND sk=?"

# Times beyond, which are no times, mean never: SQLite has 64 bits.
_LATEST_S: Final = 2**62
EXPIRES_COLUMN: Final = 6

# Far from 400 KB however DynamoDB counts: it takes at most three times what msgpack does.
_SURELY_SHORT_BYTES: Final = 100 * 1024
_SCALARS: Final = frozenset({str, int, bool, bytes, type(None)})

Row = tuple[Any, ...]


def _plain(value: Any) -> str:
    """Names are text of a class of their own, which the codec does not take for text."""
    if isinstance(value, str):
        return str(value)
    raise ValueError(f"an item cannot hold a {type(value).__name__}")


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
decode: Final = msgspec.msgpack.Decoder(dict[str, Any]).decode


def row(item: Item) -> Row:
    """Raises ValueError if the item breaks a limit, or has a number of more than 64 bits, which SQLite's row lacks."""
    encoded = _encoded(item)
    get = item.get
    i1pk, i1sk, i2pk, i2sk, expires = get("i1pk"), get("i1sk"), get("i2pk"), get("i2sk"), get("expires")
    # An item is in an index if it has both of the index's attributes.
    if i1pk is None or i1sk is None:
        i1pk = i1sk = None
    if i2pk is None or i2sk is None:
        i2pk = i2sk = None
    if not isinstance(expires, int) or not 0 <= expires < _LATEST_S:
        expires = None
    return item["pk"], item["sk"], i1pk, i1sk, i2pk, i2sk, expires, encoded


def _encoded(item: Item) -> bytes:
    """The item's body, checked. What is plainly within the limits is not measured value by value: that costs more than
    all the rest of a write."""
    try:
        encoded = _encode(item)
    except OverflowError as error:
        check_item(item)
        raise ValueError("numbers of more than 64 bits are not kept here") from error
    if len(encoded) > _SURELY_SHORT_BYTES or not _plainly_fine(item):
        check_item(item)
    return encoded


def _plainly_fine(item: Item) -> bool:
    """Keys, and nothing but texts, numbers and lists of texts. False says nothing."""
    for name, value in item.items():
        if name in KEY_LIMITS:
            if not isinstance(value, str) or not 0 < len(value) * 4 <= KEY_LIMITS[name]:
                return False
        elif type(value) in (list, tuple):
            if not all(isinstance(part, str) for part in value):
                return False
        elif type(value) not in _SCALARS and not isinstance(value, str):
            return False
    return "pk" in item and "sk" in item and "" not in item
