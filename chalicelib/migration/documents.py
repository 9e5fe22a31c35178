"""One file of a migration as its writer wrote it: JSON, with comments as people put them into it, or YAML.

A document knows in which line each of its entries stands, so that a mistake is told where it was made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import Invalid

# What is not a comment: strings, whole. Then both kinds of comments; one that is not closed reaches to the end.
_COMMENTS: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
# Images of a whole company fit; who has more writes several files.
LONGEST: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """
    entries   of its outermost level
    field     by which a refusal names it: `auth`, `images`
    name      of the file, "" where it came with a request
    text      as it was written, "" for what never was a text
    """

    entries: Mapping[str, Any]
    field: str
    name: str = ""
    text: str = ""

    def mistake(self, entry: str, what: str) -> tuple[str, str]:
        """For `Invalid.many`: where it stands, and what is wrong there."""
        line = self._line(entry)
        place = [part for part in (self.name, f"line {line}" if line else "", repr(entry)) if part]
        return self.field, f"{', '.join(place)}: {what}"

    def _line(self, entry: str) -> int:
        """From 1; 0 where it was not found as it stands."""
        for written in (json.dumps(entry, ensure_ascii=False), entry):
            at = self.text.find(written)
            if at >= 0:
                return self.text.count("\n", 0, at) + 1
        return 0

    def part(self, name: str) -> Document:
        """One entry of it that is a document of its own. Raises Invalid."""
        inner = self.entries.get(name, {})
        return Document(_mapping(inner, name, self.name), name, self.name, self.text)


def from_text(text: str, field: str, name: str = "", *, yaml_too: bool = False) -> Document:
    """yaml_too: what is not called .json and does not begin with a brace is YAML.

    Raises Invalid naming the file, and the line if known.
    """
    if len(text) > LONGEST:
        raise Invalid(field, f"{name or field} has more than {LONGEST} letters")
    json_too = name.endswith(".json") or without_comments(text).lstrip().startswith("{")
    if yaml_too and not json_too:
        return Document(_mapping(_from_yaml(text, field, name), field, name), field, name, text)
    try:
        entries = strict_json.parse(without_comments(text).encode("utf-8", "replace"), field)
    except Invalid as malformed:
        raise Invalid(field, f"{name or field} {malformed.message}") from None
    return Document(_mapping(entries, field, name), field, name, text)


def without_comments(text: str) -> str:
    """The same lines and columns, with blanks instead of comments."""

    def blanked(found: re.Match[str]) -> str:
        return found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0])

    return _COMMENTS.sub(blanked, text)


def _mapping(entries: Any, field: str, name: str) -> Mapping[str, Any]:
    if not isinstance(entries, dict) or not all(isinstance(key, str) for key in entries):
        raise Invalid(field, f"{name or field} must hold entries of the form name: value")
    return entries


def _from_yaml(text: str, field: str, name: str) -> Any:
    # Only where there is a command line.
    import yaml

    class Unique(yaml.SafeLoader):
        """Keys that stand twice are a mistake, not one of them."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen: set[str] = set()
            for key, _ in node.value:
                if isinstance(key.value, str) and key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} stands twice", problem_mark=key.start_mark)
                seen.add(str(key.value))
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Unique) or {}  # noqa: S506 (a safe loader)
    except yaml.MarkedYAMLError as malformed:
        line = f", line {malformed.problem_mark.line + 1}" if malformed.problem_mark else ""
        raise Invalid(field, f"{name}{line}: {malformed.problem or 'is not YAML'}") from None
    except yaml.YAMLError:
        raise Invalid(field, f"{name} is not YAML") from None
