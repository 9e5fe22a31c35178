"""The codec between items and DynamoDB's attribute values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.ports.aws.items import decode, decode_item, encode, encode_item

NUMBERS = st.integers(min_value=-(10**38) + 1, max_value=10**38 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=5))
def test_an_item_comes_back_as_it_went(item: dict[str, Any]) -> None:
    assert decode_item(encode_item(item)) == item


def test_true_and_one_stay_apart() -> None:
    assert encode(True) == {"BOOL": True}
    assert encode(1) == {"N": "1"}


def test_round_numbers_in_another_spelling_are_whole_numbers_all_the_same() -> None:
    number = decode({"N": "1E+20"})
    assert number == 10**20
    assert type(number) is int


@pytest.mark.parametrize("value", [1.5, {1}, object()])
def test_what_the_contract_leaves_out_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="cannot be a"):
        encode({"nested": [value]})


def test_a_set_that_somebody_else_wrote_is_refused_and_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="SS"):
        decode({"SS": ["a"]})
