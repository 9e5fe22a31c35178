"""Conditions and changes as DynamoDB's expressions. Names and values are placeholders: none can be a reserved word."""

from __future__ import annotations

from typing import Any, Final

from chalicelib.ports.table import Condition, Update

from .items import Attribute, encode

_COMPARISONS: Final = {"equals": "=", "at_least": ">=", "at_most": "<="}


class Expression:
    """Collects the placeholders of one call."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Attribute] = {}

    def name(self, name: str) -> str:
        return self._names.setdefault(name, f"#{len(self._names)}")

    def value(self, value: Any) -> str:
        placeholder = f":{len(self._values)}"
        self._values[placeholder] = encode(value)
        return placeholder

    def condition(self, condition: Condition) -> str:
        operator = condition.operator
        if operator == "absent":
            return f"attribute_not_exists({self.name(condition.name)})"
        if operator == "present":
            return f"attribute_exists({self.name(condition.name)})"
        if operator in ("all_of", "any_of"):
            return self._joined(operator, condition.parts)
        return f"{self.name(condition.name)} {_COMPARISONS[operator]} {self.value(condition.value)}"

    def change(self, change: Update) -> str:
        """The update expression; empty if nothing changes but that the item exists."""
        clauses = []
        if change.set:
            clauses.append(
                "SET " + ", ".join(f"{self.name(name)} = {self.value(value)}" for name, value in change.set.items())
            )
        if change.add:
            # ADD makes an absent attribute count from 0.
            clauses.append(
                "ADD " + ", ".join(f"{self.name(name)} {self.value(value)}" for name, value in change.add.items())
            )
        if change.remove:
            clauses.append("REMOVE " + ", ".join(self.name(name) for name in change.remove))
        return " ".join(clauses)

    def placeholders(self) -> dict[str, Any]:
        """The arguments that carry them; DynamoDB refuses empty ones."""
        arguments: dict[str, Any] = {}
        if self._names:
            arguments["ExpressionAttributeNames"] = {placeholder: name for name, placeholder in self._names.items()}
        if self._values:
            arguments["ExpressionAttributeValues"] = self._values
        return arguments

    def _joined(self, operator: str, parts: tuple[Condition, ...]) -> str:
        if not parts:
            # Nothing to hold is true, nothing to choose from is false; DynamoDB knows neither word.
            name, word = self.name("pk"), "OR" if operator == "all_of" else "AND"
            return f"attribute_exists({name}) {word} attribute_not_exists({name})"
        if len(parts) == 1:
            return self.condition(parts[0])
        word = " AND " if operator == "all_of" else " OR "
        return word.join(self._enclosed(part) for part in parts)

    def _enclosed(self, part: Condition) -> str:
        """In parentheses only if it has a word of its own: DynamoDB refuses redundant ones."""
        text = self.condition(part)
        compound = part.operator in ("all_of", "any_of") and (" AND " in text or " OR " in text)
        return f"({text})" if compound else text
