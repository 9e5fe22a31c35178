"""Conditions and changes in DynamoDB's words."""

from __future__ import annotations

import pytest

from chalicelib.ports.aws.expressions import Expression
from chalicelib.ports.aws.table import DynamoTable
from chalicelib.ports.table import (
    Condition,
    ConditionFailed,
    Key,
    Update,
    absent,
    all_of,
    any_of,
    at_least,
    at_most,
    equals,
    present,
)

KEY = Key("p", "s")


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (absent(), "attribute_not_exists(#0)"),
        (
            all_of(present("a"), any_of(at_least("b", 1), at_most("b", 2))),
            "attribute_exists(#0) AND (#1 >= :0 OR #1 <= :1)",
        ),
        (all_of(all_of(any_of(absent("a")))), "attribute_not_exists(#0)"),
        (any_of(all_of(absent("a")), equals("b", 1)), "attribute_not_exists(#0) OR #1 = :0"),
    ],
)
def test_parentheses_stand_only_where_needed_since_others_are_refused(condition: Condition, text: str) -> None:
    assert Expression().condition(condition) == text


def test_attributes_may_be_named_by_reserved_words_and_dots(table: DynamoTable) -> None:
    table.put({"pk": "p", "sk": "s", "size": 1, "a.b": "x"})
    after = table.update(
        Update(KEY, set={"name": "n"}, add={"size": 2, "count": 1}, remove=("a.b",), when=equals("a.b", "x"))
    )
    assert after == {"pk": "p", "sk": "s", "size": 3, "count": 1, "name": "n"}


def test_nothing_to_hold_is_true_and_nothing_to_choose_from_is_false(table: DynamoTable) -> None:
    table.put({"pk": "p", "sk": "s"}, all_of())
    with pytest.raises(ConditionFailed):
        table.delete(KEY, any_of())
