"""Filters, pages and exports of the audit record."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.edge.tally import flush_tallies
from chalicelib.instances.models import Instance
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.stacks import FrozenClock

from .deeds import EVENTS, FIELDS, deed, items


def fill(stack: Stack, instance: Instance, clock: FrozenClock, **more: Any) -> None:
    """An entry an hour, for two days."""
    audit = Audit(stack)
    for hour in range(48):
        clock.advance(3600)
        kind = "tag" if hour % 3 == 0 else "namespace"
        audit.record(instance.id, deed(clock, object_type=kind, object=str(hour), **more))


def walk(api: Api, **query: object) -> list[str]:
    """Objects of all pages."""
    seen: list[str] = []
    cursor: dict[str, object] = {}
    for _ in range(100):
        page = api.get(EVENTS, **query, **cursor).json()
        seen += [one["object"] for one in page["items"]]
        if page["next"] is None:
            return seen
        cursor = {"cursor": page["next"]}
    raise AssertionError("the pages do not end")


@pytest.fixture
def filled(stack: Stack, instance: Instance, clock: FrozenClock) -> Api:
    fill(stack, instance, clock)
    return Api.signed_in(stack)


@pytest.mark.parametrize("limit", [1, 7, 48, 200])
def test_pages_are_newest_first_and_neither_miss_nor_double(filled: Api, limit: int) -> None:
    """G1"""
    everything = [str(hour) for hour in reversed(range(48))]
    assert walk(filled, limit=limit) == everything
    assert walk(filled, limit=limit, object_type="tag") == [one for one in everything if int(one) % 3 == 0]
    assert walk(filled, limit=limit, keyword="ADA") == everything


def test_a_page_that_shows_the_rest_has_no_cursor(filled: Api) -> None:
    assert filled.get(EVENTS, limit=48).json()["next"] is None


def test_time_range_is_inclusive_and_crosses_days(filled: Api) -> None:
    """G1: hour 0 was filed at 09:00 of the first day."""
    query = {"from": "2026-01-31T23:00:00Z", "to": "2026-02-01T01:00:00Z"}
    assert [one["object"] for one in items(filled, **query)] == ["16", "15", "14"]
    assert [one["object"] for one in items(filled, **query, object_type="tag")] == ["15"]
    far = {"from": "1999-01-01T00:00:00+05:00", "to": "2026-01-31T09:00:00Z"}
    assert [one["object"] for one in items(filled, **far)] == ["0"]
    assert items(filled, **{"from": "2030-01-01T00:00:00Z"}) == []
    assert items(filled, to="2025-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    ("keyword", "count"),
    [("192.0.2", 48), ("Library", 48), ("APP", 48), ("crea", 48), ("ada", 48), ("tag", 0), ("", 48)],
)
def test_keyword_is_looked_for_in_five_fields(
    stack: Stack, instance: Instance, clock: FrozenClock, keyword: str, count: int
) -> None:
    """G1"""
    fill(stack, instance, clock, namespace="library", repository="library/app")
    assert len(walk(Api.signed_in(stack), keyword=keyword)) == count


def test_a_keyword_pass_looks_at_5000_entries_and_answers_a_cursor(
    stack: Stack, instance: Instance, clock: FrozenClock
) -> None:
    """G1, N4's bound. Counted refusals are written many at a time."""
    audit = Audit(stack)
    audit.record(instance.id, deed(clock, user="needle"))
    clock.advance(1)
    for number in range(5001):
        audit.count(instance.id, f"2001:db8::{number:x}", "UNAUTHENTICATED")
    flush_tallies(stack)
    counting = CountedQueries(stack)
    first = Api.signed_in(counting.stack).get(EVENTS, keyword="needle").json()
    assert (first["items"], first["next"] is None) == ([], False)
    assert counting.rows <= 6000
    rest = Api.signed_in(stack).get(EVENTS, keyword="needle", cursor=first["next"]).json()
    assert ([one["user"] for one in rest["items"]], rest["next"]) == (["needle"], None)


class CountedQueries:
    """The audit table, counting the rows that queries of it answer."""

    def __init__(self, stack: Stack) -> None:
        self._table = stack.audit
        self.rows = self.queries = 0
        self.stack = replace(stack, audit=self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def query(self, *args: Any, **more: Any) -> Any:
        page = self._table.query(*args, **more)
        self.queries += 1
        self.rows += len(page.items)
        return page


def test_a_search_by_time_or_type_reads_little_more_than_it_shows(
    stack: Stack, instance: Instance, clock: FrozenClock
) -> None:
    """G1: one indexed pass."""
    fill(stack, instance, clock)
    counting = CountedQueries(stack)
    api = Api.signed_in(counting.stack)
    for query in ({"object_type": "tag"}, {"from": "2026-02-01T10:00:00Z", "to": "2026-02-01T14:00:00Z"}):
        counting.rows = counting.queries = 0
        api.get(EVENTS, limit=5, **query)
        assert (counting.queries <= 3, counting.rows <= 12) == (True, True), (counting.queries, counting.rows)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-01-31T08:00:00"}, "from"),
        ({"to": "0001-01-01T00:00:00+10:00"}, "to"),
        ({"to": "9999-12-31T23:59:59Z"}, "to"),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ({"cursor": "x"}, "cursor"),
        ({"keyword": "x" * 256}, "keyword"),
        ({"user": "ada"}, "user"),
    ],
)
def test_a_bad_field_is_named(api: Api, query: dict[str, str], field: str) -> None:
    for path in (EVENTS, f"{EVENTS}/export"):
        answer = api.get(path, **query)
        assert answer.status == 400, answer.text
        assert [one["field"] for one in answer.json()["errors"]] == [field]


def test_export_as_json_lines_is_the_list(filled: Api) -> None:
    """G1"""
    answer = filled.get(f"{EVENTS}/export", object_type="tag")
    assert answer.headers["Content-Type"] == "application/jsonl"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines == items(filled, object_type="tag", limit=200)
    assert "Next-Cursor" not in answer.headers


def test_export_as_csv_has_no_formulas(stack: Stack, instance: Instance, clock: FrozenClock) -> None:
    """G1"""
    bad = ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "\nx", 'quote"comma,', "plain"]
    for text in bad:
        Audit(stack).record(instance.id, deed(clock, object=text))
        clock.advance(1)
    answer = Api.signed_in(stack).get(f"{EVENTS}/export", format="csv")
    assert answer.headers["Content-Type"] == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert set(rows[0]) == FIELDS
    told = [row["object"] for row in reversed(rows)]
    assert told == ["'" + text for text in bad[:7]] + bad[7:]


def test_export_goes_on_where_a_call_ended(filled: Api, stack: Stack, instance: Instance) -> None:
    """G1: so many bytes a call, and nothing twice."""
    audit, seen, cursor = Audit(stack), list[str](), None
    for _ in range(48):
        page = audit.export(instance.id, Filter(), cursor, 1000, lambda entry: f"{entry.object:>400}\n")
        assert len(page.items) <= 2
        seen += [line.strip() for line in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [str(hour) for hour in reversed(range(48))]


def test_export_has_its_columns_named_once(filled: Api) -> None:
    first = filled.get(f"{EVENTS}/export", format="csv").text
    cursor = filled.get(EVENTS, limit=10).json()["next"]
    rest = filled.get(f"{EVENTS}/export", format="csv", cursor=cursor).text
    assert first.startswith("id,time,user")
    assert not rest.startswith("id,")
    assert len(rest.splitlines()) == 38
