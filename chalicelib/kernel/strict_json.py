"""JSON from strangers. What the standard parser lets pass or dies of is refused: doubled keys (one body, two readings),
NaN, nesting without end, numbers without end, bytes that are not UTF-8."""

from __future__ import annotations

import json
from typing import Any

from .errors import Invalid


def parse(data: bytes, field: str) -> Any:
    """The value. Raises Invalid naming `field`."""
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise Invalid(field, "is nested too deeply") from None
    except UnicodeDecodeError:
        raise Invalid(field, "is not UTF-8") from None
    except ValueError as error:
        # json's own messages name the position; ours name the doubled key. int() of thousands of digits ends here too.
        raise Invalid(field, f"is not valid JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
