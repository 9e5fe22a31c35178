"""Pure decisions about an instance to be opened: every bad field at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from chalicelib.edge.problems import invalid

from .models import Form

Bad = list[tuple[str, str]]

# What is bought with an enterprise instance alone.
_ENTERPRISE_ONLY: Final = ("bucket", "months", "auto_renew", "namespace_packs", "repository_packs")


def read(given: Mapping[str, Any]) -> tuple[Form | None, dict[str, Any], Bad]:
    """The form if it is one, those of its fields that are right by themselves, and what is wrong."""
    form: Form | None = None
    bad: Bad = []
    try:
        form = Form.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        bad.extend(invalid(error, "body").fields)
    wrong = {field.partition(".")[0] for field, _ in bad}
    # Where the whole is wrong, nothing is known of its fields.
    good = {} if "body" in wrong else {name: value for name, value in given.items() if name not in wrong}
    return form, good, bad + _unfit(good, wrong)


def _unfit(good: Mapping[str, Any], wrong: set[str]) -> Bad:
    """What does not go with the edition."""
    edition = good.get("edition")
    if edition == "personal":
        return [(name, "is for enterprise instances alone") for name in _ENTERPRISE_ONLY if good.get(name)]
    if edition == "enterprise":
        needed = {"bucket": "name one of the account's buckets", "months": "say for how many months"}
        return [(name, text) for name, text in needed.items() if name not in wrong and not good.get(name)]
    return []
